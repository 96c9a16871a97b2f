//! Tokens of a template.

use crate::parse::ParseError;

/// A token, with the line that it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// Kind of a token, with its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text(String),
    Open,
    Close,
    Space,
    Word(String),
    Keyword(Keyword),
    Bool(bool),
    Nil,
    Dot,
    Field(String),
    Variable(String),
    Str(String),
    RawStr(String),
    Char(String),
    Number(String),
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    Comma,
    Other(char),
    End,
}

/// Words that stand at the beginning of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// The tokens of `text`; the last is [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { rest: text, line: 1, tokens: Vec::new() };
    while lexer.text()? {
        lexer.action()?;
    }
    lexer.push(Kind::End);
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Text up to the next action, which is opened; false at the end. Comments are passed over.
    fn text(&mut self) -> Result<bool, ParseError> {
        loop {
            let Some(at) = self.rest.find(OPEN) else {
                let length = self.rest.len();
                self.emit_text(length, false);
                return Ok(false);
            };
            let inner = self.rest.get(at + OPEN.len()..).unwrap_or_default();
            let trims = begins_trimmed(inner);
            self.emit_text(at, trims);
            self.skip(OPEN.len() + if trims { 2 } else { 0 });
            if !self.rest.starts_with("/*") {
                self.push(Kind::Open);
                return Ok(true);
            }
            self.comment()?;
        }
    }

    fn emit_text(&mut self, length: usize, trims: bool) {
        let (text, _) = self.rest.split_at(length);
        let kept = if trims { text.trim_end_matches(SPACES) } else { text };
        if !kept.is_empty() {
            self.push(Kind::Text(kept.to_owned()));
        }
        self.skip(length);
    }

    fn comment(&mut self) -> Result<(), ParseError> {
        let end = self.rest.find("*/").ok_or_else(|| self.error("unclosed comment"))?;
        self.skip(end + 2);
        if !self.close() {
            return Err(self.error("comment ends before closing delimiter"));
        }
        Ok(())
    }

    /// Takes a closing delimiter with what it trims, if there is one.
    fn close(&mut self) -> bool {
        let trims = ends_trimmed(self.rest);
        if !trims && !self.rest.starts_with(CLOSE) {
            return false;
        }
        self.skip(CLOSE.len() + if trims { 2 } else { 0 });
        if trims {
            self.skip(self.rest.len() - self.rest.trim_start_matches(SPACES).len());
        }
        true
    }

    fn action(&mut self) -> Result<(), ParseError> {
        let mut depth = 0_usize;
        loop {
            if ends_trimmed(self.rest) || self.rest.starts_with(CLOSE) {
                if depth > 0 {
                    return Err(self.error("unclosed left paren"));
                }
                self.push(Kind::Close);
                self.close();
                return Ok(());
            }
            match self.token()? {
                Kind::LeftParen => depth += 1,
                Kind::RightParen if depth == 0 => return Err(self.error("unexpected right paren")),
                Kind::RightParen => depth -= 1,
                _ => {}
            }
        }
    }

    fn token(&mut self) -> Result<Kind, ParseError> {
        let first = self.rest.chars().next().ok_or_else(|| self.error("unclosed action"))?;
        let second = self.rest.chars().nth(1);
        let (kind, length) = match first {
            _ if SPACES.contains(&first) => (Kind::Space, self.space_length()),
            '=' => (Kind::Assign, 1),
            ':' if second == Some('=') => (Kind::Declare, 2),
            ':' => return Err(self.error("expected :=")),
            '|' => (Kind::Pipe, 1),
            ',' => (Kind::Comma, 1),
            '(' => (Kind::LeftParen, 1),
            ')' => (Kind::RightParen, 1),
            '"' => self.quoted('"', "unterminated quoted string")?,
            '\'' => self.quoted('\'', "unterminated character constant")?,
            '`' => self.raw()?,
            '$' => self.named(1)?,
            '.' if !second.is_some_and(|next| next.is_ascii_digit()) => self.named(1)?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            _ if is_word(first) => self.named(0)?,
            _ if first.is_ascii_graphic() => (Kind::Other(first), 1),
            _ => return Err(self.error(&format!("unrecognized character in action: {first:?}"))),
        };
        self.push(kind.clone());
        self.skip(length);
        Ok(kind)
    }

    /// Spaces, less the one that belongs to a closing delimiter.
    fn space_length(&self) -> usize {
        let length = self.rest.len() - self.rest.trim_start_matches(SPACES).len();
        let last = self.rest.get(length - 1..).unwrap_or_default();
        if ends_trimmed(last) && length > 1 { length - 1 } else { length }
    }

    fn quoted(&self, quote: char, unterminated: &str) -> Result<(Kind, usize), ParseError> {
        let mut escaped = false;
        for (at, character) in self.rest.char_indices().skip(1) {
            match character {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == quote => {
                    let text = self.rest.get(..=at).unwrap_or_default().to_owned();
                    return Ok((if quote == '"' { Kind::Str(text) } else { Kind::Char(text) }, at + 1));
                }
                _ => {}
            }
        }
        Err(self.error(unterminated))
    }

    fn raw(&self) -> Result<(Kind, usize), ParseError> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let end = inner.find('`').ok_or_else(|| self.error("unterminated raw quoted string"))?;
        // Go drops carriage returns of raw strings.
        let text = inner.get(..end).unwrap_or_default().replace('\r', "");
        Ok((Kind::RawStr(text), end + 2))
    }

    /// A word, field or variable, of which the first `sigil` bytes are no part of the name.
    fn named(&self, sigil: usize) -> Result<(Kind, usize), ParseError> {
        let (sign, after) = self.rest.split_at(sigil);
        let length = after.find(|character| !is_word(character)).unwrap_or(after.len());
        let (name, after) = after.split_at(length);
        let ends = after.is_empty()
            || after.starts_with(CLOSE)
            || after.starts_with(|next| SPACES.contains(&next) || ".,|:()".contains(next));
        if !ends {
            return Err(self.error(&format!("bad character {:?}", after.chars().next().unwrap_or_default())));
        }
        let kind = match sign {
            "." if name.is_empty() => Kind::Dot,
            "." => Kind::Field(name.to_owned()),
            "$" => Kind::Variable(format!("${name}")),
            _ => word(name),
        };
        Ok((kind, sigil + length))
    }

    fn number(&self) -> Result<(Kind, usize), ParseError> {
        let mut end = 0;
        let mut before = ' ';
        for (at, character) in self.rest.char_indices() {
            let signs = matches!(character, '+' | '-');
            let exponent =
                matches!(before, 'e' | 'E' | 'p' | 'P') && !is_hex_only(self.rest.get(..at).unwrap_or_default());
            let belongs = character == '.' || is_word(character) || (signs && (at == 0 || exponent));
            if !belongs {
                break;
            }
            before = character;
            end = at + character.len_utf8();
        }
        let text = self.rest.get(..end).unwrap_or_default();
        if self.rest.get(end..).unwrap_or_default().starts_with(['+', '-']) {
            return Err(self.error(&format!("bad number syntax: {text:?} (complex numbers are not supported)")));
        }
        Ok((Kind::Number(text.to_owned()), end))
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    fn skip(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    fn error(&self, what: &str) -> ParseError {
        ParseError::Syntax { line: self.line, what: what.to_owned() }
    }
}

fn begins_trimmed(inner: &str) -> bool {
    inner.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACES))
}

fn ends_trimmed(rest: &str) -> bool {
    rest.strip_prefix(SPACES).is_some_and(|rest| rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(CLOSE)))
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphabetic() || character.is_numeric()
}

/// Whether a number so far is hexadecimal without an exponent, where `e` is a digit.
fn is_hex_only(number: &str) -> bool {
    let number = number.trim_start_matches(['+', '-']);
    let digits = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X"));
    digits.is_some_and(|digits| !digits.contains(['p', 'P']))
}

fn word(name: &str) -> Kind {
    Kind::Keyword(match name {
        "block" => Keyword::Block,
        "break" => Keyword::Break,
        "continue" => Keyword::Continue,
        "define" => Keyword::Define,
        "else" => Keyword::Else,
        "end" => Keyword::End,
        "if" => Keyword::If,
        "range" => Keyword::Range,
        "template" => Keyword::Template,
        "with" => Keyword::With,
        "true" | "false" => return Kind::Bool(name == "true"),
        "nil" => return Kind::Nil,
        _ => return Kind::Word(name.to_owned()),
    })
}
