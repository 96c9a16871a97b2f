//! Keys from the Workload API: the bundle of one trust domain.

use async_trait::async_trait;
use steeple_client::{describe, workload_request};
use steeple_clock::Clock;
use steeple_crypto::jwk::Jwk;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_proto::workload::{JwtBundlesRequest, JwtBundlesResponse};
use steeple_types::TrustDomain;
use tonic::Status;
use tonic::transport::Channel;

use super::file::{Keys, jwk_set};
use super::{Source, SourceError, in_time};

/// Asks an agent for the bundles of JWT authorities that this workload may verify by.
pub(super) struct WorkloadApi {
    client: SpiffeWorkloadApiClient<Channel>,
    trust_domain: TrustDomain,
    clock: Clock,
}

impl WorkloadApi {
    pub(super) fn new(channel: Channel, trust_domain: TrustDomain, clock: Clock) -> Self {
        Self { client: SpiffeWorkloadApiClient::new(channel), trust_domain, clock }
    }

    async fn bundles(&mut self) -> Result<JwtBundlesResponse, Status> {
        let client = &mut self.client;
        let first = async {
            let mut answers = client.fetch_jwt_bundles(workload_request(JwtBundlesRequest {})).await?.into_inner();
            answers.message().await?.ok_or_else(|| Status::unknown("EOF"))
        };
        in_time(&self.clock, first).await
    }
}

#[async_trait]
impl Source for WorkloadApi {
    async fn keys(&mut self) -> Result<Vec<Jwk>, SourceError> {
        let answer = self.bundles().await.map_err(|status| SourceError::WorkloadApi(describe(&status)))?;
        keys_of(&answer, &self.trust_domain)
    }
}

/// The keys of `trust_domain`. As with go-spiffe, one bundle that can't be read spoils the answer.
fn keys_of(answer: &JwtBundlesResponse, trust_domain: &TrustDomain) -> Result<Vec<Jwk>, SourceError> {
    let mut found = None;
    for (id, document) in &answer.bundles {
        let of = TrustDomain::parse(id).map_err(|error| SourceError::WorkloadApi(error.to_string()))?;
        let keys =
            jwk_set(document, Keys::All).map_err(|reason| SourceError::WorkloadApi(format!("jwtbundle: {reason}")))?;
        if of == *trust_domain {
            found = Some(keys);
        }
    }
    found.ok_or_else(|| SourceError::NoBundle(trust_domain.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{document, key};
    use crate::testing::ec_key;

    fn answer(bundles: &[(&str, &str)]) -> JwtBundlesResponse {
        let bundles = bundles.iter().map(|(id, document)| ((*id).to_owned(), document.as_bytes().to_vec())).collect();
        JwtBundlesResponse { bundles }
    }

    fn keys(bundles: &[(&str, &str)]) -> Result<Vec<Jwk>, String> {
        let trust_domain = TrustDomain::parse("domain.test").unwrap();
        keys_of(&answer(bundles), &trust_domain).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_those_of_the_trust_domain() {
        let (mine, other) = ([key("mine", &ec_key()).unwrap()], [key("other", &ec_key()).unwrap()]);
        let (mine_text, other_text) = (document(&mine, false).unwrap(), document(&other, true).unwrap());
        let both = [("spiffe://other.test", other_text.as_str()), ("spiffe://domain.test", mine_text.as_str())];
        assert_eq!(keys(&both), Ok(mine.to_vec()));
        assert_eq!(keys(&[("domain.test", "{\"keys\": []}")]), Ok(Vec::new()));
        assert_eq!(keys(&both[..1]), Err("no bundle of domain.test".to_owned()));
    }

    #[test]
    fn answers_that_are_not_in_order_are_refused() {
        let not_json = keys(&[("domain.test", "x")]).unwrap_err();
        assert!(not_json.starts_with("jwtbundle: unable to parse JWKS: "), "{not_json}");
        let other_broken = keys(&[("domain.test", "{}"), ("other.test", "x")]);
        assert!(other_broken.is_err());
        assert!(keys(&[("spiffe://Bad", "{}")]).is_err());
    }
}
