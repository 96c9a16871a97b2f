//! The misconfigurations: what is wrong, what is asked, and what must be said.

use self::Ask::{Container, OfServer, Pid, Pod, Reference, Selectors, Wanting, WantingId};
use self::Call::{Jwt, NoHeader, Sds, X509};
use self::Do::{Ban, Calls, Create, Cut, Delete, Mend, OtherAgent, Pass, RefuseToSign, Settle, StopAgent, Update};

/// The agent's ID.
pub(super) const AGENT: &str = "/spire/agent/believing/node";

/// A registration entry.
#[derive(Clone, Copy)]
pub(super) struct E {
    pub(super) id: &'static str,
    pub(super) parent: &'static str,
    pub(super) selectors: &'static [&'static str],
    /// In so many seconds.
    pub(super) expires: i64,
    pub(super) store: bool,
    pub(super) hint: &'static str,
}

/// What happens.
#[derive(Clone, Copy)]
pub(super) enum Do {
    Create(E),
    Update(E),
    Delete(&'static str),
    /// The agent synchronises.
    Settle,
    /// Minutes pass.
    Pass(u64),
    /// The wire between agent and server is cut.
    Cut,
    Ban,
    StopAgent,
    /// Another agent attests.
    OtherAgent,
    /// The server's audit trail is full, so that it signs nothing.
    RefuseToSign,
    /// The workload calls.
    Calls(Call),
    /// The entry is given these selectors.
    Mend(E),
}

/// A call of the workload.
#[derive(Clone, Copy)]
pub(super) enum Call {
    X509,
    NoHeader,
    /// Asks for a JWT-SVID of this ID.
    Jwt(&'static str),
    /// Asks for these secrets.
    Sds(&'static [&'static str]),
}

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    Pid,
    Wanting(&'static str),
    WantingId(&'static str),
    Selectors(&'static [&'static str]),
    /// The last refused call.
    Reference,
    Container,
    Pod,
    /// The server, about this agent and what the workload is.
    OfServer(&'static str, &'static [&'static str]),
}

/// A misconfiguration.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) attestors: &'static [&'static str],
    /// Settings of agent and server, by name.
    pub(super) set: &'static str,
    pub(super) steps: Vec<Do>,
    pub(super) ask: Ask,
    pub(super) cause: &'static str,
    /// What the fix must have in it.
    pub(super) fix: &'static str,
}

/// An entry below the agent.
fn e(id: &'static str, selectors: &'static [&'static str]) -> E {
    E { id, parent: AGENT, selectors, expires: 0, store: false, hint: "" }
}

const UNIX: &[&str] = &["unix"];
const DOCKER: &[&str] = &["docker"];
const K8S: &[&str] = &["k8s"];
/// What fits.
const WEB: &[&str] = &["unix:uid:1000"];

fn row(
    name: &'static str,
    attestors: &'static [&'static str],
    steps: Vec<Do>,
    ask: Ask,
    cause: &'static str,
    fix: &'static str,
) -> Row {
    Row { name, attestors, set: "", steps, ask, cause, fix }
}

/// An entry with wrong selectors, and the process asked about.
fn wants(
    name: &'static str,
    attestors: &'static [&'static str],
    selectors: &'static [&'static str],
    cause: &'static str,
    fix: &'static str,
) -> Row {
    row(name, attestors, vec![Create(e("web", selectors)), Settle], Pid, cause, fix)
}

fn set(set: &'static str, row: Row) -> Row {
    Row { set, ..row }
}

const WRONG: &str = "missing_selector";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = of_unix();
    rows.extend(of_containers());
    rows.extend(of_pods());
    rows.extend(of_parents());
    rows.extend(of_life());
    rows.extend(of_calls());
    rows.extend(of_agents());
    rows
}

fn of_unix() -> Vec<Row> {
    let with_path = &["unix with path"];
    vec![
        wants("other user", UNIX, &["unix:uid:1001"], WRONG, "-selector unix:uid:1000"),
        wants("other group", UNIX, &["unix:gid:51"], WRONG, "-selector unix:gid:50"),
        wants("name of the user misspelt", UNIX, &["unix:user:wbe"], WRONG, "-selector unix:user:web"),
        wants("name of the group misspelt", UNIX, &["unix:group:stuff"], WRONG, "-selector unix:group:staff"),
        wants(
            "other supplementary group",
            UNIX,
            &["unix:supplementary_gid:8"],
            WRONG,
            "-selector unix:supplementary_gid:7",
        ),
        wants(
            "name of a supplementary group misspelt",
            UNIX,
            &["unix:supplementary_group:opps"],
            WRONG,
            "-selector unix:supplementary_group:ops",
        ),
        wants(
            "one of two selectors wrong",
            UNIX,
            &["unix:uid:1000", "unix:gid:51"],
            WRONG,
            "-selector unix:gid:50 -selector unix:uid:1000",
        ),
        wants(
            "path that is not told",
            UNIX,
            &["unix:path:/bin/web"],
            "attestor_option",
            "discover_workload_path = true",
        ),
        wants("digest that is not told", UNIX, &["unix:sha256:ab"], "attestor_option", "discover_workload_path = true"),
        wants("other path", with_path, &["unix:path:/bin/web"], WRONG, "/program"),
        wants("other digest", with_path, &["unix:sha256:ba7816"], WRONG, "-selector unix:sha256:ba7816bf8f01cfea"),
        set(
            "no names",
            wants("user without a name", UNIX, &["unix:user:web"], WRONG, "have the workload be unix:user:web"),
        ),
        wants("key in capitals", UNIX, &["unix:UID:1000"], "unknown_selector", "-selector unix:uid:1000"),
        wants("key that is none", UNIX, &["unix:exe:/bin/web"], "unknown_selector", "-selector unix:path:/bin/web"),
    ]
}

fn of_containers() -> Vec<Row> {
    let down = &["docker that is down"];
    let both_down = &["unix", "docker that is down"];
    let label = &["docker:label:app:wob"];
    vec![
        wants("label with another value", DOCKER, label, WRONG, "-selector docker:label:app:web"),
        wants("label with another name", DOCKER, &["docker:label:aap:web"], WRONG, "-selector docker:label:app:web"),
        wants("other environment", DOCKER, &["docker:env:STAGE=dev"], WRONG, "-selector docker:env:STAGE=prod"),
        wants("other image", DOCKER, &["docker:image_id:web:2"], WRONG, "-selector docker:image_id:web:1"),
        wants("other digest of an image", DOCKER, &["docker:image_config_digest:sha256:d2"], WRONG, "sha256:d1"),
        wants(
            "image under a wrong key",
            DOCKER,
            &["docker:image:web:1"],
            "unknown_selector",
            "-selector docker:image_id:web:1",
        ),
        wants("docker not configured", UNIX, label, "attestor_not_configured", "WorkloadAttestor \"docker\""),
        wants("docker down beside unix", both_down, label, "attestor_failed", "docker_socket_path"),
        wants("docker down alone", down, label, "attestation_failed", "docker_socket_path"),
        set(
            "no container",
            wants("process in no container", &["unix", "docker"], label, WRONG, "have the workload be"),
        ),
        row(
            "container by its ID",
            DOCKER,
            vec![Create(e("web", label)), Settle],
            Container,
            WRONG,
            "docker:label:app:web",
        ),
    ]
}

fn of_pods() -> Vec<Row> {
    let refuses = &["unix", "k8s whose kubelet refuses"];
    let alone = &["k8s of pods alone"];
    vec![
        wants("other namespace", K8S, &["k8s:ns:shopp"], WRONG, "-selector k8s:ns:shop"),
        wants("other service account", K8S, &["k8s:sa:default"], WRONG, "-selector k8s:sa:web"),
        wants(
            "label of a pod with another value",
            K8S,
            &["k8s:pod-label:app:api"],
            WRONG,
            "-selector k8s:pod-label:app:web",
        ),
        wants("other pod", K8S, &["k8s:pod-name:web-2"], WRONG, "-selector k8s:pod-name:web-1"),
        wants("other owner", K8S, &["k8s:pod-owner:Deployment:web"], WRONG, "-selector k8s:pod-owner:ReplicaSet:web"),
        wants("other container", K8S, &["k8s:container-name:mian"], WRONG, "-selector k8s:container-name:main"),
        wants(
            "other image of a container",
            K8S,
            &["k8s:container-image:web:2"],
            WRONG,
            "-selector k8s:container-image:web:1",
        ),
        wants("namespace under a wrong key", K8S, &["k8s:namespace:shop"], "unknown_selector", "-selector k8s:ns:shop"),
        wants(
            "labels of namespaces off",
            K8S,
            &["k8s:ns-label:team:a"],
            "attestor_option",
            "enable_namespace_labels = true",
        ),
        wants(
            "containers off",
            alone,
            &["k8s:container-name:main"],
            WRONG,
            "have the workload be k8s:container-name:main",
        ),
        wants("kubelet refuses", refuses, &["k8s:ns:shop"], "attestor_failed", "reaches the node's kubelet"),
        wants("k8s not configured", UNIX, &["k8s:ns:shop"], "attestor_not_configured", "WorkloadAttestor \"k8s\""),
        wants(
            "selector of nodes",
            K8S,
            &["k8s_psat:cluster:demo"],
            "node_selector",
            "entry create -node -selector k8s_psat:cluster:demo",
        ),
        row(
            "pod by its name",
            K8S,
            vec![Create(e("web", &["k8s:ns:shop", "k8s:sa:wob"])), Settle],
            Pod,
            WRONG,
            "-selector k8s:ns:shop -selector k8s:sa:web",
        ),
    ]
}

fn of_parents() -> Vec<Row> {
    let below = |parent: &'static str| E { parent, ..e("web", WEB) };
    let alias = E { parent: "/spire/server", ..e("group", &["x:zone:2"]) };
    let group = Create(E { parent: "/group", ..e("web", WEB) });
    let to_own = "-parentID spiffe://example.org/spire/agent/believing/node";
    vec![
        row(
            "parent that is nobody's",
            UNIX,
            vec![Create(below("/noode"))],
            OfServer(AGENT, WEB),
            "unknown_parent",
            to_own,
        ),
        row(
            "parent is another agent",
            UNIX,
            vec![OtherAgent, Create(below("OTHER"))],
            OfServer(AGENT, WEB),
            "other_agent",
            to_own,
        ),
        row(
            "alias does not fit",
            UNIX,
            vec![Create(alias), group],
            OfServer(AGENT, WEB),
            "alias_mismatch",
            "entry group",
        ),
        set(
            "server tells",
            row(
                "alias does not fit, asked on the node",
                UNIX,
                vec![Create(alias), group, Settle],
                Pid,
                "alias_mismatch",
                to_own,
            ),
        ),
        row(
            "fits below another parent, asked on the node",
            UNIX,
            vec![Create(below("/noode")), Settle],
            Pid,
            "elsewhere",
            "steeple explain -agent",
        ),
        row(
            "parent is an entry of nobody's",
            UNIX,
            vec![Create(E { parent: "/noode", ..e("above", &["unix:uid:7"]) }), Create(below("/above"))],
            OfServer(AGENT, WEB),
            "parent_not_given",
            to_own,
        ),
        row(
            "parent is the server",
            UNIX,
            vec![Create(below("/spire/server"))],
            OfServer(AGENT, WEB),
            "entry_is_alias",
            to_own,
        ),
    ]
}

fn of_life() -> Vec<Row> {
    let ends = E { expires: 60, ..e("web", WEB) };
    let twins = vec![Create(e("a", WEB)), Create(e("b", WEB)), Settle];
    vec![
        row(
            "entry has ended",
            UNIX,
            vec![Create(ends), Settle, Pass(2)],
            Pid,
            "entry_expired",
            "steeple server entry update",
        ),
        row(
            "entry has ended and was removed",
            UNIX,
            vec![Create(ends), Settle, Pass(6), Settle],
            Pid,
            "entry_expired",
            "entry create",
        ),
        row(
            "entry was deleted",
            UNIX,
            vec![Create(e("web", WEB)), Settle, Delete("web"), Settle],
            Pid,
            "entry_deleted",
            "entry create",
        ),
        row(
            "entry for a store of SVIDs",
            UNIX,
            vec![Create(E { store: true, ..e("web", WEB) }), Settle],
            Pid,
            "stored_svid",
            "entry update",
        ),
        row(
            "entry that the agent does not know yet",
            UNIX,
            vec![Create(e("web", WEB))],
            Pid,
            "not_synced",
            "next synchronisation",
        ),
        row(
            "change that the agent does not know yet",
            UNIX,
            vec![Create(e("web", &["unix:uid:7"])), Settle, Update(e("web", WEB))],
            Pid,
            "old_revision",
            "next synchronisation",
        ),
        row("server away", UNIX, vec![Cut, Create(e("web", WEB)), Settle], Pid, "server_unreachable", "server_address"),
        row(
            "server does not sign",
            UNIX,
            vec![Create(e("web", WEB)), RefuseToSign, Settle],
            Pid,
            "not_signed",
            "log has more",
        ),
        set(
            "small cache",
            row("no room in the cache", UNIX, twins, Wanting("b"), "cache_limit", "x509_svid_cache_max_size"),
        ),
        row(
            "two entries with one hint",
            UNIX,
            vec![Create(E { hint: "h", ..e("a", WEB) }), Pass(1), Create(E { hint: "h", ..e("b", WEB) }), Settle],
            Wanting("b"),
            "hint_taken",
            "hint of its own",
        ),
        row("no entry at all", UNIX, vec![], Pid, "no_entry", "steeple server entry create -parentID"),
        row(
            "no such entry",
            UNIX,
            vec![Create(e("web", WEB)), Settle],
            Wanting("wbe"),
            "no_such_entry",
            "entry create",
        ),
        row(
            "identity of another trust domain",
            UNIX,
            vec![],
            WantingId("spiffe://other.example/web"),
            "other_trust_domain",
            "other.example",
        ),
        row(
            "selectors instead of a process",
            UNIX,
            vec![Create(e("web", WEB)), Settle],
            Selectors(&["unix:uid:1001"]),
            WRONG,
            "-selector unix:uid:1001",
        ),
    ]
}

fn of_calls() -> Vec<Row> {
    let web = || vec![Create(e("web", WEB)), Settle];
    let then = |call: Call| [web(), vec![Calls(call)]].concat();
    vec![
        set(
            "one call a second",
            row(
                "too many calls",
                UNIX,
                [then(X509), vec![Calls(X509)]].concat(),
                Reference,
                "rate_limit",
                "experimental.ratelimit",
            ),
        ),
        set(
            "one call a second",
            row(
                "too many calls, by PID",
                UNIX,
                [then(X509), vec![Calls(X509)]].concat(),
                Pid,
                "rate_limit",
                "experimental.ratelimit",
            ),
        ),
        row("no security header", UNIX, then(NoHeader), Reference, "no_header", "workload.spiffe.io: true"),
        row(
            "token for another ID",
            UNIX,
            then(Jwt("spiffe://example.org/api")),
            Reference,
            "not_this_id",
            "its own ID",
        ),
        set("no JWT", row("JWT-SVIDs off", UNIX, then(Jwt("")), Reference, "jwt_disabled", "disable_jwt_svids")),
        row(
            "server away for a token",
            UNIX,
            [web(), vec![Cut, Calls(Jwt(""))]].concat(),
            Reference,
            "no_token",
            "reaches its server",
        ),
        row(
            "secret of a wrong name",
            UNIX,
            then(Sds(&["defualt"])),
            Reference,
            "no_secret",
            "spiffe://example.org/web",
        ),
        row(
            "one secret of two has a wrong name",
            UNIX,
            then(Sds(&["default", "defualt"])),
            Reference,
            "no_secret",
            "spiffe://example.org/web",
        ),
        row("secret without an identity", UNIX, vec![Calls(Sds(&["web"]))], Reference, "no_entry", "entry create"),
        row(
            "attestation failed when it called",
            &["docker that is down"],
            vec![Calls(X509)],
            Reference,
            "attestation_failed",
            "docker_socket_path",
        ),
        row(
            "mended since",
            UNIX,
            vec![Create(e("web", &["unix:uid:7"])), Settle, Calls(X509), Mend(e("web", WEB)), Settle],
            Reference,
            "issued",
            "call again",
        ),
    ]
}

fn of_agents() -> Vec<Row> {
    let web = Create(e("web", WEB));
    vec![
        row(
            "agent banned",
            UNIX,
            vec![web, Ban, StopAgent],
            OfServer(AGENT, WEB),
            "agent_banned",
            "steeple server agent evict",
        ),
        row(
            "agent that nobody knows",
            UNIX,
            vec![web],
            OfServer("/spire/agent/believing/nobody", WEB),
            "agent_not_attested",
            "agent list",
        ),
        row(
            "agent's SVID has ended",
            UNIX,
            vec![web, StopAgent, Pass(120)],
            OfServer(AGENT, WEB),
            "agent_expired",
            "start the agent",
        ),
        set(
            "no Workload API",
            row("Workload API off", UNIX, vec![web, Settle], Pid, "api_disabled", "disable_workload_api"),
        ),
        row("nothing is wrong", UNIX, vec![web, Settle], Pid, "issued", ""),
        row("nothing is wrong, asked on the server", UNIX, vec![web], OfServer(AGENT, WEB), "issued", ""),
    ]
}
