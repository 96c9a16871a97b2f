//! Writes of documents.

use crate::{Document, ErrorClass, StoreError, Unit, WriteTx};

/// Longest text of a document, in bytes: what a column of text holds in every database.
const MAX_CONTENT: usize = 60_000;

/// Adds a document, unless one of its kind and name is there.
pub struct CreateDocument {
    /// The document.
    pub document: Document,
}

impl Unit for CreateDocument {
    type Output = ();
    const NAME: &'static str = "document.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        let Document { kind, name, .. } = &self.document;
        if tx.documents(kind)?.iter().any(|known| known.name == *name) {
            return Err(StoreError::not_unique("steeple_documents.name"));
        }
        insert(tx, &self.document)
    }
}

/// Replaces a document, or removes it, if it still is what it was: of several who try only one succeeds.
pub struct ReplaceDocument {
    /// What it was.
    pub was: Document,
    /// What it becomes; nothing to remove it.
    pub becomes: Option<Document>,
}

impl Unit for ReplaceDocument {
    type Output = ();
    const NAME: &'static str = "document.replace";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        if !tx.documents(&self.was.kind)?.contains(&self.was) {
            return Err(StoreError::not_found());
        }
        tx.remove_document(&self.was.kind, &self.was.name)?;
        self.becomes.iter().try_for_each(|document| insert(tx, document))
    }
}

fn insert(tx: &mut dyn WriteTx, document: &Document) -> Result<(), StoreError> {
    if document.content.len() > MAX_CONTENT {
        return Err(StoreError::new(ErrorClass::Malformed, format!("a document is longer than {MAX_CONTENT} bytes")));
    }
    tx.insert_document(document)
}
