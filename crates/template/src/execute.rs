//! Rendering.

use crate::builtin::Function;
use crate::scope::Scope;
use crate::tree::{Branch, Command, Node, Operand, Pipeline, Tree};
use crate::value::Value;
use crate::{MAX_DEPTH, MAX_OUTPUT, MAX_STEPS, MissingKey, field, print};

/// Why a template yields nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The data has no such field.
    #[error("can't evaluate field {field} in type {of}")]
    NoField {
        /// Name of the field.
        field: String,
        /// Type of the value that was asked.
        of: String,
    },
    /// A field of a pointer to nothing.
    #[error("nil pointer evaluating {of}.{field}")]
    NilPointer {
        /// Name of the field.
        field: String,
        /// Type of what is not there.
        of: String,
    },
    /// A map lacks the key, and that is an error.
    #[error("map has no entry for key {0:?}")]
    NoKey(String),
    /// A function refuses.
    #[error("error calling {name}: {reason}")]
    Function {
        /// Name of the function.
        name: String,
        /// Why.
        reason: String,
    },
    /// The data does not fit the template otherwise.
    #[error("{0}")]
    Unfit(String),
    /// A bound is met.
    #[error("{what} goes beyond the bound of {bound}")]
    Bound {
        /// What goes beyond it.
        what: &'static str,
        /// The bound.
        bound: usize,
    },
}

type Result<T> = std::result::Result<T, RenderError>;

pub(crate) fn render(tree: &Tree, missing_key: MissingKey, data: &Value<'_>) -> Result<String> {
    let mut renderer =
        Renderer { tree, missing_key, scope: Scope::of(data.clone()), output: String::new(), steps: 0, depth: 0 };
    renderer.nodes(&tree.root, data)?;
    Ok(renderer.output)
}

struct Renderer<'t, 'a> {
    tree: &'t Tree,
    missing_key: MissingKey,
    scope: Scope<'t, 'a>,
    output: String,
    steps: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'t, 'a> Renderer<'t, 'a> {
    fn nodes(&mut self, nodes: &'t [Node], dot: &Value<'a>) -> Result<Flow> {
        self.descend()?;
        for node in nodes {
            self.step(1)?;
            let flow = match node {
                Node::Text(text) => self.write(text)?,
                Node::Action(pipeline) => self.action(pipeline, dot)?,
                Node::If(branch) => self.branch(branch, dot, false)?,
                Node::With(branch) => self.branch(branch, dot, true)?,
                Node::Range(branch) => self.range(branch, dot)?,
                Node::Call { name, data } => self.call_template(name, data.as_ref(), dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::On)
    }

    fn action(&mut self, pipeline: &'t Pipeline, dot: &Value<'a>) -> Result<Flow> {
        let value = self.pipeline(pipeline, dot)?;
        if pipeline.variables.is_empty() {
            let text = print::printed(&value).map_err(RenderError::Unfit)?;
            self.write(&text)?;
        }
        Ok(Flow::On)
    }

    fn branch(&mut self, branch: &'t Branch, dot: &Value<'a>, with: bool) -> Result<Flow> {
        let mark = self.scope.mark();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match value.is_true() {
            true if with => self.nodes(&branch.body, &value)?,
            true => self.nodes(&branch.body, dot)?,
            false => self.nodes(&branch.otherwise, dot)?,
        };
        self.scope.leave(mark);
        Ok(flow)
    }

    fn range(&mut self, branch: &'t Branch, dot: &Value<'a>) -> Result<Flow> {
        let outer = self.scope.mark();
        let over = self.pipeline(&branch.pipeline, dot)?;
        let inner = self.scope.mark();
        let mut any = false;
        for (index, element) in self.elements(&over, &branch.pipeline)? {
            any = true;
            self.step(1)?;
            self.bind(&branch.pipeline, index, &element)?;
            let flow = self.nodes(&branch.body, &element)?;
            self.scope.leave(inner);
            if flow == Flow::Break {
                break;
            }
        }
        let flow = if any { Flow::On } else { self.nodes(&branch.otherwise, dot)? };
        self.scope.leave(outer);
        Ok(flow)
    }

    /// What `range` goes over: positions or keys, and elements.
    fn elements(&mut self, over: &Value<'a>, pipeline: &Pipeline) -> Result<Vec<(Value<'a>, Value<'a>)>> {
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Ok(match over {
            Value::Missing => Vec::new(),
            Value::List(list) => {
                list.as_slice().iter().enumerate().map(|(at, element)| (number(at), element.clone())).collect()
            }
            Value::Map(map) => {
                map.entries().iter().map(|(key, element)| (Value::Str(key.clone()), element.clone())).collect()
            }
            Value::Int(count) if pipeline.variables.len() > 1 => {
                return Err(unfit(format!("can't use {count} to iterate over more than one variable")));
            }
            Value::Int(count) => {
                self.step(usize::try_from(*count).unwrap_or_default())?;
                (0..*count).map(|at| (Value::Missing, Value::Int(at))).collect()
            }
            other => return Err(unfit(format!("range can't iterate over a {}", other.type_name()))),
        })
    }

    /// Gives the variables of a `range` their values: one gets the element, of two the first gets the position.
    fn bind(&mut self, pipeline: &'t Pipeline, index: Value<'a>, element: &Value<'a>) -> Result<()> {
        let values = match pipeline.variables.as_slice() {
            [] => return Ok(()),
            [only] => vec![(only, element.clone())],
            [first, second, ..] => vec![(first, index), (second, element.clone())],
        };
        for (name, value) in values {
            // The pipeline itself gave them the whole already.
            if !self.scope.assign(name, value) {
                return Err(unfit(format!("undefined variable: {name}")));
            }
        }
        Ok(())
    }

    fn call_template(&mut self, name: &str, data: Option<&'t Pipeline>, dot: &Value<'a>) -> Result<Flow> {
        let tree = self.tree;
        let body = tree.defined.get(name).ok_or_else(|| unfit(format!("template {name:?} not defined")))?;
        let data = data.map_or(Ok(Value::Missing), |pipeline| self.pipeline(pipeline, dot))?;
        let outer = std::mem::replace(&mut self.scope, Scope::of(data.clone()));
        self.nodes(body, &data)?;
        self.scope = outer;
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Value<'a>) -> Result<Value<'a>> {
        self.descend()?;
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        self.depth -= 1;
        let value = value.unwrap_or(Value::Missing);
        for name in &pipeline.variables {
            if !pipeline.assigns {
                self.scope.declare(name, value.clone());
            } else if !self.scope.assign(name, value.clone()) {
                return Err(unfit(format!("undefined variable: {name}")));
            }
        }
        Ok(value)
    }

    /// A command, with the value of the one before it as its last argument.
    fn command(&mut self, command: &'t Command, dot: &Value<'a>, last: Option<Value<'a>>) -> Result<Value<'a>> {
        self.step(1)?;
        let has_arguments = !command.arguments.is_empty() || last.is_some();
        match &command.first {
            Operand::Function { name, function } => {
                if let Some(stops) = function.short_circuit() {
                    return self.short_circuit(command, dot, last, stops);
                }
                let mut arguments = Vec::new();
                for argument in &command.arguments {
                    arguments.push(self.operand(argument, dot)?);
                }
                arguments.extend(last);
                self.call(name, *function, &arguments)
            }
            Operand::Nil => Err(unfit("nil is not a command".to_owned())),
            first if has_arguments => match first {
                Operand::Field(fields) | Operand::Variable { fields, .. } | Operand::Chain { fields, .. }
                    if !fields.is_empty() =>
                {
                    let name = fields.last().cloned().unwrap_or_default();
                    Err(unfit(format!("{name} has arguments but cannot be invoked as function")))
                }
                _ => Err(unfit("can't give argument to non-function".to_owned())),
            },
            first => self.operand(first, dot),
        }
    }

    /// `and` and `or`: arguments after the deciding one are not evaluated.
    fn short_circuit(
        &mut self,
        command: &'t Command,
        dot: &Value<'a>,
        last: Option<Value<'a>>,
        stops: bool,
    ) -> Result<Value<'a>> {
        let mut value = None;
        for argument in &command.arguments {
            let argument = self.operand(argument, dot)?;
            if argument.is_true() == stops {
                return Ok(argument);
            }
            value = Some(argument);
        }
        last.or(value).ok_or_else(|| unfit("wrong number of args: want at least 1 got 0".to_owned()))
    }

    fn operand(&mut self, operand: &'t Operand, dot: &Value<'a>) -> Result<Value<'a>> {
        self.step(1)?;
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Missing),
            Operand::Bool(truth) => Ok(Value::Bool(*truth)),
            Operand::Int(number) => Ok(Value::Int(*number)),
            Operand::Float(number) => Ok(Value::Float(*number)),
            Operand::Str(text) => Ok(Value::text(text.clone())),
            Operand::Field(fields) => self.fields(dot.clone(), fields),
            Operand::Variable { name, fields } => {
                let value = self.scope.look_up(name).cloned();
                self.fields(value.ok_or_else(|| unfit(format!("undefined variable: {name}")))?, fields)
            }
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Operand::Chain { of, fields } => {
                let value = match &**of {
                    Operand::Function { name, function } => self.call(name, *function, &[])?,
                    other => self.operand(other, dot)?,
                };
                self.fields(value, fields)
            }
            Operand::Function { name, function } => self.call(name, *function, &[]),
        }
    }

    fn call(&mut self, name: &str, function: Function, arguments: &[Value<'a>]) -> Result<Value<'a>> {
        self.step(arguments.iter().map(cost).sum())?;
        let value = function.call(arguments);
        let value = value.map_err(|reason| RenderError::Function { name: name.to_owned(), reason })?;
        self.step(cost_of_result(&value)?)?;
        Ok(value)
    }

    fn fields(&mut self, value: Value<'a>, fields: &[String]) -> Result<Value<'a>> {
        self.step(fields.len())?;
        fields.iter().try_fold(value, |value, name| field::field(&value, name, self.missing_key))
    }

    fn write(&mut self, text: &str) -> Result<Flow> {
        if self.output.len() + text.len() > MAX_OUTPUT {
            return Err(RenderError::Bound { what: "output", bound: MAX_OUTPUT });
        }
        self.output.push_str(text);
        Ok(Flow::On)
    }

    fn step(&mut self, count: usize) -> Result<()> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > MAX_STEPS {
            return Err(RenderError::Bound { what: "work", bound: MAX_STEPS });
        }
        Ok(())
    }

    /// One level deeper. Errors leave for good, so that only success comes up again.
    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(RenderError::Bound { what: "depth", bound: MAX_DEPTH });
        }
        Ok(())
    }
}

/// What handling a value costs a function, in steps.
fn cost(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) => text.len() >> 10,
        Value::List(list) => list.as_slice().len(),
        Value::Map(map) => map.entries().len(),
        _ => 0,
    }
}

fn cost_of_result(value: &Value<'_>) -> Result<usize> {
    match value {
        Value::Str(text) if text.len() > MAX_OUTPUT => {
            Err(RenderError::Bound { what: "a function's result", bound: MAX_OUTPUT })
        }
        other => Ok(cost(other)),
    }
}

fn unfit(what: String) -> RenderError {
    RenderError::Unfit(what)
}
