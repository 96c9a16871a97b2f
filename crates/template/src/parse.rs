//! From tokens to a tree.

use crate::builtin::Functions;
use crate::token::{Keyword, Kind, Token, tokens};
use crate::tree::{Branch, Command, Node, Operand, Pipeline, Tree};
use crate::{MAX_NESTING, MAX_TEXT, constant};

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is too long.
    #[error("the template has {0} bytes; {MAX_TEXT} are allowed")]
    TooLong(usize),
    /// It breaks a rule of the language.
    #[error("line {line}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What is wrong, in Go's words where it has some.
        what: String,
    },
}

type Result<T> = std::result::Result<T, ParseError>;

pub(crate) fn parse(text: &str, functions: &Functions) -> Result<Tree> {
    if text.len() > MAX_TEXT {
        return Err(ParseError::TooLong(text.len()));
    }
    let variables = vec!["$".to_owned()];
    let mut parser =
        Parser { tokens: tokens(text)?, at: 0, functions, variables, nesting: 0, ranges: 0, tree: Tree::default() };
    let (root, end) = parser.nodes(true)?;
    match end {
        Stop::End => return Err(parser.error("unexpected {{end}}")),
        Stop::Else => return Err(parser.error("unexpected {{else}}")),
        Stop::Eof => {}
    }
    parser.tree.root = root;
    Ok(parser.tree)
}

struct Parser<'f> {
    tokens: Vec<Token>,
    at: usize,
    functions: &'f Functions,
    variables: Vec<String>,
    nesting: usize,
    ranges: usize,
    tree: Tree,
}

/// What ends a list of nodes. After `else`, an `if` or `with` that follows is not taken yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    Else,
    Eof,
}

impl Parser<'_> {
    /// Nodes up to `end` or `else`; up to the end of the text at the `top`, where templates may be defined.
    fn nodes(&mut self, top: bool) -> Result<(Vec<Node>, Stop)> {
        self.nest()?;
        let mut nodes = Vec::new();
        loop {
            match self.next() {
                Kind::End if top => {
                    self.nesting -= 1;
                    return Ok((nodes, Stop::Eof));
                }
                Kind::End => return Err(self.error("unexpected EOF")),
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::Open => match self.action(top, &mut nodes)? {
                    None => {}
                    Some(stop) => {
                        self.nesting -= 1;
                        return Ok((nodes, stop));
                    }
                },
                _ => return Err(self.error("unexpected token outside of an action")),
            }
        }
    }

    fn action(&mut self, top: bool, nodes: &mut Vec<Node>) -> Result<Option<Stop>> {
        let &Kind::Keyword(keyword) = self.peek_solid() else {
            let pipeline = self.pipeline("command", &Kind::Close)?;
            nodes.push(Node::Action(pipeline));
            return Ok(None);
        };
        self.next_solid();
        match keyword {
            Keyword::End => {
                self.expect_close("end")?;
                return Ok(Some(Stop::End));
            }
            Keyword::Else => {
                if !matches!(self.peek_solid(), Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect_close("else")?;
                }
                return Ok(Some(Stop::Else));
            }
            Keyword::If => nodes.push(Node::If(self.branch(keyword)?)),
            Keyword::With => nodes.push(Node::With(self.branch(keyword)?)),
            Keyword::Range => nodes.push(Node::Range(self.branch(keyword)?)),
            Keyword::Break | Keyword::Continue => {
                self.expect_close("break or continue")?;
                if self.ranges == 0 {
                    return Err(self.error("{{break}} or {{continue}} outside {{range}}"));
                }
                nodes.push(if keyword == Keyword::Break { Node::Break } else { Node::Continue });
            }
            Keyword::Template => {
                let name = self.name()?;
                let bare = *self.peek_solid() == Kind::Close;
                let data = if bare {
                    self.next_solid();
                    None
                } else {
                    Some(self.pipeline("template clause", &Kind::Close)?)
                };
                nodes.push(Node::Call { name, data });
            }
            Keyword::Block => {
                let name = self.name()?;
                let data = Some(self.pipeline("block clause", &Kind::Close)?);
                self.definition(name.clone())?;
                nodes.push(Node::Call { name, data });
            }
            Keyword::Define if top => {
                let name = self.name()?;
                self.expect_close("define clause")?;
                self.definition(name)?;
            }
            Keyword::Define => return Err(self.error("unexpected {{define}}")),
        }
        Ok(None)
    }

    /// Body of a defined template, up to its `end`. It sees no variables but `$`.
    fn definition(&mut self, name: String) -> Result<()> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (body, stop) = self.nodes(false)?;
        if stop != Stop::End {
            return Err(self.error("unexpected {{else}} in define clause"));
        }
        self.variables = outer;
        self.ranges = ranges;
        // As in Go, an empty definition does not take the place of one with content, and a second one with content is
        // refused.
        let empty =
            |nodes: &[Node]| nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        match self.tree.defined.get(&name) {
            Some(existing) if !empty(existing) && !empty(&body) => {
                return Err(self.error(&format!("template: multiple definition of template {name:?}")));
            }
            Some(existing) if !empty(existing) => {}
            _ => {
                self.tree.defined.insert(name, body);
            }
        }
        Ok(())
    }

    fn branch(&mut self, keyword: Keyword) -> Result<Branch> {
        let mark = self.variables.len();
        let context = match keyword {
            Keyword::If => "if",
            Keyword::With => "with",
            _ => "range",
        };
        let pipeline = self.pipeline(context, &Kind::Close)?;
        self.ranges += usize::from(keyword == Keyword::Range);
        let (body, mut stop) = self.nodes(false)?;
        self.ranges -= usize::from(keyword == Keyword::Range);
        let mut otherwise = Vec::new();
        if stop == Stop::Else {
            let next = self.peek_solid().clone();
            if keyword != Keyword::Range && next == Kind::Keyword(keyword) {
                self.next_solid();
                self.nest()?;
                let branch = self.branch(keyword)?;
                self.nesting -= 1;
                otherwise.push(if keyword == Keyword::If { Node::If(branch) } else { Node::With(branch) });
                stop = Stop::End;
            } else {
                if matches!(next, Kind::Keyword(_)) {
                    return Err(self.error(&format!("unexpected keyword after else in {context}")));
                }
                (otherwise, stop) = self.nodes(false)?;
            }
        }
        if stop != Stop::End {
            return Err(self.error("expected end; found {{else}}"));
        }
        self.variables.truncate(mark);
        Ok(Branch { pipeline, body, otherwise })
    }

    fn pipeline(&mut self, context: &str, end: &Kind) -> Result<Pipeline> {
        let mut pipeline = Pipeline::default();
        self.declarations(context, &mut pipeline)?;
        loop {
            let next = self.peek_solid();
            if next == end {
                self.next_solid();
                break;
            }
            if !begins_operand(next) {
                return Err(self.unexpected(context));
            }
            let command = self.command()?;
            let executable = !matches!(
                command.first,
                Operand::Bool(_) | Operand::Dot | Operand::Nil | Operand::Int(_) | Operand::Float(_) | Operand::Str(_)
            );
            pipeline.commands.push(command);
            let stage = pipeline.commands.len();
            if stage > 1 && !executable {
                return Err(self.error(&format!("non executable command in pipeline stage {stage}")));
            }
        }
        if pipeline.commands.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        Ok(pipeline)
    }

    /// `$x :=`, `$x =` and, for `range`, `$i, $x :=`.
    fn declarations(&mut self, context: &str, pipeline: &mut Pipeline) -> Result<()> {
        loop {
            let Kind::Variable(name) = self.peek_solid().clone() else { return Ok(()) };
            let start = self.at;
            self.next_solid();
            match self.peek_solid() {
                kind @ (Kind::Assign | Kind::Declare) => {
                    pipeline.assigns = *kind == Kind::Assign;
                    self.next_solid();
                    self.declare(name, pipeline);
                    return Ok(());
                }
                Kind::Comma => {
                    self.next_solid();
                    self.declare(name, pipeline);
                    if context != "range" || pipeline.variables.len() > 1 {
                        return Err(self.error(&format!("too many declarations in {context}")));
                    }
                    if !matches!(self.peek_solid(), Kind::Variable(_) | Kind::Close | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    self.at = start;
                    return Ok(());
                }
            }
        }
    }

    /// As in Go, a variable that is assigned to counts as known from here on; whether it was there is seen when
    /// rendering.
    fn declare(&mut self, name: String, pipeline: &mut Pipeline) {
        self.variables.push(name.clone());
        pipeline.variables.push(name);
    }

    fn command(&mut self) -> Result<Command> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            match self.next() {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => {
                    self.at -= 1;
                    break;
                }
                Kind::Pipe => break,
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("operand"));
                }
            }
        }
        let mut operands = operands.into_iter();
        let first = operands.next().ok_or_else(|| self.error("empty command"))?;
        Ok(Command { first, arguments: operands.collect() })
    }

    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        while let Kind::Field(name) = self.peek().clone() {
            self.next();
            fields.push(name);
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut first) => {
                first.append(&mut fields);
                Operand::Field(first)
            }
            Operand::Variable { name, fields: mut first } => {
                first.append(&mut fields);
                Operand::Variable { name, fields: first }
            }
            Operand::Function { .. } | Operand::Pipeline(_) => Operand::Chain { of: Box::new(term), fields },
            _ => return Err(self.error("unexpected . after term")),
        }))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let start = self.at;
        let term = match self.next_solid() {
            Kind::Word(name) => {
                let function = self.functions.find(&name);
                let function = function.ok_or_else(|| self.error(&format!("function {name:?} not defined")))?;
                Operand::Function { name, function }
            }
            Kind::Dot => Operand::Dot,
            Kind::Nil => Operand::Nil,
            Kind::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(self.error(&format!("undefined variable {name:?}")));
                }
                Operand::Variable { name, fields: Vec::new() }
            }
            Kind::Field(name) => Operand::Field(vec![name]),
            Kind::Bool(truth) => Operand::Bool(truth),
            Kind::Char(text) => {
                let number = constant::character(&text);
                Operand::Int(number.ok_or_else(|| self.error(&format!("malformed character constant: {text}")))?)
            }
            Kind::Number(text) => {
                let number = constant::number(&text);
                number.ok_or_else(|| self.error(&format!("illegal number syntax: {text:?}")))?
            }
            Kind::Str(text) => {
                let unquoted = constant::unquoted(&text);
                Operand::Str(unquoted.ok_or_else(|| self.error(&format!("invalid quoted text {text}")))?)
            }
            Kind::RawStr(text) => Operand::Str(text),
            Kind::LeftParen => {
                self.nest()?;
                let pipeline = self.pipeline("parenthesized pipeline", &Kind::RightParen)?;
                self.nesting -= 1;
                Operand::Pipeline(Box::new(pipeline))
            }
            _ => {
                self.at = start;
                return Ok(None);
            }
        };
        Ok(Some(term))
    }

    fn name(&mut self) -> Result<String> {
        match self.next_solid() {
            Kind::RawStr(name) => Ok(name),
            Kind::Str(quoted) => {
                constant::unquoted(&quoted).ok_or_else(|| self.error(&format!("invalid quoted text {quoted}")))
            }
            _ => Err(self.error("a template's name is a quoted text")),
        }
    }

    fn expect_close(&mut self, context: &str) -> Result<()> {
        match self.next_solid() {
            Kind::Close => Ok(()),
            _ => Err(self.unexpected(context)),
        }
    }

    fn nest(&mut self) -> Result<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.error(&format!("nested deeper than {MAX_NESTING}")));
        }
        Ok(())
    }

    fn peek(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn next(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.at += 1;
        kind
    }

    fn skip_space(&mut self) {
        while *self.peek() == Kind::Space {
            self.at += 1;
        }
    }

    fn peek_solid(&mut self) -> &Kind {
        self.skip_space();
        self.peek()
    }

    fn next_solid(&mut self) -> Kind {
        self.skip_space();
        self.next()
    }

    fn unexpected(&self, context: &str) -> ParseError {
        self.error(&format!("unexpected {:?} in {context}", self.peek()))
    }

    fn error(&self, what: &str) -> ParseError {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        ParseError::Syntax { line: self.tokens.get(at).map_or(0, |token| token.line), what: what.to_owned() }
    }
}

fn begins_operand(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Bool(_)
            | Kind::Char(_)
            | Kind::Dot
            | Kind::Field(_)
            | Kind::Word(_)
            | Kind::Number(_)
            | Kind::Nil
            | Kind::RawStr(_)
            | Kind::Str(_)
            | Kind::Variable(_)
            | Kind::LeftParen
    )
}
