//! Go's `text/template`, as SPIRE and spire-controller-manager render IDs, DNS names and selectors with it.
//!
//! A [`Template`] is parsed once and rendered over a [`Value`]. What it does is what Go's engine does, function by
//! function; where Go would print garbage (`%!d(string=x)`, a struct's fields in braces) there is an error instead.
//! Templates come from people who may write any: their size, depth, steps and output are bounded.

mod builtin;
mod compare;
mod constant;
mod escape;
mod execute;
mod field;
mod float;
mod format;
mod parse;
mod print;
mod scope;
mod token;
mod tree;
mod value;

use std::sync::Arc;

pub use builtin::{Function, Functions};
pub use execute::RenderError;
pub use parse::ParseError;
pub use value::{List, Map, Record, Value};

/// Longest text of a template, bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// Longest text that a template yields, and longest text that a function in it does, bytes.
pub const MAX_OUTPUT: usize = 64 << 10;
/// How deep parentheses and blocks may be nested.
pub const MAX_NESTING: usize = 64;
/// How deep blocks, parentheses and templates called by templates may be nested while rendering.
pub const MAX_DEPTH: usize = 128;
/// Most steps that rendering may take: pieces of text, operands, and bytes that functions handle by the thousand.
pub const MAX_STEPS: usize = 100_000;

/// What a key that a map lacks does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// It is `<no value>`, Go's default.
    #[default]
    NoValue,
    /// It is an error, Go's `missingkey=error`.
    Error,
}

/// A parsed template. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Template {
    tree: Arc<tree::Tree>,
    missing_key: MissingKey,
}

impl Template {
    /// Parses a template that may call `functions`.
    ///
    /// # Errors
    /// [`ParseError`] names the line and what is wrong there.
    pub fn parse(text: &str, functions: &Functions) -> Result<Self, ParseError> {
        Ok(Self { tree: Arc::new(parse::parse(text, functions)?), missing_key: MissingKey::NoValue })
    }

    /// The same template, with another answer to keys that a map lacks.
    #[must_use]
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Renders the template over `data`, which it calls `.` and `$`.
    ///
    /// # Errors
    /// [`RenderError`] when the data lacks what is asked for, a function refuses, or a bound is met.
    pub fn render(&self, data: &Value<'_>) -> Result<String, RenderError> {
        execute::render(&self.tree, self.missing_key, data)
    }
}
