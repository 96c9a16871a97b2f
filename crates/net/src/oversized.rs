//! Messages that are too large, refused in the words of Go's gRPC servers, which clients know.

use http::HeaderMap;
use tonic::{Code, Status};

/// The status among `headers` (or trailers), if there is one. That of a message that is too large is first put into the
/// words of Go.
pub(crate) fn status_as_from_go(headers: &mut HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    let Some(status_of_go) = as_from_go(&status) else { return Some(status) };
    // What can't be written as a header stays as it was.
    let _unwritten = status_of_go.add_header(headers);
    Some(status_of_go)
}

fn as_from_go(status: &Status) -> Option<Status> {
    if status.code() != Code::OutOfRange {
        return None;
    }
    let sizes = status.message().strip_prefix("Error, decoded message length too large: found ")?;
    let (found, limit) = sizes.strip_suffix(" bytes")?.split_once(" bytes, the limit is: ")?;
    Some(Status::resource_exhausted(format!("grpc: received message larger than max ({found} vs. {limit})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &Status) -> (Code, String) {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let yielded = status_as_from_go(&mut headers).unwrap();
        let written = Status::from_header_map(&headers).unwrap();
        assert_eq!((yielded.code(), yielded.message()), (written.code(), written.message()));
        (written.code(), written.message().to_owned())
    }

    #[test]
    fn message_that_is_too_large_is_told_as_by_go_and_all_else_stays() {
        let large = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
        let of_go = "grpc: received message larger than max (5 vs. 4)".to_owned();
        assert_eq!(told(&Status::out_of_range(large)), (Code::ResourceExhausted, of_go));
        for status in [Status::ok(""), Status::out_of_range("page"), Status::internal(large)] {
            assert_eq!(told(&status), (status.code(), status.message().to_owned()));
        }
        assert!(status_as_from_go(&mut HeaderMap::new()).is_none());
    }
}
