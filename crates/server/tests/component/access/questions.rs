//! `Explain` and `WhoCan`.

use steeple_proto::steeple::server::access::v1 as pb;
use tonic::Code;

use super::{chain, person, pod, scoped};

#[tokio::test]
async fn who_can_names_those_whose_scope_holds_the_object_now() {
    let bindings = [
        person("wide", "entry-editor", ""),
        person("ed", "entry-editor", r#"path = ["/ns/a"]"#),
        person("far", "entry-editor", r#"path = ["/ns/b"]"#),
        person("see", "viewer", ""),
        person("audit", "auditor", ""),
        r#"binding "past" { role = "entry-editor" not_after = "2025-01-01T00:00:00Z" subject { uid = 9 } }"#.to_owned(),
    ];
    let bench = scoped(&bindings.concat()).await;
    let auditor = bench.remote(&chain(&bench, "/people/audit").await);
    let ask = async |action: &str, about: Vec<pb::Object>| {
        let request = pb::WhoCanRequest { action: action.to_owned(), resource: "entry".to_owned(), objects: about };
        let answer = auditor.access().who_can(request).await?.into_inner().bindings;
        Ok::<_, tonic::Status>(answer.into_iter().map(|binding| binding.name).collect::<Vec<_>>())
    };
    let about = || vec![pb::Object { about: Some(pb::object::About::Entry(pod("/ns/a/x", "a"))) }];
    assert_eq!(ask("create", about()).await.unwrap(), ["setup", "wide", "ed"]);
    assert_eq!(ask("read", about()).await.unwrap(), ["setup", "wide", "ed", "see"]);
    assert_eq!(ask("create", vec![]).await.unwrap(), ["setup", "wide", "ed", "far"]);
    assert_eq!(ask("conquer", vec![]).await.unwrap_err().code(), Code::InvalidArgument);
    let see = bench.remote(&chain(&bench, "/people/see").await);
    let refused = see.access().who_can(pb::WhoCanRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "rights are told to those who administer them: {refused:?}");
}

#[tokio::test]
async fn explain_tells_what_allows_and_what_a_group_would() {
    let bindings = [
        person("audit", "auditor", ""),
        "issuer \"corp\" { issuer = \"https://i\" audience = \"a\" jwks_path = \"/none\" }\n\
         binding \"shop\" { role = \"entry-editor\" subject { oidc = \"corp\" group = \"g\" } scope { path = [\"/ns/a\"] } }\n"
            .to_owned(),
    ];
    let bench = scoped(&bindings.concat()).await;
    let auditor = bench.remote(&chain(&bench, "/people/audit").await);
    let ask = async |groups: &[&str], path: &str| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let caller = pb::Caller { oidc: "corp".to_owned(), user: "mia".to_owned(), groups, ..pb::Caller::default() };
        let method = "/spire.api.server.entry.v1.Entry/BatchCreateEntry".to_owned();
        let objects = vec![pb::Object { about: Some(pb::object::About::Entry(pod(path, "a"))) }];
        let request = pb::ExplainRequest { caller: Some(caller), method, objects };
        auditor.access().explain(request).await.unwrap().into_inner()
    };
    let allowed = ask(&["g"], "/ns/a/x").await;
    assert!(allowed.allowed && allowed.binding == "shop" && allowed.refused_by.is_empty(), "{allowed:?}");
    let outside = ask(&["g"], "/ns/b/x").await;
    assert_eq!((outside.allowed, outside.refused_by.as_str()), (false, "path"), "{outside:?}");
    let stranger = ask(&["h"], "/ns/a/x").await;
    assert_eq!((stranger.allowed, stranger.refused_by.as_str()), (false, "subject"), "{stranger:?}");
}
