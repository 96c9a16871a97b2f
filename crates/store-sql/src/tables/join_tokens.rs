//! Join tokens: `join_tokens`.

use jiff::Timestamp;
use steeple_store::JoinToken;

use crate::connection::{Connection, Result, first};
use crate::filters::Conditions;

pub(crate) fn by_token(connection: &mut dyn Connection, token: &str) -> Result<Option<JoinToken>> {
    let conditions = Conditions::exactly(connection.dialect(), "token", token);
    let statement = format!("SELECT token, expiry FROM join_tokens{}{}", conditions.sql(), connection.lock());
    first(connection, &statement, conditions.values(), |row| {
        Ok(JoinToken {
            token: row.text(0)?.to_owned(),
            expires_at: Timestamp::from_second(row.integer(1)?).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    })
}

pub(crate) fn insert(connection: &mut dyn Connection, token: &JoinToken, now: Timestamp) -> Result<()> {
    let statement = "INSERT INTO join_tokens (created_at, updated_at, token, expiry) VALUES (?, ?, ?, ?)";
    let expiry = token.expires_at.as_second();
    connection.insert(statement, &[now.into(), now.into(), token.token.as_str().into(), expiry.into()])?;
    Ok(())
}

pub(crate) fn remove(connection: &mut dyn Connection, token: &str) -> Result<()> {
    let conditions = Conditions::exactly(connection.dialect(), "token", token);
    connection.execute(&format!("DELETE FROM join_tokens{}", conditions.sql()), conditions.values())?;
    Ok(())
}
