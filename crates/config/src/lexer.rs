//! The words of HCL 1.

use crate::ParseError;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Ident(String),
    Text(String),
    Number(String),
    Bool(bool),
    Assign,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    End,
}

impl Token {
    /// The name in the errors of Go's parser.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ident(_) => "IDENT",
            Self::Text(_) => "STRING",
            Self::Number(_) => "NUMBER",
            Self::Bool(_) => "BOOL",
            Self::Assign => "ASSIGN",
            Self::LeftBrace => "LBRACE",
            Self::RightBrace => "RBRACE",
            Self::LeftBracket => "LBRACK",
            Self::RightBracket => "RBRACK",
            Self::Comma => "COMMA",
            Self::End => "EOF",
        }
    }

    /// The word as it is written, or nearly so: escapes are not written again.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Ident(text) | Self::Number(text) => text.clone(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Bool(value) => value.to_string(),
            Self::Assign => "=".to_owned(),
            Self::LeftBrace => "{".to_owned(),
            Self::RightBrace => "}".to_owned(),
            Self::LeftBracket => "[".to_owned(),
            Self::RightBracket => "]".to_owned(),
            Self::Comma => ",".to_owned(),
            Self::End => String::new(),
        }
    }
}

/// Where a word begins, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    pub(crate) fn error(self, message: impl Into<String>) -> ParseError {
        ParseError { line: self.line, column: self.column, message: message.into() }
    }
}

/// Splits a text into words.
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    at: Position,
    /// How often Go's scanner has looked beyond the end by now: each look makes its end one column later.
    looks: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text, at: Position { line: 1, column: 1 }, looks: 0 }
    }

    /// The next word and where it begins.
    pub(crate) fn next(&mut self) -> Result<(Token, Position), ParseError> {
        self.skip()?;
        let at = self.at;
        let Some(c) = self.peek() else {
            let column = at.column + self.looks;
            self.looks += 1;
            return Ok((Token::End, Position { column, ..at }));
        };
        let simple = match c {
            '=' => Some(Token::Assign),
            '{' => Some(Token::LeftBrace),
            '}' => Some(Token::RightBrace),
            '[' => Some(Token::LeftBracket),
            ']' => Some(Token::RightBracket),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = simple {
            self.bump();
            return Ok((token, at));
        }
        let token = match c {
            '"' => Token::Text(self.text(at)?),
            '<' => Token::Text(self.heredoc(at)?),
            '-' | '0'..='9' => Token::Number(self.number(at)?),
            c if c.is_alphabetic() || c == '_' => self.word(),
            _ => return Err(at.error("illegal char")),
        };
        Ok((token, at))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// Looks for more of a word or a comment, which may be at the end.
    fn look(&mut self) {
        if self.rest.is_empty() {
            self.looks += 1;
        }
    }

    /// Passes over white space and comments.
    fn skip(&mut self) -> Result<(), ParseError> {
        loop {
            if self.peek().is_some_and(char::is_whitespace) {
                self.bump();
            } else if self.rest.starts_with('#') || self.rest.starts_with("//") {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.bump();
                }
                self.look();
            } else if self.rest.starts_with("/*") {
                let at = self.at;
                while !self.rest.starts_with("*/") {
                    self.bump().ok_or_else(|| at.error("comment not terminated"))?;
                }
                self.bump();
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Token {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || "_-.".contains(*c)) {
            word.push(c);
            self.bump();
        }
        self.look();
        match word.as_str() {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            _ => Token::Ident(word),
        }
    }

    fn number(&mut self, at: Position) -> Result<String, ParseError> {
        let mut number = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || ".+-".contains(*c)) {
            // A sign stands at the beginning or behind the letter of an exponent.
            if "+-".contains(c) && !number.is_empty() && !number.ends_with(['e', 'E']) {
                break;
            }
            number.push(c);
            self.bump();
        }
        self.look();
        if !number.trim_start_matches('-').starts_with('0') {
            self.look();
        }
        if is_number(&number) { Ok(number) } else { Err(at.error(format!("illegal number {number}"))) }
    }

    fn text(&mut self, at: Position) -> Result<String, ParseError> {
        self.bump();
        let mut text = String::new();
        let mut depth = 0_usize;
        loop {
            let c = self.bump().ok_or_else(|| at.error("literal not terminated"))?;
            match c {
                '"' if depth == 0 => return Ok(text),
                '\n' if depth == 0 => return Err(at.error("literal not terminated")),
                '\\' if depth == 0 => text.push(self.escape(at)?),
                // Within `${…}` escapes are checked and stay as they are.
                '\\' => {
                    let before = self.rest;
                    self.escape(at)?;
                    text.push('\\');
                    text.push_str(before.get(..before.len() - self.rest.len()).unwrap_or_default());
                }
                '$' if depth == 0 && self.rest.starts_with('{') => {
                    depth += 1;
                    self.bump();
                    text.push_str("${");
                }
                '{' if depth > 0 => {
                    depth += 1;
                    text.push('{');
                }
                '}' if depth > 0 => {
                    depth -= 1;
                    text.push('}');
                }
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, at: Position) -> Result<char, ParseError> {
        let illegal = || at.error("illegal char escape");
        Ok(match self.bump().ok_or_else(illegal)? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            '"' => '"',
            digit @ '0'..='7' => self.octal(digit, illegal)?,
            'x' => self.code(2, illegal)?,
            'u' => self.code(4, illegal)?,
            'U' => self.code(8, illegal)?,
            _ => return Err(illegal()),
        })
    }

    /// Three octal digits, of which `first` was read; together they are at most 255.
    fn octal(&mut self, first: char, illegal: impl Fn() -> ParseError) -> Result<char, ParseError> {
        let mut code = first.to_digit(8).ok_or_else(&illegal)?;
        for _ in 0..2 {
            let digit = self.bump().and_then(|c| c.to_digit(8)).ok_or_else(&illegal)?;
            code = code * 8 + digit;
        }
        u8::try_from(code).map(char::from).map_err(|_| illegal())
    }

    fn code(&mut self, digits: usize, illegal: impl Fn() -> ParseError) -> Result<char, ParseError> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.bump().and_then(|c| c.to_digit(16)).ok_or_else(&illegal)?;
            code = code.checked_mul(16).and_then(|code| code.checked_add(digit)).ok_or_else(&illegal)?;
        }
        char::from_u32(code).ok_or_else(illegal)
    }

    fn heredoc(&mut self, at: Position) -> Result<String, ParseError> {
        let illegal = || at.error("heredoc expected second '<', didn't see it");
        if !self.rest.starts_with("<<") {
            return Err(illegal());
        }
        self.bump();
        self.bump();
        let indented = self.rest.starts_with('-');
        if indented {
            self.bump();
        }
        let anchor = self.line().unwrap_or_default();
        if !anchor.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(at.error("invalid characters in heredoc anchor"));
        }
        if anchor.is_empty() {
            return Err(at.error("zero-length heredoc anchor"));
        }
        let mut lines: Vec<String> = Vec::new();
        loop {
            // The line of the anchor has an end too.
            let line = self.line().filter(|_| self.at.column == 1).ok_or_else(|| at.error("heredoc not terminated"))?;
            if let Some(indent) = line.strip_suffix(&anchor).filter(|indent| indent.trim().is_empty()) {
                return Ok(heredoc_text(&lines, indent, indented));
            }
            lines.push(line);
        }
    }

    /// The rest of the line.
    fn line(&mut self) -> Option<String> {
        self.peek()?;
        let mut line = String::new();
        while let Some(c) = self.bump().filter(|c| *c != '\n') {
            line.push(c);
        }
        Some(line)
    }
}

/// The text of a heredoc whose anchor has `indent` before it. With `<<-` lines lose that much, if each of them has it.
/// Without, it stays, as in Go.
fn heredoc_text(lines: &[String], indent: &str, indented: bool) -> String {
    let cut: Option<Vec<&str>> = lines.iter().map(|line| line.strip_prefix(indent)).collect();
    let whole = |lines: &[&str]| lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    let as_they_are: Vec<&str> = lines.iter().map(String::as_str).collect();
    match cut {
        _ if !indented => whole(&as_they_are) + indent,
        Some(cut) => whole(&cut),
        None => whole(&as_they_are),
    }
}

/// Whole, decimal, octal and hexadecimal numbers, and fractions.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let is_float = digits.contains(['.', 'e', 'E']);
    if is_float {
        return digits.parse::<f64>().is_ok();
    }
    let is_octal = digits.len() > 1 && digits.starts_with('0');
    let digit = |byte: u8| byte.is_ascii_digit() && !(is_octal && byte > b'7');
    !digits.is_empty() && digits.bytes().all(digit)
}
