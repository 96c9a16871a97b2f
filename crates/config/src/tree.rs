//! What a configuration says, in the order in which it says it.

/// A block, or the whole text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// What stands in it, in order.
    pub items: Vec<Item>,
}

/// One setting or block.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The key and the labels behind it; never empty.
    pub keys: Vec<Key>,
    /// What it is set to.
    pub value: Value,
    /// Line on which the value begins, counted from 1; 0 where it is not known.
    pub line: usize,
    /// Column in which the value begins, counted from 1.
    pub column: usize,
}

/// A key or label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Whether it stood in quotes; in HCL such a key is never unknown.
    pub quoted: bool,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number as it was written.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// A block.
    Object(Object),
}
