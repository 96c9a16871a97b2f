//! `steeple authz` and the server whose rights it asks about.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::{TRUST_DOMAIN, binary, uid};

const CREATE: &str = "/spire.api.server.entry.v1.Entry/BatchCreateEntry";

fn access() -> String {
    format!(
        r#"access {{
  mode = "scoped"
  binding "here" {{
    role = "break-glass"
    reason = "the test"
    not_after = "2100-01-01T00:00:00Z"
    subject {{ uid = {uid} }}
  }}
  binding "shop" {{
    role = "entry-editor"
    subject {{ uid = 4242 }}
    scope {{ path = ["/ns/shop"] }}
  }}
}}
"#,
        uid = uid()
    )
}

fn authz(pair: &Pair, words: &[&str], request: Option<&Value>) -> Result<Value> {
    let socket = pair.path("server.sock").display().to_string();
    let mut command = std::process::Command::new(binary()?);
    command.arg("authz").args(words).args(["-socketPath", &socket]);
    if let Some(request) = request {
        let path = pair.path("request.json");
        fs::write(&path, request.to_string())?;
        command.arg("-request").arg(format!("@{}", path.display()));
    }
    let output = command.output()?;
    ensure!(output.status.success(), "authz {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("no JSON")
}

fn about(path: &str) -> Value {
    json!([{ "entry": {
        "spiffe_id": { "trust_domain": TRUST_DOMAIN, "path": path },
        "parent_id": { "trust_domain": TRUST_DOMAIN, "path": "/node" },
        "selectors": [{ "type": "unix", "value": "uid:1" }],
    } }])
}

#[test]
fn rights_of_a_running_server_are_explained_by_the_command() -> Result<()> {
    let mut pair = Pair::new()?;
    pair.server_blocks = access();
    let _server = pair.start_server()?;
    let explain = |path: &str| {
        let request = json!({ "caller": { "uid": 4242, "gid": 4242 }, "method": CREATE, "objects": about(path) });
        authz(&pair, &["explain"], Some(&request))
    };
    let outside = explain("/ns/bank/x")?;
    ensure!(outside.get("allowed") != Some(&json!(true)), "{outside}");
    ensure!(outside.get("refused_by") == Some(&json!("path")), "{outside}");
    ensure!(
        outside.get("reason") == Some(&json!("binding \"shop\": path: /ns/bank/x lies not under /ns/shop")),
        "{outside}"
    );
    let inside = explain("/ns/shop/x")?;
    ensure!(inside.get("allowed") == Some(&json!(true)) && inside.get("binding") == Some(&json!("shop")), "{inside}");
    let request = json!({ "action": "create", "resource": "entry", "objects": about("/ns/shop/x") });
    let who = authz(&pair, &["who-can"], Some(&request))?;
    let names = |answer: &Value| {
        let bindings = answer.get("bindings").and_then(Value::as_array).cloned().unwrap_or_default();
        bindings.iter().filter_map(|binding| binding.get("name")?.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    ensure!(names(&who) == ["here", "shop"], "{who}");
    let all = authz(&pair, &["binding", "list"], None)?;
    ensure!(names(&all) == ["here", "shop"], "{all}");
    Ok(())
}
