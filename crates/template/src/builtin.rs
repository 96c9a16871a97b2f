//! Functions that templates may call: those of `text/template` itself.

use std::fmt;

use crate::value::{List, Value};
use crate::{compare, escape, format, print};

type Body = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, String>;

/// A function.
#[derive(Clone, Copy)]
pub struct Function {
    body: Body,
    stops: Option<bool>,
}

/// Functions by name.
#[derive(Clone, Copy, Debug)]
pub struct Functions(&'static [(&'static str, Function)]);

impl Function {
    /// A function with this body, which yields a value or says why not.
    pub const fn new(body: Body) -> Self {
        Self { body, stops: None }
    }

    pub(crate) fn call<'a>(&self, arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
        (self.body)(arguments)
    }

    /// The truth at which the function looks at no further argument, if there is one.
    pub(crate) fn short_circuit(&self) -> Option<bool> {
        self.stops
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl Functions {
    /// The functions of `text/template`, and no other: what spire-controller-manager's templates may call.
    pub const BUILTIN: Self = Self(&[
        ("and", Function { body: needs_arguments, stops: Some(false) }),
        ("or", Function { body: needs_arguments, stops: Some(true) }),
        ("not", Function::new(not)),
        ("call", Function::new(call)),
        ("html", Function::new(|arguments| escaped(arguments, escape::html))),
        ("index", Function::new(index)),
        ("slice", Function::new(slice)),
        ("js", Function::new(|arguments| escaped(arguments, escape::js))),
        ("len", Function::new(length)),
        ("print", Function::new(|arguments| print::print(arguments).map(Value::text))),
        ("printf", Function::new(printf)),
        ("println", Function::new(|arguments| print::println(arguments).map(Value::text))),
        ("urlquery", Function::new(|arguments| escaped(arguments, escape::urlquery))),
        ("eq", Function::new(|arguments| compare::equals(arguments).map(Value::Bool))),
        ("ne", Function::new(|arguments| compare::two(arguments, compare::not_equal))),
        ("lt", Function::new(|arguments| compare::two(arguments, compare::less))),
        ("le", Function::new(|arguments| compare::two(arguments, compare::less_or_equal))),
        ("gt", Function::new(|arguments| compare::two(arguments, compare::greater))),
        ("ge", Function::new(|arguments| compare::two(arguments, compare::greater_or_equal))),
    ]);

    /// A table of functions. Those of [`Functions::BUILTIN`] can always be called, unless the table has the name.
    pub const fn new(table: &'static [(&'static str, Function)]) -> Self {
        Self(table)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Function> {
        let of = |table: &'static [(&'static str, Function)]| {
            table.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
        };
        of(self.0).or_else(|| of(Self::BUILTIN.0))
    }
}

fn needs_arguments<'a>(_: &[Value<'a>]) -> Result<Value<'a>, String> {
    Err("wrong number of args: want at least 1 got 0".to_owned())
}

fn not<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    match arguments {
        [only] => Ok(Value::Bool(!only.is_true())),
        other => Err(format!("wrong number of args: want 1 got {}", other.len())),
    }
}

fn call<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    let of = arguments.first().map_or_else(|| "nothing".to_owned(), Value::type_name);
    Err(format!("non-function of type {of}"))
}

fn escaped<'a>(arguments: &[Value<'a>], escape: fn(&str) -> String) -> Result<Value<'a>, String> {
    print::evaluated(arguments).map(|text| Value::text(escape(&text)))
}

fn printf<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    match arguments.split_first() {
        Some((Value::Str(form), values)) => format::printf(form, values).map(Value::text),
        Some((other, _)) => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
        None => Err("wrong number of args: want at least 1 got 0".to_owned()),
    }
}

fn length<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    let [of] = arguments else {
        return Err(format!("wrong number of args: want 1 got {}", arguments.len()));
    };
    let length = match of {
        Value::Str(text) => text.len(),
        Value::List(list) => list.as_slice().len(),
        Value::Map(map) => map.entries().len(),
        Value::Null(_) => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    i64::try_from(length).map(Value::Int).map_err(|error| error.to_string())
}

fn index<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    let Some((of, indexes)) = arguments.split_first() else {
        return Err("wrong number of args: want at least 1 got 0".to_owned());
    };
    if matches!(of, Value::Missing) {
        return Err("index of untyped nil".to_owned());
    }
    indexes.iter().try_fold(of.clone(), |of, index| match &of {
        Value::Null(_) => Err("index of nil pointer".to_owned()),
        Value::Map(map) => match index {
            Value::Str(key) => Ok(map.entries().get(key).unwrap_or(map.zero()).clone()),
            Value::Missing => Err("value is nil; should be of type string".to_owned()),
            other => Err(format!("value has type {}; should be string", other.type_name())),
        },
        Value::List(list) => {
            let at = position(index, list.as_slice().len(), false)?;
            list.as_slice().get(at).cloned().ok_or_else(|| format!("index out of range: {at}"))
        }
        Value::Str(text) => {
            let at = position(index, text.len(), false)?;
            let byte = text.as_bytes().get(at).ok_or_else(|| format!("index out of range: {at}"))?;
            Ok(Value::Int(i64::from(*byte)))
        }
        other => Err(format!("can't index item of type {}", other.type_name())),
    })
}

/// A position in something of this length; a slice may end at its end.
fn position(index: &Value<'_>, length: usize, end: bool) -> Result<usize, String> {
    let Value::Int(at) = index else {
        return Err(format!("cannot index slice/array with type {}", index.type_name()));
    };
    let position = usize::try_from(*at).ok().filter(|position| *position < length || (end && *position == length));
    position.ok_or_else(|| format!("index out of range: {at}"))
}

fn slice<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
    let Some((of, indexes)) = arguments.split_first() else {
        return Err("wrong number of args: want at least 1 got 0".to_owned());
    };
    let length = match of {
        Value::Missing => return Err("slice of untyped nil".to_owned()),
        Value::Null(_) => return Err("slice of nil pointer".to_owned()),
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Str(text) => text.len(),
        Value::List(list) => list.as_slice().len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length, true)?;
    }
    let [from, to, capacity] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > capacity {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    match of {
        Value::Str(text) => match text.get(from..to) {
            Some(part) => Ok(Value::text(part.to_owned())),
            None => Err(format!("slice {from}:{to} of {text:?} would cut a character")),
        },
        Value::List(list) => Ok(Value::List(List::new(list.as_slice().get(from..to).unwrap_or_default().to_vec()))),
        _ => Err("can't slice".to_owned()),
    }
}
