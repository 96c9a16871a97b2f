//! What templates are rendered over.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// A value. Cloning is cheap.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// None at all: what a map lacks, or a literal `nil`. Printed as `<no value>`.
    Missing,
    /// A pointer to nothing, with the name of what it would point to. Printed as `<nil>`.
    Null(Cow<'a, str>),
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// A list.
    List(List<'a>),
    /// A map from texts.
    Map(Map<'a>),
    /// A struct: fields of fixed names.
    Record(Rc<dyn Record<'a> + 'a>),
}

/// A list of values.
#[derive(Clone, Debug, Default)]
pub struct List<'a>(Rc<Vec<Value<'a>>>);

/// A map from texts to values, in order of the texts.
#[derive(Clone, Debug)]
pub struct Map<'a> {
    entries: Rc<BTreeMap<Cow<'a, str>, Value<'a>>>,
    zero: Rc<Value<'a>>,
}

/// A struct whose fields are looked up by name.
pub trait Record<'a> {
    /// Name of the type, for errors, such as `v1.ObjectMeta`.
    fn type_name(&self) -> &str;
    /// The field or method without arguments of this name, `None` when the type has none. A field that is not set is
    /// its type's zero value.
    fn field(&self, name: &str) -> Option<Value<'a>>;
}

impl fmt::Debug for dyn Record<'_> + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

impl<'a> List<'a> {
    /// A list of `values`.
    pub fn new(values: Vec<Value<'a>>) -> Self {
        Self(Rc::new(values))
    }

    /// The values.
    pub fn as_slice(&self) -> &[Value<'a>] {
        &self.0
    }
}

impl<'a> Map<'a> {
    /// A map of which `index` yields `zero` for a key that is absent: the zero value of the map's element type.
    pub fn new(entries: BTreeMap<Cow<'a, str>, Value<'a>>, zero: Value<'a>) -> Self {
        Self { entries: Rc::new(entries), zero: Rc::new(zero) }
    }

    /// The entries.
    pub fn entries(&self) -> &BTreeMap<Cow<'a, str>, Value<'a>> {
        &self.entries
    }

    pub(crate) fn zero(&self) -> &Value<'a> {
        &self.zero
    }
}

impl<'a> Value<'a> {
    /// Text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Str(text.into())
    }

    /// A record.
    pub fn record(record: impl Record<'a> + 'a) -> Self {
        Self::Record(Rc::new(record))
    }

    /// Whether `if` takes it for true: not empty, not zero, not nil.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Null(_) => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.as_slice().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Record(_) => true,
        }
    }

    /// Name of the type, for errors.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Missing => "nil".to_owned(),
            Self::Null(name) => format!("*{name}"),
            Self::Bool(_) => "bool".to_owned(),
            Self::Int(_) => "int".to_owned(),
            Self::Float(_) => "float64".to_owned(),
            Self::Str(_) => "string".to_owned(),
            Self::List(_) => "list".to_owned(),
            Self::Map(_) => "map".to_owned(),
            Self::Record(record) => record.type_name().to_owned(),
        }
    }
}
