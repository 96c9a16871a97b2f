//! What a template is parsed into.

use std::collections::BTreeMap;

use crate::builtin::Function;

/// A template with all that it defines.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Vec<Node>,
    pub(crate) defined: BTreeMap<String, Vec<Node>>,
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Call { name: String, data: Option<Pipeline> },
    Break,
    Continue,
}

/// What `if`, `with` and `range` have in common.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands of which each gets the value of the one before.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    /// Variables that get the value.
    pub(crate) variables: Vec<String>,
    /// Whether these exist already.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand, or a function or method with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) first: Operand,
    pub(crate) arguments: Vec<Operand>,
}

/// An operand.
#[derive(Debug)]
pub(crate) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`
    Variable {
        name: String,
        fields: Vec<String>,
    },
    Function {
        name: String,
        function: Function,
    },
    /// `(pipeline)`
    Pipeline(Box<Pipeline>),
    /// `(pipeline).a.b` or `function.a.b`
    Chain {
        of: Box<Operand>,
        fields: Vec<String>,
    },
}
