//! SPIRE's audit log: a line `API accessed` for each call, or for each item of a batch, with what was asked. Never keys.

pub(crate) mod fields;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use steeple_client::{code_name, code_of};
use steeple_proto::spire::api::types;
use tonic::{Code, Status};
use tracing::info;

use super::call::Caller;
use super::table::Row;

/// Fields of a line.
pub(crate) type Fields = Map<String, Value>;

/// The lines about one call.
#[derive(Debug)]
pub(crate) struct AccessLog {
    row: &'static Row,
    caller: Fields,
    asked: Mutex<Fields>,
}

impl AccessLog {
    pub(crate) fn new(row: &'static Row, caller: &Caller) -> Self {
        let mut fields = Fields::new();
        if let Caller::Local { user, process } = caller {
            fields.insert("caller_uid".to_owned(), user.uid.into());
            fields.insert("caller_gid".to_owned(), user.gid.into());
            if let Some(path) = process.as_ref().and_then(|process| process.executable()) {
                fields.insert("caller_path".to_owned(), path.to_string_lossy().into());
            }
        }
        Self { row, caller: fields, asked: Mutex::default() }
    }

    /// Adds to what the call asks.
    pub(crate) fn add(&self, name: &str, value: Value) {
        self.asked.lock().insert(name.to_owned(), value);
    }

    /// Logs an item of a batch.
    pub(crate) fn item(&self, status: Option<&types::Status>, asked: Fields) {
        let (code, message) = status.map_or((0, ""), |status| (status.code, status.message.as_str()));
        self.line(asked, (code != 0).then(|| (code_name(code), message)));
    }

    /// Logs the end of the call.
    pub(crate) fn ended(&self, status: &Status) {
        let failed = status.code() != Code::Ok;
        if !failed
            && (self.row.name().starts_with("Batch") || matches!(self.row.service(), "Health" | "debug.v1.Debug"))
        {
            return;
        }
        let asked = std::mem::take(&mut *self.asked.lock());
        self.line(asked, failed.then(|| (code_of(status.code()).to_owned(), status.message())));
    }

    fn line(&self, mut fields: Fields, error: Option<(String, &str)>) {
        fields.extend(self.caller.clone());
        fields.insert("type".to_owned(), "audit".into());
        fields.insert("status".to_owned(), if error.is_some() { "error" } else { "success" }.into());
        if let Some((code, message)) = error {
            fields.insert("status_code".to_owned(), code.into());
            fields.insert("status_message".to_owned(), message.into());
        }
        let extra = Value::Object(fields);
        info!(%extra, "API accessed");
    }
}
