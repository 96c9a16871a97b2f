//! Keys from a server's private socket.

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::jwk::Jwk;
use steeple_crypto::keys::PublicKey;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::types::{BundleMask, JwtKey};
use tonic::transport::Channel;
use tracing::warn;

use super::{Source, SourceError, in_time};
use crate::keys::key;

/// Asks a server for the JWT authorities of its own bundle.
pub(super) struct ServerApi {
    client: BundleClient<Channel>,
    clock: Clock,
    /// The answer before, whose faults were told.
    last: Vec<JwtKey>,
}

impl ServerApi {
    pub(super) fn new(channel: Channel, clock: Clock) -> Self {
        Self { client: BundleClient::new(channel), clock, last: Vec::new() }
    }
}

#[async_trait]
impl Source for ServerApi {
    async fn keys(&mut self) -> Result<Vec<Jwk>, SourceError> {
        let mask = BundleMask { jwt_authorities: true, ..BundleMask::default() };
        let request = GetBundleRequest { output_mask: Some(mask) };
        let bundle = in_time(&self.clock, self.client.get_bundle(request)).await.map_err(SourceError::ServerApi)?;
        let authorities = bundle.into_inner().jwt_authorities;
        let is_new = authorities != self.last;
        let keys = authorities.iter().filter_map(|authority| read(authority, is_new)).collect();
        self.last = authorities;
        Ok(keys)
    }
}

/// An authority as a key; one that can't be read is left out, which is told once.
fn read(authority: &JwtKey, is_new: bool) -> Option<Jwk> {
    match PublicKey::from_spki(&authority.public_key).and_then(|public_key| key(&authority.key_id, &public_key)) {
        Ok(jwk) => Some(jwk),
        Err(error) => {
            if is_new {
                warn!(%error, kid = authority.key_id, "Malformed public key in bundle");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ec_key, rsa_key};

    #[test]
    fn authorities_that_cannot_be_read_are_left_out() {
        let authority = |key_id: &str, public_key: &[u8]| JwtKey {
            key_id: key_id.to_owned(),
            public_key: public_key.to_vec(),
            ..JwtKey::default()
        };
        let authorities = [authority("a", ec_key().spki()), authority("b", b"x"), authority("c", rsa_key().spki())];
        let keys: Vec<Jwk> = authorities.iter().filter_map(|authority| read(authority, true)).collect();
        assert_eq!(keys, [key("a", &ec_key()).unwrap(), key("c", &rsa_key()).unwrap()]);
    }

    #[tokio::test]
    async fn server_that_is_away_is_told_as_in_go() {
        let channel = steeple_client::connect_unix(std::path::Path::new("/nowhere/api.sock"));
        let error = ServerApi::new(channel, Clock::system()).keys().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix \
             /nowhere/api.sock: connect: no such file or directory\""
        );
    }
}
