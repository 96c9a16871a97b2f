//! What an agent opens `k8s_psat` with: a server that knows no cluster lets nobody in, and never repeats a token.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use async_trait::async_trait;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use steeple_node_attest::k8s_psat::K8sPsatServer;
use steeple_plugin::{Conversation, NodeAttestor, Origin, PluginError};

static SERVER: LazyLock<K8sPsatServer> = LazyLock::new(|| K8sPsatServer::new(BTreeMap::new()).unwrap());

/// There is no challenge in this attestation.
struct Silent;

#[async_trait]
impl Conversation for Silent {
    async fn challenge(&mut self, _challenge: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        panic!("nothing is asked")
    }
}

fuzz_target!(|bytes: &[u8]| {
    let refusal = block_on(SERVER.attest(bytes, &Origin::default(), &mut Silent)).unwrap_err().message;
    let known = ["failed to unmarshal data payload: ", "missing ", "not configured for cluster ", "attestation payload is larger"];
    assert!(known.iter().any(|known| refusal.starts_with(known)), "{refusal}");
    // A payload cut in the middle of its token says where it ends, never what was in it.
    let mut cut = br#"{"cluster":"c","token":"SECRET"#.to_vec();
    cut.extend_from_slice(bytes);
    let refusal = block_on(SERVER.attest(&cut, &Origin::default(), &mut Silent)).unwrap_err().message;
    assert!(!refusal.contains("SECRET"), "{refusal}");
});
