//! What a kubelet asks to be published, checked by spiffe-csi's rules and told in its words.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use steeple_proto::csi::v1 as pb;
use steeple_proto::csi::v1::volume_capability::{AccessType, access_mode::Mode};
use steeple_proto::steeple::agent::podsockets::v1::Pod;
use steeple_types::PodUid;
use tonic::Status;

use crate::target;

/// The attribute of a volume that says whose socket it shows: `node` (as when it is absent) or `pod`.
pub const SOCKET_ATTRIBUTE: &str = "steeple.dev/socket";

/// Beginning of the attributes that are ours; one that we don't know is a mistake.
const OURS: &str = "steeple.dev/";
const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";
const POD_NAMESPACE: &str = "csi.storage.k8s.io/pod.namespace";
const POD_NAME: &str = "csi.storage.k8s.io/pod.name";
const POD_UID: &str = "csi.storage.k8s.io/pod.uid";
const SERVICE_ACCOUNT: &str = "csi.storage.k8s.io/serviceAccount.name";

/// A volume to be published.
#[derive(Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) volume_id: String,
    pub(crate) target: PathBuf,
    pub(crate) socket: Socket,
}

/// Whose socket a volume shows.
#[derive(Debug, PartialEq)]
pub(crate) enum Socket {
    /// The one that all workloads of the node share.
    Node,
    /// The one of this pod alone, whose UID was checked.
    Pod(PodUid, Pod),
}

/// Checks a request.
pub(crate) fn checked(request: &pb::NodePublishVolumeRequest) -> Result<Publish, Status> {
    let target = place(&request.volume_id, &request.target_path)?;
    check_capability(request.volume_capability.as_ref())?;
    if !request.readonly {
        return Err(invalid("pod.spec.volumes[].csi.readOnly must be set to 'true'"));
    }
    if request.volume_context.get(EPHEMERAL).map(String::as_str) != Some("true") {
        return Err(invalid("only ephemeral volumes are supported"));
    }
    let socket = socket(&request.volume_context, &target)?;
    Ok(Publish { volume_id: request.volume_id.clone(), target, socket })
}

/// The target path of a volume.
pub(crate) fn place(volume_id: &str, target: &str) -> Result<PathBuf, Status> {
    if volume_id.is_empty() {
        return Err(invalid("request missing required volume id"));
    }
    if target.is_empty() {
        return Err(invalid("request missing required target path"));
    }
    if !target::is_plain(Path::new(target)) {
        return Err(invalid(&format!("target path {target:?} must be absolute and without . and ..")));
    }
    Ok(PathBuf::from(target))
}

fn check_capability(capability: Option<&pb::VolumeCapability>) -> Result<(), Status> {
    let capability = capability.ok_or_else(|| invalid("request missing required volume capability"))?;
    match &capability.access_type {
        None => return Err(invalid("request missing required volume capability access type")),
        Some(AccessType::Mount(mount)) if mount.fs_type.is_empty() && mount.mount_flags.is_empty() => {}
        Some(_) => return Err(invalid("request volume capability access type must be a simple mount")),
    }
    match &capability.access_mode {
        None => Err(invalid("request missing required volume capability access mode")),
        Some(mode) if mode.mode() == Mode::SingleNodeReaderOnly => {
            Err(invalid("request volume capability access mode is not valid"))
        }
        Some(_) => Ok(()),
    }
}

fn socket(context: &HashMap<String, String>, target: &Path) -> Result<Socket, Status> {
    if let Some(other) = context.keys().find(|key| key.starts_with(OURS) && *key != SOCKET_ATTRIBUTE) {
        return Err(invalid(&format!("volume attribute {other:?} is not known; there is {SOCKET_ATTRIBUTE}")));
    }
    match context.get(SOCKET_ATTRIBUTE).map(String::as_str) {
        None | Some("node") => Ok(Socket::Node),
        Some("pod") => pod(context, target).map(|(uid, pod)| Socket::Pod(uid, pod)),
        Some(other) => {
            Err(invalid(&format!("volume attribute {SOCKET_ATTRIBUTE} must be \"node\" or \"pod\", not {other:?}")))
        }
    }
}

/// The pod that the kubelet tells of. Where `podInfoOnMount` is off, the attributes would be the pod author's own: the
/// path, which is the kubelet's work, must name the same UID.
fn pod(context: &HashMap<String, String>, target: &Path) -> Result<(PodUid, Pod), Status> {
    let told = |key: &str| {
        let value = context.get(key).filter(|value| !value.is_empty());
        let missing = || {
            invalid(&format!("{key} is not told with the mount; the CSIDriver object must set podInfoOnMount to true"))
        };
        value.cloned().ok_or_else(missing)
    };
    let pod = Pod {
        namespace: told(POD_NAMESPACE)?,
        name: told(POD_NAME)?,
        uid: told(POD_UID)?,
        service_account: told(SERVICE_ACCOUNT)?,
    };
    let uid = PodUid::parse(&pod.uid).map_err(|error| invalid(&format!("{POD_UID}: {error}")))?;
    if target::pod_uid(target).as_ref() != Some(&uid) {
        let target = target.display();
        return Err(Status::permission_denied(format!("target path {target} is not one of the pod {uid}")));
    }
    Ok((uid, pod))
}

fn invalid(text: &str) -> Status {
    Status::invalid_argument(text)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::testing::{UID, pod_request, request, target};

    type Change = fn(&mut pb::NodePublishVolumeRequest);

    fn refusal(mut request: pb::NodePublishVolumeRequest, change: Change) -> (Code, String) {
        change(&mut request);
        let status = checked(&request).unwrap_err();
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn requests_are_refused_in_the_words_of_spiffe_csi() {
        let cases: [(Change, &str); 11] = [
            (|r| r.volume_id.clear(), "request missing required volume id"),
            (|r| r.target_path.clear(), "request missing required target path"),
            (|r| r.volume_capability = None, "request missing required volume capability"),
            (|r| capability(r).access_type = None, "request missing required volume capability access type"),
            (
                |r| capability(r).access_type = Some(AccessType::Block(pb::volume_capability::BlockVolume {})),
                "request volume capability access type must be a simple mount",
            ),
            (|r| mount(r).fs_type = "ext4".into(), "request volume capability access type must be a simple mount"),
            (
                |r| mount(r).mount_flags.push("noatime".into()),
                "request volume capability access type must be a simple mount",
            ),
            (|r| capability(r).access_mode = None, "request missing required volume capability access mode"),
            (
                |r| capability(r).access_mode.as_mut().unwrap().set_mode(Mode::SingleNodeReaderOnly),
                "request volume capability access mode is not valid",
            ),
            (|r| r.readonly = false, "pod.spec.volumes[].csi.readOnly must be set to 'true'"),
            (|r| drop(r.volume_context.remove(EPHEMERAL)), "only ephemeral volumes are supported"),
        ];
        for (change, text) in cases {
            assert_eq!(refusal(request(), change), (Code::InvalidArgument, text.to_owned()));
        }
        let not_true: Change = |r| drop(r.volume_context.insert(EPHEMERAL.into(), "false".into()));
        assert_eq!(refusal(request(), not_true).1, "only ephemeral volumes are supported");
    }

    #[test]
    fn volume_shows_the_nodes_socket_unless_it_asks_for_the_pods() {
        assert_eq!(checked(&request()).unwrap().socket, Socket::Node);
        let mut named = request();
        named.volume_context.insert(SOCKET_ATTRIBUTE.into(), "node".into());
        assert_eq!(checked(&named).unwrap().socket, Socket::Node);
        let Socket::Pod(_, pod) = checked(&pod_request(UID)).unwrap().socket else { panic!("not a pod's") };
        assert_eq!((pod.namespace.as_str(), pod.name.as_str(), pod.uid.as_str()), ("shop", "web-1", UID));
        assert_eq!(pod.service_account, "web");
    }

    #[test]
    fn attributes_that_are_not_known_are_refused() {
        let (code, text) = refusal(request(), |r| set(r, SOCKET_ATTRIBUTE, "container"));
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains("must be \"node\" or \"pod\", not \"container\""), "{text}");
        let (code, text) = refusal(request(), |r| set(r, "steeple.dev/sockets", "pod"));
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains("\"steeple.dev/sockets\" is not known"), "{text}");
    }

    #[test]
    fn pod_that_the_kubelet_does_not_tell_of_is_refused() {
        for key in [POD_NAMESPACE, POD_NAME, POD_UID, SERVICE_ACCOUNT] {
            let mut request = pod_request(UID);
            request.volume_context.remove(key);
            let status = checked(&request).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(key) && status.message().contains("podInfoOnMount"), "{status:?}");
        }
    }

    #[test]
    fn pod_cannot_claim_the_uid_of_another() {
        let (code, text) = refusal(pod_request(UID), |r| set(r, POD_UID, "00000000-440c-66ac-9084-e0fc1d8a910c"));
        assert_eq!(code, Code::PermissionDenied);
        assert!(text.contains("is not one of the pod 00000000-440c"), "{text}");
        let (code, _) = refusal(pod_request(UID), |r| r.target_path = "/tmp/mount".into());
        assert_eq!(code, Code::PermissionDenied);
    }

    #[test]
    fn uid_cannot_be_a_path() {
        let mut request = pod_request("..");
        request.target_path = target("..");
        assert_eq!(checked(&request).unwrap_err().code(), Code::InvalidArgument);
        let (code, text) = refusal(pod_request(UID), |r| set(r, POD_UID, "../agent-sockets"));
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains("is not the UID of a pod"), "{text}");
    }

    fn set(request: &mut pb::NodePublishVolumeRequest, key: &str, value: &str) {
        request.volume_context.insert(key.to_owned(), value.to_owned());
    }

    fn capability(request: &mut pb::NodePublishVolumeRequest) -> &mut pb::VolumeCapability {
        request.volume_capability.as_mut().unwrap()
    }

    fn mount(request: &mut pb::NodePublishVolumeRequest) -> &mut pb::volume_capability::MountVolume {
        match capability(request).access_type.as_mut().unwrap() {
            AccessType::Mount(mount) => mount,
            AccessType::Block(_) => panic!("a block volume"),
        }
    }
}
