//! What goes wrong in a plugin.

/// Who is at fault, which decides the gRPC code that a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The input is ill-formed (`InvalidArgument`).
    Malformed,
    /// The caller may not (`PermissionDenied`).
    Denied,
    /// The thing asked for is not there (`NotFound`).
    NotFound,
    /// The plugin is not configured for this (`FailedPrecondition`).
    Unfit,
    /// The plugin does not offer this (`Unimplemented`).
    Unsupported,
    /// Something that the plugin depends on does not answer (`Unavailable`).
    Unavailable,
    /// Anything else (`Internal`).
    Internal,
}

/// An error of a plugin. Its text begins as SPIRE's do: `<type in lower case>(<name>): `.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}({name}): {message}")]
pub struct PluginError {
    /// Type of the plugin in lower case, such as `nodeattestor`.
    pub kind: &'static str,
    /// Name of the plugin, such as `x509pop`.
    pub name: String,
    /// Who is at fault.
    pub class: ErrorClass,
    /// What failed.
    pub message: String,
}

impl PluginError {
    /// An error of the plugin `name` of type `kind`.
    pub fn new(kind: &'static str, name: &str, class: ErrorClass, message: impl Into<String>) -> Self {
        Self { kind, name: name.to_owned(), class, message: message.into() }
    }
}
