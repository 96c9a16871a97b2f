//! The Access service, where scoped rights are off: nothing is done, and nothing is left.

use steeple_net::Answers;
use steeple_proto::steeple::server::access::v1 as pb;
use tonic::Code;

use crate::audit_trail::every_rpc::{Left, Rig};
use crate::bench::refused;

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    rig.begin();
    let mut access = rig.local.access();
    let (code, said) = match name {
        "ListBindings" => refused(access.list_bindings(pb::ListBindingsRequest {}).await),
        "CreateBinding" => refused(access.create_binding(pb::CreateBindingRequest::default()).await),
        "DeleteBinding" => refused(access.delete_binding(pb::DeleteBindingRequest::default()).await),
        "Explain" => refused(access.explain(pb::ExplainRequest::default()).await),
        "WhoCan" => refused(access.who_can(pb::WhoCanRequest::default()).await),
        "ListApprovals" => refused(access.list_approvals(pb::ListApprovalsRequest {}).await),
        "Approve" => refused(access.approve(pb::ApproveRequest::default()).await),
        _ => return None,
    };
    assert_eq!(code, Code::FailedPrecondition, "{name}: {said}");
    Some(Vec::new())
}
