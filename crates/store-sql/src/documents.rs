//! Small documents of the server's own: `steeple_documents`.

use steeple_store::Document;

use crate::connection::{Connection, Result, all};

pub(crate) const TABLE: &str = "steeple_documents";

/// Makes the table where it is not there yet.
pub(crate) fn prepare(connection: &mut dyn Connection) -> Result<()> {
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (kind varchar(32) NOT NULL, name varchar(255) NOT NULL, content text NOT NULL, \
         PRIMARY KEY (kind, name)){}",
        connection.dialect().table_options()
    );
    connection.execute(&table, &[])?;
    Ok(())
}

pub(crate) fn list(connection: &mut dyn Connection, kind: &str) -> Result<Vec<Document>> {
    let statement = "SELECT kind, name, content FROM steeple_documents WHERE kind = ? ORDER BY name";
    all(connection, statement, &[kind.into()], |row| {
        Ok(Document { kind: row.text(0)?.to_owned(), name: row.text(1)?.to_owned(), content: row.text(2)?.to_owned() })
    })
}

pub(crate) fn insert(connection: &mut dyn Connection, document: &Document) -> Result<()> {
    let insert = "INSERT INTO steeple_documents (kind, name, content) VALUES (?, ?, ?)";
    let values = [document.kind.as_str().into(), document.name.as_str().into(), document.content.as_str().into()];
    connection.execute(insert, &values)?;
    Ok(())
}

pub(crate) fn remove(connection: &mut dyn Connection, kind: &str, name: &str) -> Result<()> {
    let delete = "DELETE FROM steeple_documents WHERE kind = ? AND name = ?";
    connection.execute(delete, &[kind.into(), name.into()])?;
    Ok(())
}
