//! One row per RPC: who may call it, by which rate it is limited, whether it changes state, and what it does to what.

use steeple_policy::access::{Action as A, Asked, Resource as R};
use steeple_policy::method::split;
use steeple_policy::{AuditClass, Callers};
use steeple_telemetry::rpc_key;

use self::AuditClass::{Change, Credential, Read};
use self::Rate::{Attest, PostStatus, PushKey, SignJwt, SignWit, SignX509, Unlimited};

/// The bucket that limits calls of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// None.
    Unlimited,
    /// Attestations.
    Attest,
    /// Signing of certificates; batches count per item.
    SignX509,
    /// Signing of JWT-SVIDs.
    SignJwt,
    /// Signing of WIT-SVIDs.
    SignWit,
    /// Publishing of keys.
    PushKey,
    /// Status reports of agents.
    PostStatus,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Full method, `/package.Service/Method`.
    pub method: &'static str,
    /// Who may call it by SPIRE's policy; agents, downstream servers and strangers by scoped rights too.
    pub callers: Callers,
    /// By which rate it is limited.
    pub rate: Rate,
    /// What it leaves in the audit log.
    pub audit: AuditClass,
    /// What it does to what, by which scoped rights decide.
    pub asked: Asked,
}

impl Row {
    /// The service as logs name it: `agent.v1.Agent`.
    pub fn service(&self) -> &'static str {
        match self.full_service() {
            "grpc.health.v1.Health" => "Health",
            "spire.api.server.logger.v1.Logger" => "Logger",
            service => service.strip_prefix("spire.api.server.").unwrap_or(service),
        }
    }

    /// The service with its package.
    pub fn full_service(&self) -> &'static str {
        split(self.method).0
    }

    /// The method without its service.
    pub fn name(&self) -> &'static str {
        split(self.method).1
    }

    /// The metric under which calls are counted: `rpc_svid_v1_svid_new_jwtsvid`.
    pub fn metric(&self) -> String {
        rpc_key("rpc", self.service(), self.name())
    }

    /// The metric under which its turns are counted, if its rate is limited: `rateLimit_svid_v1_svid_new_jwtsvid`.
    pub fn turn_metric(&self) -> String {
        rpc_key("rateLimit", self.service(), self.name())
    }
}

const fn row(method: &'static str, callers: Callers, rate: Rate, audit: AuditClass, (action, resource): (A, R)) -> Row {
    Row { method, callers, rate, audit, asked: Asked { action, resource } }
}

/// All rows.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    row("/spire.api.server.agent.v1.Agent/CountAgents", Callers::ADMIN, Unlimited, Read, (A::Read, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/ListAgents", Callers::ADMIN, Unlimited, Read, (A::Read, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/GetAgent", Callers::ADMIN, Unlimited, Read, (A::Read, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/DeleteAgent", Callers::ADMIN, Unlimited, Change, (A::Delete, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/BanAgent", Callers::ADMIN, Unlimited, Change, (A::Ban, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/AttestAgent", Callers::ANY, Attest, Credential, (A::Act, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/RenewAgent", Callers::AGENT, SignX509, Credential, (A::Act, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/PostStatus", Callers::AGENT, PostStatus, Change, (A::Act, R::Agent)),
    row("/spire.api.server.agent.v1.Agent/CreateJoinToken", Callers::ADMIN, Unlimited, Change, (A::Create, R::JoinToken)),

    row("/spire.api.server.bundle.v1.Bundle/GetBundle", Callers::ANY, Unlimited, Read, (A::Act, R::Bundle)),
    row("/spire.api.server.bundle.v1.Bundle/AppendBundle", Callers::ADMIN, Unlimited, Change, (A::Import, R::Bundle)),
    row("/spire.api.server.bundle.v1.Bundle/PublishJWTAuthority", Callers::DOWNSTREAM, PushKey, Change, (A::Act, R::Bundle)),
    row("/spire.api.server.bundle.v1.Bundle/PublishWITAuthority", Callers::DOWNSTREAM, PushKey, Change, (A::Act, R::Bundle)),
    row("/spire.api.server.bundle.v1.Bundle/CountBundles", Callers::ADMIN, Unlimited, Read, (A::Read, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/ListFederatedBundles", Callers::ADMIN, Unlimited, Read, (A::Read, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/GetFederatedBundle", Callers::ADMIN_OR_AGENT, Unlimited, Read, (A::Read, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/BatchCreateFederatedBundle", Callers::ADMIN, Unlimited, Change, (A::Create, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/BatchUpdateFederatedBundle", Callers::ADMIN, Unlimited, Change, (A::Update, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/BatchSetFederatedBundle", Callers::ADMIN, Unlimited, Change, (A::Update, R::FederatedBundle)),
    row("/spire.api.server.bundle.v1.Bundle/BatchDeleteFederatedBundle", Callers::ADMIN, Unlimited, Change, (A::Delete, R::FederatedBundle)),

    row("/spire.api.server.debug.v1.Debug/GetInfo", Callers::LOCAL, Unlimited, Read, (A::Read, R::Server)),

    row("/spire.api.server.entry.v1.Entry/CountEntries", Callers::ADMIN, Unlimited, Read, (A::Read, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/ListEntries", Callers::ADMIN, Unlimited, Read, (A::Read, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/GetEntry", Callers::ADMIN, Unlimited, Read, (A::Read, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/BatchCreateEntry", Callers::ADMIN, Unlimited, Change, (A::Create, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/BatchUpdateEntry", Callers::ADMIN, Unlimited, Change, (A::Update, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/BatchDeleteEntry", Callers::ADMIN, Unlimited, Change, (A::Delete, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/GetAuthorizedEntries", Callers::AGENT, Unlimited, Read, (A::Act, R::Entry)),
    row("/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries", Callers::AGENT, Unlimited, Read, (A::Act, R::Entry)),

    row("/spire.api.server.localauthority.v1.LocalAuthority/GetJWTAuthorityState", Callers::ADMIN, Unlimited, Read, (A::Read, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/PrepareJWTAuthority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/ActivateJWTAuthority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/TaintJWTAuthority", Callers::ADMIN, Unlimited, Change, (A::Taint, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/RevokeJWTAuthority", Callers::ADMIN, Unlimited, Change, (A::Revoke, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/GetX509AuthorityState", Callers::ADMIN, Unlimited, Read, (A::Read, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/PrepareX509Authority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/ActivateX509Authority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/TaintX509Authority", Callers::ADMIN, Unlimited, Change, (A::Taint, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/TaintX509UpstreamAuthority", Callers::ADMIN, Unlimited, Change, (A::Taint, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/RevokeX509Authority", Callers::ADMIN, Unlimited, Change, (A::Revoke, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/RevokeX509UpstreamAuthority", Callers::ADMIN, Unlimited, Change, (A::Revoke, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/GetWITAuthorityState", Callers::ADMIN, Unlimited, Read, (A::Read, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/PrepareWITAuthority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/ActivateWITAuthority", Callers::ADMIN, Unlimited, Change, (A::Rotate, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/TaintWITAuthority", Callers::ADMIN, Unlimited, Change, (A::Taint, R::Authority)),
    row("/spire.api.server.localauthority.v1.LocalAuthority/RevokeWITAuthority", Callers::ADMIN, Unlimited, Change, (A::Revoke, R::Authority)),

    row("/spire.api.server.logger.v1.Logger/GetLogger", Callers::LOCAL, Unlimited, Read, (A::Read, R::Log)),
    row("/spire.api.server.logger.v1.Logger/SetLogLevel", Callers::LOCAL, Unlimited, Change, (A::Update, R::Log)),
    row("/spire.api.server.logger.v1.Logger/ResetLogLevel", Callers::LOCAL, Unlimited, Change, (A::Update, R::Log)),

    row("/spire.api.server.svid.v1.SVID/MintX509SVID", Callers::ADMIN, Unlimited, Credential, (A::Mint, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/MintJWTSVID", Callers::ADMIN, Unlimited, Credential, (A::Mint, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/MintWITSVID", Callers::ADMIN, Unlimited, Credential, (A::Mint, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/BatchNewX509SVID", Callers::AGENT, SignX509, Credential, (A::Act, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/NewJWTSVID", Callers::AGENT, SignJwt, Credential, (A::Act, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/BatchNewWITSVID", Callers::AGENT, SignWit, Credential, (A::Act, R::Svid)),
    row("/spire.api.server.svid.v1.SVID/NewDownstreamX509CA", Callers::DOWNSTREAM, SignX509, Credential, (A::Act, R::Authority)),

    row("/spire.api.server.trustdomain.v1.TrustDomain/ListFederationRelationships", Callers::ADMIN, Unlimited, Read, (A::Read, R::Relationship)),
    row("/spire.api.server.trustdomain.v1.TrustDomain/GetFederationRelationship", Callers::ADMIN, Unlimited, Read, (A::Read, R::Relationship)),
    row("/spire.api.server.trustdomain.v1.TrustDomain/BatchCreateFederationRelationship", Callers::ADMIN, Unlimited, Change, (A::Create, R::Relationship)),
    row("/spire.api.server.trustdomain.v1.TrustDomain/BatchUpdateFederationRelationship", Callers::ADMIN, Unlimited, Change, (A::Update, R::Relationship)),
    row("/spire.api.server.trustdomain.v1.TrustDomain/BatchDeleteFederationRelationship", Callers::ADMIN, Unlimited, Change, (A::Delete, R::Relationship)),
    row("/spire.api.server.trustdomain.v1.TrustDomain/RefreshBundle", Callers::ADMIN, Unlimited, Change, (A::Refresh, R::Relationship)),

    row("/steeple.server.access.v1.Access/ListBindings", Callers::ADMIN, Unlimited, Read, (A::Read, R::Binding)),
    row("/steeple.server.access.v1.Access/CreateBinding", Callers::ADMIN, Unlimited, Change, (A::Create, R::Binding)),
    row("/steeple.server.access.v1.Access/DeleteBinding", Callers::ADMIN, Unlimited, Change, (A::Delete, R::Binding)),
    row("/steeple.server.access.v1.Access/Explain", Callers::ADMIN, Unlimited, Read, (A::Read, R::Binding)),
    row("/steeple.server.access.v1.Access/WhoCan", Callers::ADMIN, Unlimited, Read, (A::Read, R::Binding)),
    row("/steeple.server.access.v1.Access/ListApprovals", Callers::ADMIN, Unlimited, Read, (A::Read, R::Binding)),
    row("/steeple.server.access.v1.Access/Approve", Callers::ADMIN, Unlimited, Change, (A::Approve, R::Binding)),
    row("/steeple.server.explain.v1.Explain/ExplainEntries", Callers::ADMIN_OR_AGENT, Unlimited, Read, (A::Read, R::Entry)),

    row("/grpc.health.v1.Health/Check", Callers::LOCAL, Unlimited, Read, (A::Act, R::Health)),
    row("/grpc.health.v1.Health/List", Callers::LOCAL, Unlimited, Read, (A::Act, R::Health)),
    row("/grpc.health.v1.Health/Watch", Callers::LOCAL, Unlimited, Read, (A::Act, R::Health)),
];

#[cfg(test)]
mod matrix;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;

    #[test]
    fn every_method_of_every_service_has_one_row() {
        let set = prost_types::FileDescriptorSet::decode(steeple_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = BTreeSet::new();
        for file in set.file {
            let package = file.package().to_owned();
            let served = ["spire.api.server.", "steeple.server.", "grpc.health.v1"];
            if !served.iter().any(|served| package.starts_with(served)) {
                continue;
            }
            for service in &file.service {
                methods.extend(service.method.iter().map(|m| format!("/{package}.{}/{}", service.name(), m.name())));
            }
        }
        let rows: Vec<String> = TABLE.iter().map(|row| row.method.to_owned()).collect();
        assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), methods);
        assert_eq!(rows.len(), methods.len(), "a method has two rows");
        let ours = rows.iter().filter(|method| method.starts_with("/steeple.server.")).count();
        assert_eq!(rows.len() - ours, 65, "the methods of SPIRE");
    }

    #[test]
    fn only_what_administrators_do_can_be_bound() {
        for row in TABLE {
            let by_binding = row.callers.admin || (row.callers.local && row.asked.resource != R::Health);
            assert_eq!(row.asked.action == A::Act, !by_binding, "{}", row.method);
            let is_read = row.audit == Read;
            assert_eq!(is_read, row.asked.action == A::Read || (is_read && !by_binding), "{}", row.method);
        }
    }

    #[test]
    fn metrics_have_the_names_of_spire() {
        let metrics: BTreeSet<String> = TABLE.iter().map(Row::metric).collect();
        for known in [
            "rpc_agent_v1_agent_attest_agent",
            "rpc_bundle_v1_bundle_get_bundle",
            "rpc_entry_v1_entry_batch_create_entry",
            "rpc_health_check",
            "rpc_localauthority_v1_local_authority_activate_jwt_authority",
            "rpc_localauthority_v1_local_authority_get_x509_authority_state",
            "rpc_logger_get_logger",
            "rpc_svid_v1_svid_batch_new_x509svid",
            "rpc_svid_v1_svid_new_jwtsvid",
        ] {
            assert!(metrics.contains(known), "{known} of {metrics:?}");
        }
    }
}
