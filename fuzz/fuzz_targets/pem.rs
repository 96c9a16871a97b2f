//! PEM: what is read can be written, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_crypto::keys::PrivateKey;
use steeple_crypto::pem::{certificates, encode, parse};

fuzz_target!(|text: &str| {
    let Ok(blocks) = parse(text) else { return };
    let written: String = blocks.iter().map(|block| encode(&block.label, &block.der)).collect();
    let again = parse(&written).unwrap();
    assert!(again == blocks, "{text:?} was written as {written:?}");
    let count = blocks.iter().filter(|block| block.label == "CERTIFICATE").count();
    assert_eq!(certificates(text).unwrap().len(), count);
    if let Ok(key) = PrivateKey::from_pem(text) {
        let again = PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
    }
});
