//! Pods with a sidecar, and what they say to each other.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::case::Case;
use crate::installation::TRUST_DOMAIN;
use crate::mesh::Certificates;
use crate::outcome::Outcome;
use crate::until;

/// Which socket of the agent the sidecar finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// The pod's own, as the overlay has it: the pod waits for its identity before it starts.
    Pod,
    /// The one that all pods of the node share: the sidecar waits for its identity.
    Node,
}

impl Socket {
    fn name(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Node => "node",
        }
    }
}

/// Bound of a load that nobody stops.
const MOST_REQUESTS: u32 = 100_000;

/// A pod with a sidecar. It answers HTTP on port 8080 of a service of its name: `/` with `hello`, `/cgi-bin/who` with the
/// identity that the caller's certificate showed.
#[derive(Debug, Clone, Copy)]
pub struct Sidecar<'a> {
    /// Its namespace, made by [`Sidecar::namespace`].
    pub namespace: &'a str,
    /// Its name, and that of its service account, which is made with it.
    pub name: &'a str,
    /// The socket that it is given.
    pub socket: Socket,
}

impl Sidecar<'_> {
    /// Makes a namespace whose pods get sidecars and take no plain text; returns its name.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn namespace(case: &Case<'_>, role: &str) -> Result<String> {
        let name = case.namespace(role)?;
        case.cluster.ok(&["label", "namespace", &name, "istio-injection=enabled"])?;
        Self::take(case, &name, Plaintext::Refused)?;
        Ok(name)
    }

    /// Says whether the pods of a namespace take requests without TLS.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn take(case: &Case<'_>, namespace: &str, plaintext: Plaintext) -> Result<()> {
        let mode = match plaintext {
            Plaintext::Refused => "STRICT",
            Plaintext::Taken => "PERMISSIVE",
        };
        case.cluster.apply(
            &format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                 metadata: {{name: all, namespace: {namespace}}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
            ),
            &[],
        )
    }

    /// The SPIFFE ID that Istio's policies know the pod by, without scheme.
    pub fn principal(&self) -> String {
        format!("{}/ns/{}/sa/{}", TRUST_DOMAIN, self.namespace, self.name)
    }

    /// Makes the pod, without waiting for anything.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn make(&self, case: &Case<'_>) -> Result<()> {
        case.cluster.apply(&self.manifest(), &[]).map(drop)
    }

    /// Waits until the pod is ready, its sidecar too.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn await_ready(&self, case: &Case<'_>) -> Result<()> {
        let pod = format!("pod/{}", self.name);
        case.cluster.ok(&["-n", self.namespace, "wait", "--for=condition=Ready", &pod, "--timeout=180s"]).map(drop)
    }

    /// Registers the pod's identity; with a lifetime of its X.509-SVIDs in seconds, or the server's own.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn register(&self, case: &Case<'_>, lifetime: Option<u32>) -> Result<()> {
        let (namespace, account) = (format!("k8s:ns:{}", self.namespace), format!("k8s:sa:{}", self.name));
        let (id, agent) = (format!("spiffe://{}", self.principal()), case.agent()?);
        let mut create = vec!["entry", "create", "-spiffeID", &id, "-parentID", &agent];
        create.extend(["-selector", &namespace, "-selector", &account]);
        let seconds = lifetime.map(|seconds| seconds.to_string());
        create.extend(seconds.iter().flat_map(|seconds| ["-x509SVIDTTL", seconds]));
        case.server(&create).map(drop)
    }

    /// Registers the pod's identity, makes the pod and waits until it is ready.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn start(&self, case: &Case<'_>) -> Result<()> {
        self.register(case, None)?;
        self.make(case)?;
        self.await_ready(case)
    }

    /// Asks `path` of `server` once: the status of the answer and its text.
    ///
    /// # Errors
    /// When kubectl cannot start.
    pub fn ask(&self, case: &Case<'_>, server: &Sidecar<'_>, path: &str) -> Result<Outcome> {
        let url = server.url(path);
        case.cluster.kubectl(&self.exec("app", &["curl", "-s", "-m", "20", "-w", "\n%{http_code}", &url]))
    }

    /// Waits until `path` of `server` is answered with `status`; returns the answer's text.
    ///
    /// # Errors
    /// When it is not.
    pub fn await_answer(&self, case: &Case<'_>, server: &Sidecar<'_>, path: &str, status: &str) -> Result<String> {
        until::ok(&format!("{status} from {}", server.url(path)), || {
            let outcome = self.ask(case, server, path)?;
            match outcome.stdout.rsplit_once('\n') {
                Some((text, code)) if code == status => Ok(text.to_owned()),
                _ => bail!("{outcome}"),
            }
        })
    }

    /// Asks `server` one request after the other until `until` ends; returns the status of each.
    ///
    /// # Errors
    /// When `until` fails, or kubectl does.
    pub fn load(
        &self,
        case: &Case<'_>,
        server: &Sidecar<'_>,
        until: impl FnOnce() -> Result<()>,
    ) -> Result<Vec<String>> {
        let script = format!(
            "i=0; while [ ! -e /tmp/stop ] && [ $i -lt {MOST_REQUESTS} ]; do i=$((i+1)); curl -s -m 20 -o /dev/null -w '%{{http_code}}\\n' {}; done",
            server.url("/")
        );
        let words = self.exec("app", &["sh", "-c", &script]);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| case.cluster.ok(&words));
            let ended = until();
            // The load must end, however that went.
            case.cluster.ok(&self.exec("app", &["sh", "-c", ": > /tmp/stop"]))?;
            let Ok(printed) = asking.join() else { bail!("the thread of the load panicked") };
            ended?;
            Ok(printed?.lines().map(str::to_owned).collect())
        })
    }

    /// What the sidecar's Envoy holds.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn certificates(&self, case: &Case<'_>) -> Result<Certificates> {
        let words = self.exec("istio-proxy", &["pilot-agent", "request", "GET", "certs"]);
        Certificates::read(&case.cluster.ok(&words)?)
    }

    /// Names of the secrets that the sidecar's Envoy has, or has asked for in vain.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn secrets(&self, case: &Case<'_>, state: Secrets) -> Result<Vec<String>> {
        let page = format!("config_dump?resource={}", state.field());
        let text = case.cluster.ok(&self.exec("istio-proxy", &["pilot-agent", "request", "GET", &page]))?;
        let dump: Value = serde_json::from_str(&text).with_context(|| format!("{page}: {text}"))?;
        let secrets = dump.get("configs").and_then(Value::as_array).into_iter().flatten();
        Ok(secrets.filter_map(|secret| secret.get("name")?.as_str().map(str::to_owned)).collect())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}.{}:8080{path}", self.name, self.namespace)
    }

    fn exec<'w>(&'w self, container: &'w str, words: &[&'w str]) -> Vec<&'w str> {
        [&["-n", self.namespace, "exec", self.name, "-c", container, "--"], words].concat()
    }

    fn manifest(&self) -> String {
        let Self { namespace, name, socket } = self;
        let socket = socket.name();
        format!(
            r#"apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: {namespace}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app: {name}, spiffe.io/spire-managed-identity: "true"}}
  annotations: {{inject.istio.io/templates: "sidecar,spire", steeple.dev/socket: {socket}}}
spec:
  serviceAccountName: {name}
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost/istio/proxyv2:local
    imagePullPolicy: Never
    command: [/bin/sh, -c, {SERVE:?}]
    securityContext: {{runAsUser: 1000, runAsGroup: 1000}}
    ports: [{{containerPort: 8080}}]
"#
        )
    }
}

const SERVE: &str = "\
mkdir -p /tmp/www/cgi-bin && cd /tmp/www && echo hello >index.html && \
printf '#!/bin/sh\\necho Content-Type: text/plain\\necho\\necho \"$HTTP_X_FORWARDED_CLIENT_CERT\"\\n' >cgi-bin/who && \
chmod +x cgi-bin/who && exec httpd -f -p 8080 -h /tmp/www";

/// What a pod with a sidecar does with requests without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// It closes the connection.
    Refused,
    /// It answers.
    Taken,
}

/// How far Envoy is with secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// It has them.
    Active,
    /// It has asked for them and waits.
    Warming,
}

impl Secrets {
    fn field(self) -> &'static str {
        match self {
            Self::Active => "dynamic_active_secrets",
            Self::Warming => "dynamic_warming_secrets",
        }
    }
}
