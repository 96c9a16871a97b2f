//! What else is told of an RPC beside who may call it, and what is said to callers of one that is not there.

/// What a call does, and so what it leaves in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditClass {
    /// It reads.
    Read,
    /// It changes state.
    Change,
    /// It hands out a credential.
    Credential,
}

/// Whether an RPC is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is.
    Now,
    /// It comes with the feature named.
    Later(&'static str),
}

/// The service with its package and the method of a path `/package.Service/Method`.
pub fn split(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').rsplit_once('/').unwrap_or_default()
}

/// What Go's gRPC servers say of a method that they don't have; `services` are those that they have.
pub fn unknown<'a>(path: &str, services: impl IntoIterator<Item = &'a str>) -> String {
    let (service, method) = split(path);
    if services.into_iter().any(|known| known == service) {
        format!("unknown method {method} for service {service}")
    } else {
        unknown_service(service)
    }
}

/// What Go's gRPC servers say of a service that they don't have.
pub fn unknown_service(service: &str) -> String {
    format!("unknown service {service}")
}

/// What is said of a method whose feature comes later.
pub fn not_yet(path: &str) -> String {
    format!("not available yet: {}", path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_as_by_go() {
        assert_eq!(split("/a.v1.B/C"), ("a.v1.B", "C"));
        assert_eq!(unknown("/a.v1.B/C", ["x", "a.v1.B"]), "unknown method C for service a.v1.B");
        assert_eq!(unknown("/a.v1.B/C", ["x"]), "unknown service a.v1.B");
        assert_eq!(unknown("", ["x"]), "unknown service ");
        assert_eq!(not_yet("/a.v1.B/C"), "not available yet: a.v1.B/C");
    }
}
