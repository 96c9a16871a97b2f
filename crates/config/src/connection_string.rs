//! Connection strings of database servers, as the drivers that SPIRE uses read them.

mod mysql;
mod postgres;

pub use mysql::{MySqlDsn, parse_mysql_dsn};
pub use postgres::parse_postgres;

/// Replaces `%xx`, and `+` by a space where `form` says that the text is part of a form. Errors show nothing of the text, which may
/// be a password or, by a slip of who wrote it, part of one.
fn unescape(text: &str, form: bool) -> Result<String, String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (bytes.next(), bytes.next());
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(upper), Some(lower)) = (digit(high), digit(low)) else {
                    return Err("invalid URL escape: two hexadecimal digits must follow %".to_owned());
                };
                plain.push(u8::try_from(upper * 16 + lower).unwrap_or_default());
            }
            b'+' if form => plain.push(b' '),
            byte => plain.push(byte),
        }
    }
    String::from_utf8(plain).map_err(|_| "invalid UTF-8 in a URL escape".to_owned())
}
