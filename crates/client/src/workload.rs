//! Calls of the Workload API.

use tonic::Request;
use tonic::metadata::MetadataValue;

/// A request with the security header of the Workload API (SPIFFE Workload Endpoint, section 4.2).
pub fn workload_request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", MetadataValue::from_static("true"));
    request
}
