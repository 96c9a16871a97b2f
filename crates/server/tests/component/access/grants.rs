//! Bindings made by calls.

use steeple_audit::EventKind;
use steeple_proto::spire::api::server as spire;
use steeple_proto::steeple::server::access::v1 as pb;
use tonic::{Code, Status};

use super::{chain, item, pod, scoped};
use crate::bench::{Bench, Calls};

const ROOT: &str = r#"
  two_person = []
  binding "root" {
    role = "policy-admin"
    not_after = "2027-01-01T00:00:00Z"
    subject { uid = 5000 }
    grants {
      roles = ["namespace-editor", "policy-admin"]
      scope { path = ["/ns/a"] namespaces = ["a"] }
    }
  }
"#;

fn texts(values: &[&str]) -> pb::Texts {
    pb::Texts { values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn scope(path: &str) -> pb::Scope {
    pb::Scope { path: Some(texts(&[path])), namespaces: Some(texts(&["a"])), ..pb::Scope::default() }
}

fn editor(name: &str, path: &str) -> pb::Binding {
    let spiffe_id = format!("spiffe://example.org/people/{name}");
    pb::Binding {
        name: name.to_owned(),
        role: "namespace-editor".to_owned(),
        subjects: vec![pb::Subject { spiffe_id, ..pb::Subject::default() }],
        scope: Some(scope(path)),
        not_after: "2026-06-01T00:00:00Z".to_owned(),
        ..pb::Binding::default()
    }
}

fn admin(name: &str, roles: &[&str], path: &str) -> pb::Binding {
    let grants = pb::Grants { roles: roles.iter().map(|role| (*role).to_owned()).collect(), scope: Some(scope(path)) };
    pb::Binding { role: "policy-admin".to_owned(), scope: None, grants: Some(grants), ..editor(name, path) }
}

async fn create<A: steeple_net::Answers>(calls: &Calls<A>, binding: pb::Binding) -> Result<pb::Binding, Status> {
    let request = pb::CreateBindingRequest { binding: Some(binding) };
    calls.access().create_binding(request).await.map(tonic::Response::into_inner)
}

async fn writes(bench: &Bench, name: &str, path: &str) -> Result<(), Status> {
    let calls = bench.remote(&chain(bench, &format!("/people/{name}")).await);
    let request = spire::entry::v1::BatchCreateEntryRequest { entries: vec![pod(path, "a")], output_mask: None };
    item(calls.entry().batch_create_entry(request).await?.into_inner().results[0].status.clone())
}

#[tokio::test]
async fn bindings_are_granted_within_what_the_grantor_has_to_give() {
    let bench = scoped(ROOT).await;
    let root = bench.unix(5000, 5000);
    let unit = pb::Binding {
        subjects: vec![pb::Subject { uid: Some(5000), ..pb::Subject::default() }],
        ..editor("x", "/ns/a")
    };
    for (binding, reason) in [
        (editor("x", "/ns/ab"), "path: the scope is wider"),
        (editor("x", "/ns"), "path: the scope is wider"),
        (
            pb::Binding {
                scope: Some(pb::Scope { namespaces: Some(texts(&["a", "b"])), ..scope("/ns/a") }),
                ..editor("x", "/ns/a")
            },
            "namespaces: the scope is wider",
        ),
        (
            pb::Binding { role: "entry-editor".to_owned(), ..editor("x", "/ns/a") },
            "role entry-editor is not among those",
        ),
        (pb::Binding { not_after: String::new(), ..editor("x", "/ns/a") }, "the window is wider"),
        (pb::Binding { not_after: "2028-01-01T00:00:00Z".to_owned(), ..editor("x", "/ns/a") }, "the window is wider"),
        (unit, "nobody grants himself a role"),
        (admin("x", &["namespace-editor"], "/ns"), "grants: path: the scope is wider"),
        (admin("x", &["break-glass"], "/ns/a"), "grants: role break-glass is not among those"),
    ] {
        let refused = create(&root, binding).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        assert!(refused.message().contains(reason), "{reason}: {refused:?}");
    }
    assert_eq!(create(&bench.local(), editor("x", "/ns/a")).await.unwrap_err().code(), Code::PermissionDenied);
    let made = create(&root, editor("ed", "/ns/a")).await.unwrap();
    assert_eq!((made.granted_by.as_str(), made.created_by.as_str()), ("root", "uid 5000"));
    writes(&bench, "ed", "/ns/a/x").await.unwrap();
    assert!(
        bench
            .recorded
            .kinds()
            .iter()
            .any(|kind| matches!(kind, EventKind::BindingCreated { name, .. } if name == "ed"))
    );
    assert_eq!(create(&root, editor("ed", "/ns/a")).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn what_was_granted_on_ends_with_the_binding_by_which_it_was() {
    let bench = scoped(ROOT).await;
    let root = bench.unix(5000, 5000);
    create(&root, admin("sub", &["namespace-editor"], "/ns/a/team")).await.unwrap();
    let sub = bench.remote(&chain(&bench, "/people/sub").await);
    let wider = create(&sub, editor("ed", "/ns/a")).await.unwrap_err();
    assert!(wider.message().contains("path: the scope is wider than what binding \"sub\" may grant"), "{wider:?}");
    create(&sub, editor("ed", "/ns/a/team")).await.unwrap();
    writes(&bench, "ed", "/ns/a/team/x").await.unwrap();
    let listed = root.access().list_bindings(pb::ListBindingsRequest {}).await.unwrap().into_inner().bindings;
    let names: Vec<&str> = listed.iter().map(|binding| binding.name.as_str()).collect();
    assert_eq!(names, ["setup", "root", "ed", "sub"]);
    let configured = pb::DeleteBindingRequest { name: "root".to_owned() };
    assert_eq!(root.access().delete_binding(configured).await.unwrap_err().code(), Code::FailedPrecondition);
    root.access().delete_binding(pb::DeleteBindingRequest { name: "sub".to_owned() }).await.unwrap();
    let refused = writes(&bench, "ed", "/ns/a/team/y").await.unwrap_err();
    assert!(refused.message().contains("no binding is for spiffe://example.org/people/ed"), "{refused:?}");
}
