//! What an API server said, in as few words as it did.

/// The message of the server when it answered, and else what happened to the call.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}
