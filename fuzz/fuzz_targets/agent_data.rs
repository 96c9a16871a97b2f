//! `agent-data.json`: what is read can be written, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_agent::state::{encode, parse};
use steeple_crypto::x509::Certificate;

fuzz_target!(|bytes: &[u8]| {
    let Ok(remembered) = parse(bytes) else { return };
    for der in remembered.svid.iter().chain(&remembered.bundle) {
        assert!(Certificate::from_der(der).is_ok());
    }
    assert_eq!(parse(&encode(&remembered).unwrap()).unwrap(), remembered);
});
