//! The sentences of HCL 1.

use crate::ParseError;
use crate::lexer::{Lexer, Position, Token};
use crate::tree::{Item, Key, Object, Value};

/// Deepest nesting read.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) fn parse(text: &str) -> Result<Object, ParseError> {
    let mut parser = Parser { lexer: Lexer::new(text), ahead: None };
    let object = parser.object(0)?;
    match parser.next()? {
        (Token::End, _) => Ok(object),
        (token, at) => Err(at.error(format!("expected: IDENT | STRING | ASSIGN | LBRACE got: {}", token.name()))),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<(Token, Position)>,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<(Token, Position), ParseError> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.lexer.next(),
        }
    }

    fn peek(&mut self) -> Result<&(Token, Position), ParseError> {
        if self.ahead.is_none() {
            self.ahead = Some(self.lexer.next()?);
        }
        self.ahead.as_ref().ok_or_else(|| Position { line: 1, column: 1 }.error("unexpected end"))
    }

    /// Items up to a closing brace, which is left, or the end.
    fn object(&mut self, depth: usize) -> Result<Object, ParseError> {
        let mut object = Object::default();
        loop {
            let (token, at) = self.peek()?.clone();
            if depth > MAX_DEPTH {
                return Err(at.error("nested deeper than 64 blocks"));
            }
            match token {
                Token::End | Token::RightBrace => return Ok(object),
                _ => self.item(depth, &mut object)?,
            }
            // Items may be parted by commas, as in objects of lists.
            if self.peek()?.0 == Token::Comma {
                self.next()?;
            }
        }
    }

    fn item(&mut self, depth: usize, object: &mut Object) -> Result<(), ParseError> {
        let mut keys: Vec<Key> = Vec::new();
        loop {
            let (token, at) = self.next()?;
            let unexpected = |expected: &str| Err(at.error(format!("expected: {expected} got: {}", token.name())));
            match token {
                Token::Ident(text) => keys.push(Key { text, quoted: false }),
                Token::Text(text) => keys.push(Key { text, quoted: true }),
                Token::Assign if keys.len() == 1 => {
                    let Position { line, column } = self.peek()?.1;
                    let value = self.value(depth)?;
                    object.items.push(Item { keys, value, line, column });
                    return Ok(());
                }
                Token::Assign if keys.is_empty() => return Err(at.error("no object keys found!")),
                Token::Assign => return Err(at.error("nested object expected: LBRACE got: ASSIGN")),
                Token::LeftBrace if keys.is_empty() => return unexpected("IDENT | STRING"),
                Token::LeftBrace => {
                    let inner = self.object(depth + 1)?;
                    self.close()?;
                    object.items.push(Item { keys, value: Value::Object(inner), line: at.line, column: at.column });
                    return Ok(());
                }
                Token::End | Token::RightBrace if !keys.is_empty() => return Err(at.error(no_value(&keys))),
                _ => return unexpected("IDENT | STRING | ASSIGN | LBRACE"),
            }
        }
    }

    fn close(&mut self) -> Result<(), ParseError> {
        match self.next()? {
            (Token::RightBrace, _) => Ok(()),
            // Go's parser looks for the end twice here.
            (Token::End, at) => {
                let at = Position { column: at.column + 1, ..at };
                Err(at.error("object expected closing RBRACE got: EOF"))
            }
            (token, at) => Err(at.error(format!("object expected closing RBRACE got: {}", token.name()))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        let (token, at) = self.next()?;
        if depth > MAX_DEPTH {
            return Err(at.error("nested deeper than 64 blocks"));
        }
        match token {
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Bool(value) => Ok(Value::Bool(value)),
            Token::LeftBrace => {
                let inner = self.object(depth + 1)?;
                self.close()?;
                Ok(Value::Object(inner))
            }
            Token::LeftBracket => self.list(depth),
            token => {
                let Position { line, column } = at;
                Err(at.error(format!("Unknown token: {line}:{column} {} {}", token.name(), token.text())))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut values = Vec::new();
        let mut needs_comma = false;
        loop {
            let (token, at) = self.peek()?.clone();
            match token {
                Token::RightBracket => {
                    self.next()?;
                    return Ok(Value::List(values));
                }
                Token::Comma => {
                    self.next()?;
                    needs_comma = false;
                }
                _ if needs_comma => {
                    let message = format!("error parsing list, expected comma or list end, got: {}", token.name());
                    return Err(at.error(message));
                }
                _ => {
                    let value = self.value(depth + 1)?;
                    // Go's parser wants none behind a list.
                    needs_comma = !matches!(value, Value::List(_));
                    values.push(value);
                }
            }
        }
    }
}

/// What Go's parser says of keys with nothing behind them.
fn no_value(keys: &[Key]) -> String {
    let words = keys.iter().map(|key| if key.quoted { format!("\"{}\"", key.text) } else { key.text.clone() });
    let keys: Vec<String> = words.collect();
    format!("key '{}' expected start of object ('{{') or assignment ('=')", keys.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;

    #[test]
    fn forms_of_blocks_mean_the_same() {
        for text in [
            "plugins { KeyManager \"memory\" { plugin_data {} } }",
            "plugins { KeyManager { memory { plugin_data {} } } }",
            "plugins { KeyManager \"memory\" plugin_data {} }",
            "plugins { \"KeyManager\" \"memory\" { plugin_data = {} } }",
        ] {
            let object = parse(text).unwrap();
            let managers = Block::of(&object).block("plugins").unwrap().unwrap().labelled("KeyManager").unwrap();
            let names: Vec<&str> = managers.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["memory"], "{text}");
            assert!(managers[0].1.block("plugin_data").unwrap().is_some(), "{text}");
        }
    }

    #[test]
    fn values_comments_and_one_line_blocks_are_read() {
        let text =
            "# c\na { b = 1 c = \"x\\\"\\u00e9\" } // d\n/* e */ f = [1, \"two\", true,]\ng = 0x1F\nh = <<X\nl1\nX\n";
        let object = parse(text).unwrap();
        let root = Block::of(&object);
        let a = root.block("A").unwrap().unwrap();
        assert_eq!((a.int("B").unwrap(), a.text("c").unwrap().as_deref()), (Some(1), Some("x\"é")));
        assert_eq!(root.int("g").unwrap(), Some(31));
        assert_eq!(root.text("h").unwrap().as_deref(), Some("l1\n"));
    }

    /// The places and words of Go's parser (hcl v1.0.1-vault-7), which looks for the end of a text more than once.
    #[test]
    fn what_has_no_value_is_told_as_by_go() {
        let no_value = |keys: &str| format!("key '{keys}' expected start of object ('{{') or assignment ('=')");
        let open = "object expected closing RBRACE got: EOF".to_owned();
        for (text, place, said) in [
            ("rubbish", "1:9", no_value("rubbish")),
            ("rubbish\n", "2:1", no_value("rubbish")),
            ("  rubbish  ", "1:12", no_value("rubbish")),
            ("rubbish # c", "1:13", no_value("rubbish")),
            ("rubbish \"x\"", "1:12", no_value("rubbish \"x\"")),
            ("a b c", "1:7", no_value("a b c")),
            ("a = 1 b", "1:9", no_value("b")),
            ("server { rubbish }", "1:18", no_value("rubbish")),
            ("server { rubbish", "1:18", no_value("rubbish")),
            ("rubbish {", "1:11", open.clone()),
            ("a = {", "1:7", open.clone()),
            ("a { b = 1", "1:13", open.clone()),
            ("a { b { c = \"x\" # d", "1:22", open.clone()),
            ("a = b", "1:5", "Unknown token: 1:5 IDENT b".to_owned()),
            ("a { b = 0x1\n", "2:2", open),
            ("a = }", "1:5", "Unknown token: 1:5 RBRACE }".to_owned()),
            ("@", "1:1", "illegal char".to_owned()),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), format!("At {place}: {said}"), "{text:?}");
        }
    }

    #[test]
    fn broken_texts_are_refused_with_their_place() {
        for (text, place) in [
            ("a = ", (1, 5)),
            ("a {", (1, 5)),
            ("}", (1, 1)),
            ("a = nope", (1, 5)),
            ("a = \"x\ny\"", (1, 5)),
            ("a = [1 2]", (1, 8)),
            ("/* x", (1, 1)),
            ("a = \"\\q\"", (1, 5)),
            ("a b = 1", (1, 5)),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text}: {error}");
        }
        assert!(parse(&"a {".repeat(1000)).is_err());
        let json = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(crate::parse(&json(64)).is_ok() && crate::parse(&json(65)).is_err());
        assert!(parse(&format!("a = {}", "[".repeat(1000))).is_err());
    }
}
