//! A header of the PROXY protocol, by which a load balancer tells for whom it connects.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_net::source_of;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(source)) = source_of(bytes) {
        // What was told is told again by a header of version 1.
        let kind = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let header = format!("PROXY {kind} {} {} {} 1\r\n", source.ip(), source.ip(), source.port());
        assert_eq!(source_of(header.as_bytes()), Ok(Some(source)));
    }
});
