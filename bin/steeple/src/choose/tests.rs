use steeple_config::{PLUGIN_KEYS, parse, read_plugins};
use steeple_crypto::tls::KeyExchange;
use steeple_k8s::ApiServer;
use steeple_publish::cluster_trust_bundle::BundleClusterTrustBundle;
use steeple_upstream::cert_manager::CertManagerConfig;

use super::*;

fn plugins(text: &str) -> Vec<PluginBlock> {
    read_plugins(&Block::of(&parse(&format!("plugins {{ {text} }}")).unwrap())).unwrap()
}

fn refused<T>(result: Result<T, ChooseError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

/// The rows of a section of the page that tells what is not there yet.
fn documented(section: &str) -> Vec<&'static str> {
    let page = include_str!("../../../../docs/reference/not-yet.md");
    let found = page.split("\n## ").find(|text| text.lines().next() == Some(section));
    found.unwrap_or_default().lines().filter(|line| line.starts_with("| `")).collect()
}

fn key_rows(block: &str, keys: &[NotYet]) -> Vec<String> {
    keys.iter().map(|key| format!("| `{block}.{}` | {} | {} |", key.key, shown(key.default), key.feature)).collect()
}

fn shown(default: &str) -> String {
    if default.is_empty() { "not set".to_owned() } else { format!("`{default}`") }
}

#[test]
fn documentation_lists_the_keys_and_plugins_that_come_later() {
    let mut plugin_keys = key_rows("plugins.TYPE.NAME", PLUGIN_KEYS);
    for (kind, name, keys) in LATER_KEYS {
        plugin_keys.extend(key_rows(&format!("plugins.{kind}.{name}.plugin_data"), keys));
    }
    let mut plugins: Vec<String> = LATER
        .iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| format!("| `{kind}` | `{name}` |")))
        .collect();
    plugins.push("| `WorkloadAttestor` | `windows` |".to_owned());
    for (section, rows) in [
        ("Keys of the server", key_rows("server", steeple_server::config::NOT_YET)),
        ("Keys of the agent", key_rows("agent", steeple_agent::config::NOT_YET)),
        ("Keys of telemetry", key_rows("telemetry", steeple_config::TELEMETRY_NOT_YET)),
        ("Keys of plugins", plugin_keys),
        ("Plugins", plugins),
    ] {
        assert_eq!(
            documented(section).join("\n"),
            rows.join("\n"),
            "section {section:?} should be\n{}\n",
            rows.join("\n")
        );
    }
}

#[test]
fn plugins_that_come_later_are_refused_by_name() {
    for (kind, names) in LATER {
        for name in *names {
            let text = format!("plugin {kind:?}/{name:?} is not available yet");
            let block = plugins(&format!("{kind} \"{name}\" {{ plugin_data {{}} }}"));
            assert_eq!(unknown(&block[0]).to_string(), text);
        }
    }
    let block = plugins("WorkloadAttestor \"windows\" { plugin_data {} }");
    let said = refused(workload_attestors(&block, &BTreeMap::new(), &Clock::system()));
    assert_eq!(
        said,
        "plugin \"WorkloadAttestor\"/\"windows\" is for Windows, which steeple does not run on: remove it"
    );
}

#[test]
fn keys_of_plugins_that_come_later_are_refused_unless_at_their_default() {
    for (kind, name, keys) in LATER_KEYS {
        for key in *keys {
            let with = |value: &str| {
                let mut data = format!("= {value}");
                for part in key.key.rsplit('.') {
                    data =
                        if data.starts_with('=') { format!("{part} {data}") } else { format!("{part} {{ {data} }}") };
                }
                check_keys(&plugins(&format!("{kind} \"{name}\" {{ plugin_data {{ {data} }} }}")))
            };
            let said = refused(with("\"something\""));
            assert!(said.starts_with(&format!("plugin_data.{} is ", key.key)), "{said}");
            assert!(with("\"\"").is_ok());
            if !key.default.is_empty() {
                assert!(with(&format!("\"{}\"", key.default)).is_ok(), "{}", key.key);
            }
        }
    }
}

#[test]
fn counts_of_plugins_are_kept() {
    let none = "plugin type \"KeyManager\" constraint not satisfied: expected exactly 1 but got 0";
    assert_eq!(refused(server_keys(&[])), none);
    let two = plugins("KeyManager \"memory\" { plugin_data {} }\nKeyManager \"disk\" { plugin_data {} }");
    assert_eq!(refused(server_keys(&two)), none.replace("got 0", "got 2"));
    let other = plugins("Nosuch \"x\" { plugin_data {} }");
    assert_eq!(refused(check_kinds(&other, &["KeyManager"])), "unsupported plugin type \"Nosuch\"");
}

#[test]
fn bad_data_of_server_plugins_is_refused() {
    let (clock, domain) = (Clock::system(), TrustDomain::parse("t.example").unwrap());
    let sql = |data: &str| refused(datastore(&plugins(&format!("DataStore \"sql\" {{ plugin_data {{ {data} }} }}"))));
    let sqlite = "database_type = \"sqlite3\" connection_string = \"x\"";
    assert_eq!(sql(&format!("{sqlite} max_open_conns = 1 max_idle_conns = 2 conn_max_lifetime = \"1m\"")), "");
    assert_eq!(sql("connection_string = \"x\""), "datastore-sql: database_type must be set");
    assert!(
        sql("database_type \"aws_postgres\" { region = \"x\" } connection_string = \"x\"")
            .contains("not available yet")
    );
    assert!(sql(&format!("{sqlite} max_open_conns = \"x\"")).contains("strconv.ParseInt: parsing \"x\""));
    let lifetime = "datastore-sql: failed to parse conn_max_lifetime \"x\": time: invalid duration \"x\"";
    assert_eq!(sql(&format!("{sqlite} conn_max_lifetime = \"x\"")), lifetime);
    assert!(sql(&format!("{sqlite} disable_migration = \"yes\"")).contains("unknown type *ast.LiteralType"));
    assert_eq!(
        sql("database_type = \"postgres\" connection_string = \"host=db\" ro_connection_string = \"host=ro\""),
        ""
    );
    let mysql = |connection_string: &str, more: &str| {
        sql(&format!("database_type = \"mysql\" connection_string = \"{connection_string}\" {more}"))
    };
    let files = "root_ca_path = \"ca.pem\" client_cert_path = \"own.pem\" client_key_path = \"own.key\"";
    assert_eq!(mysql("u:p@tcp(db)/spire?parseTime=true", files), "");
    let missing = "datastore-sql: invalid mysql config: missing parseTime=true param in connection_string";
    assert_eq!(mysql("u:p@tcp(db)/spire", ""), missing);
    assert_eq!(mysql("/spire?parseTime=true", "ro_connection_string = \"/spire\""), missing);
    let slash = "datastore-sql: invalid DSN: missing the slash separating the database name";
    assert_eq!(mysql("u:p@tcp(db)", ""), slash);

    let keys = plugins("KeyManager \"disk\" { plugin_data {} }");
    assert_eq!(refused(server_keys(&keys)), "keys_path is required");
    let pop = |data: &str| {
        let block = plugins(&format!("NodeAttestor \"x509pop\" {{ plugin_data {{ {data} }} }}"));
        refused(server_attestors(&block, &domain, &clock))
    };
    assert_eq!(pop(""), "one of ca_bundle_path or ca_bundle_paths must be configured");
    let both = "only one of ca_bundle_path or ca_bundle_paths can be configured, not both";
    assert_eq!(pop("ca_bundle_path = \"x\" ca_bundle_paths = [\"y\"]"), both);
    let absent = "unable to load trust bundle \"/nonexistent\": open /nonexistent: no such file or directory";
    assert_eq!(pop("ca_bundle_paths = [\"/nonexistent\"]"), absent);
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no PEM").unwrap();
    let said = pop(&format!("ca_bundle_path = {empty:?}"));
    assert_eq!(said, format!("unable to load trust bundle {empty:?}: no certificates found in file"));
    let disk = plugins("UpstreamAuthority \"disk\" { plugin_data {} }");
    let said = refused(check_upstream_authority(&disk, &domain, &clock));
    assert_eq!(said, "'cert_file_path' and 'key_file_path' must be set and not empty");
}

#[test]
fn upstream_authority_spire_is_checked_in_the_words_of_spire() {
    let check = |data: &str| {
        let block = plugins(&format!("UpstreamAuthority \"spire\" {{ plugin_data {{ {data} }} }}"));
        check_keys(&block)?;
        check_upstream_authority(&block, &"example.org".parse().unwrap(), &Clock::system())
    };
    let said = |data: &str| refused(check(data));
    let (address, port, socket) =
        ("server_address = \"root\"", "server_port = \"8081\"", "workload_api_socket = \"/run/api.sock\"");
    assert_eq!(said(""), "server_address is required");
    assert_eq!(said(address), "server_port is required");
    assert_eq!(said(&format!("{address} {port}")), "workload_api_socket is required");
    let all = format!("{address} {port} {socket}");
    assert_eq!(said(&all), "");
    assert_eq!(said(&format!("{address} server_port = 8081 {socket}")), "");
    assert_eq!(
        said(&format!("{all} experimental {{ require_pq_kem = false workload_api_named_pipe_name = \"\" }}")),
        ""
    );
    assert_eq!(said(&format!("{address} server_port = \"http\" {socket}")), "server_port \"http\" is not a port");
    assert_eq!(said(&format!("{all} experimental = 1")), "plugin configuration is malformed");
    let pipe = "configuration: workload_api_named_pipe_name is not supported on this platform; please use \
                workload_api_socket instead";
    assert_eq!(said(&format!("{all} experimental {{ workload_api_named_pipe_name = \"x\" }}")), pipe);
    let exchange = |more: &str| {
        let block = plugins(&format!("UpstreamAuthority \"spire\" {{ plugin_data {{ {all} {more} }} }}"));
        upstream::spire(&block[0]).unwrap().key_exchange
    };
    assert_eq!(exchange(""), KeyExchange::Any);
    assert_eq!(exchange("experimental { require_pq_kem = true }"), KeyExchange::PostQuantum);
}

#[test]
fn upstream_authority_cert_manager_is_checked_in_the_words_of_spire() {
    let read = |data: &str| {
        let block = plugins(&format!("UpstreamAuthority \"cert-manager\" {{ plugin_data {{ {data} }} }}"));
        check_upstream_authority(&block, &"example.org".parse().unwrap(), &Clock::system())?;
        upstream::cert_manager(&block[0])
    };
    let (issuer, namespace) = ("issuer_name = \"spire-ca\"", "namespace = \"sandbox\"");
    assert_eq!(refused(read("")), "plugin configuration has empty namespace property");
    assert_eq!(refused(read(namespace)), "plugin configuration has empty issuer_name property");
    assert_eq!(refused(read("issuer_name = {}")), "plugin configuration is malformed");
    let config = read(&format!("{issuer} {namespace}")).unwrap();
    let expected = CertManagerConfig {
        issuer_name: "spire-ca".into(),
        issuer_kind: "Issuer".into(),
        issuer_group: "cert-manager.io".into(),
        namespace: "sandbox".into(),
        api_server: ApiServer::InCluster,
    };
    assert_eq!(config, expected);
    let others = "issuer_kind = \"AWSPCAIssuer\" issuer_group = \"awspca.cert-manager.io\" kube_config_file = \"/k\"";
    let config = read(&format!("{issuer} {namespace} {others}")).unwrap();
    let expected = CertManagerConfig {
        issuer_kind: "AWSPCAIssuer".into(),
        issuer_group: "awspca.cert-manager.io".into(),
        api_server: ApiServer::Kubeconfig("/k".into()),
        ..expected
    };
    assert_eq!(config, expected);
}

#[tokio::test]
async fn cert_manager_without_a_configuration_of_its_cluster_is_refused_at_once() {
    let data = "issuer_name = \"i\" namespace = \"n\" kube_config_file = \"/nonexistent\"";
    let block = plugins(&format!("UpstreamAuthority \"cert-manager\" {{ plugin_data {{ {data} }} }}"));
    let said = refused(upstream_authority(&block, &"example.org".parse().unwrap(), &Clock::system()).await);
    assert!(said.starts_with("failed to create cert-manager client: "), "{said}");
    assert!(said.contains("/nonexistent"), "{said}");
}

#[test]
fn k8s_psat_is_read_with_its_clusters() {
    let server = |data: &str| {
        let block = plugins(&format!("NodeAttestor \"k8s_psat\" {{ plugin_data {{ {data} }} }}"));
        refused(server_attestors(&block, &"example.org".parse().unwrap(), &Clock::system()))
    };
    let cluster = r#"service_account_allow_list = ["spire:spire-agent"] audience = [] kube_config_file = "k"
        allowed_node_label_keys = ["zone"] allowed_pod_label_keys = ["app"] use_pod_uid_for_agent_id = true"#;
    assert_eq!(server(""), "");
    assert_eq!(server(&format!("clusters = {{ \"one\" = {{ {cluster} }} \"two\" = {{ {cluster} }} }}")), "");
    assert_eq!(
        server("clusters = { \"one\" = { audience = [\"a\"] } }"),
        "cluster \"one\" configuration must have at least one service account allowed"
    );
    for bad in ["audience = \"a\"", "service_account_allow_list = \"a:b\"", "use_pod_uid_for_agent_id = \"true\""] {
        let said = server(&format!("clusters = {{ \"one\" = {{ {bad} }} }}"));
        assert_eq!(said, "plugin configuration is malformed", "{bad}");
    }
    let agent = |data: &str| {
        let block = plugins(&format!("NodeAttestor \"k8s_psat\" {{ plugin_data {{ {data} }} }}"));
        refused(agent_attestor(&block, String::new()))
    };
    assert_eq!(agent("cluster = \"prod\""), "");
    assert_eq!(agent("token_path = \"t\""), "missing required cluster block");
}

#[test]
fn clusters_have_the_settings_that_their_blocks_say() {
    let settings = |data: &str| {
        let block = plugins(&format!("NodeAttestor \"k8s_psat\" {{ plugin_data {{ clusters = {{ {data} }} }} }}"));
        k8s::psat_clusters(&block[0]).unwrap()
    };
    let clusters = settings("\"one\" = { service_account_allow_list = [\"a:b\"] } \"two\" = { audience = [] }");
    let one = &clusters["one"];
    assert_eq!(one.audiences, ["spire-server"]);
    assert_eq!(one.api_server, ApiServer::InCluster);
    assert!(one.service_accounts.contains("a:b") && !one.use_pod_uid_for_agent_id);
    assert!(clusters["two"].audiences.is_empty());
    let all = settings(
        "\"c\" = { kube_config_file = \"k\" allowed_node_label_keys = [\"n\"] allowed_pod_label_keys = [\"p\"] use_pod_uid_for_agent_id = true }",
    );
    let all = &all["c"];
    assert_eq!(all.api_server, ApiServer::Kubeconfig("k".into()));
    assert!(all.node_labels.contains("n") && all.pod_labels.contains("p") && all.use_pod_uid_for_agent_id);
}

#[test]
fn k8s_is_read_with_its_kubelet() {
    use steeple_k8s::kubelet::{Credentials, Port, Verification};
    let variables = BTreeMap::from([("MY_NODE_NAME".to_owned(), "n1".to_owned()), ("N".to_owned(), "n2".to_owned())]);
    let read = |data: &str| {
        let block = plugins(&format!("WorkloadAttestor \"k8s\" {{ plugin_data {{ {data} }} }}"));
        k8s::workload(&block[0], &variables)
    };
    let secure = |data: &str| match read(data).unwrap().kubelet.unwrap().port {
        Port::Secure { port, verification, credentials } => (port, verification, credentials),
        Port::ReadOnly(port) => panic!("read-only port {port}"),
    };
    let account = std::path::Path::new("/var/run/secrets/kubernetes.io/serviceaccount");
    let default = (10250, Verification::Authorities(account.join("ca.crt")), Credentials::Token(account.join("token")));
    assert_eq!(secure(""), default);
    assert_eq!(secure("kubelet_ca_path = \"ca\"").1, Verification::Authorities("ca".into()));
    assert_eq!(secure("skip_kubelet_verification = true").1, Verification::Skip);
    assert_eq!(secure("token_path = \"t\"").2, Credentials::Token("t".into()));
    assert_eq!(secure("use_anonymous_authentication = true").2, Credentials::Anonymous);
    let certificate = Credentials::Certificate { certificate: "c".into(), key: "k".into() };
    assert_eq!(secure("certificate_path = \"c\" private_key_path = \"k\"").2, certificate);
    assert_eq!(read("kubelet_read_only_port = 10255").unwrap().kubelet.unwrap().port, Port::ReadOnly(10255));
    for (data, name) in [("", "n1"), ("node_name_env = \"N\"", "n2"), ("node_name = \"n3\"", "n3")] {
        assert_eq!(read(data).unwrap().kubelet.unwrap().node_name.as_deref(), Some(name));
    }
    assert_eq!(read("node_name_env = \"ABSENT\"").unwrap().kubelet.unwrap().node_name, None);
    let usual = read("").unwrap();
    assert_eq!((usual.max_poll_attempts, usual.poll_retry_interval.as_millis()), (60, 500));
    let set = read("max_poll_attempts = 3 poll_retry_interval = \"2s\" disable_container_selectors = true").unwrap();
    assert_eq!((set.max_poll_attempts, set.poll_retry_interval.as_secs()), (3, 2));
    assert!(set.disable_container_selectors && !usual.disable_container_selectors);
    for (data, reason) in [
        ("kubelet_read_only_port = 1 kubelet_secure_port = 2", "cannot use both the read-only and secure port"),
        ("kubelet_secure_port = 70000", "kubelet_secure_port 70000 is not a port"),
        ("certificate_path = \"c\"", "the private key path is required with the certificate path"),
        ("private_key_path = \"k\"", "the certificate path is required with the private key path"),
        ("poll_retry_interval = \"x\"", "unable to parse poll retry interval: time: invalid duration \"x\""),
        ("reload_interval = \"x\"", "unable to parse reload interval: time: invalid duration \"x\""),
    ] {
        assert_eq!(refused(read(data)), reason, "{data}");
    }
}

#[test]
fn k8s_watches_pods_where_a_cluster_is_known() {
    let read = |data: &str, variables: &[(&str, &str)]| {
        let block = plugins(&format!("WorkloadAttestor \"k8s\" {{ plugin_data {{ {data} }} }}"));
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        k8s::workload(&block[0], &variables).unwrap()
    };
    let (host, node) = (("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("MY_NODE_NAME", "n1"));
    let watched = |data: &str, variables: &[(&str, &str)]| {
        read(data, variables).watch.map(|watch| (watch.api_server, watch.node_name))
    };
    let in_cluster = Some((ApiServer::InCluster, Some("n1".to_owned())));
    assert_eq!(watched("", &[host, node]), in_cluster);
    assert_eq!(watched("node_name = \"n1\"", &[host]), in_cluster);
    // Then the kubelet names its node, if it is asked for anything.
    let nameless = Some((ApiServer::InCluster, None));
    assert_eq!(watched("", &[host]), nameless);
    assert_eq!(watched("", &[host, ("MY_NODE_NAME", "10.0.0.7")]), nameless);
    assert_eq!(watched("disable_kubelet_client = true", &[host]), None);
    assert_eq!(watched("", &[node]), None, "where?");
    let file = Some((ApiServer::Kubeconfig("k".into()), Some("n1".to_owned())));
    assert_eq!(watched("kube_config_file = \"k\"", &[node]), file);
    let usual = read("", &[host, node]);
    assert_eq!((usual.locator.legacy, usual.locator.verbose, usual.namespace_labels), (false, false, None));
    let set = read(
        "use_new_container_locator = false verbose_container_locator_logs = true enable_namespace_labels = true
        experimental { api_server { cache { enabled = true } } }",
        &[host],
    );
    assert!(set.locator.legacy && set.locator.verbose);
    assert_eq!(set.namespace_labels, Some(ApiServer::InCluster));
}

#[test]
fn k8s_without_a_kubelet_takes_no_settings_of_one() {
    let read = |data: &str| {
        let data = format!("disable_kubelet_client = true {data}");
        let block = plugins(&format!("WorkloadAttestor \"k8s\" {{ plugin_data {{ {data} }} }}"));
        k8s::workload(&block[0], &BTreeMap::new())
    };
    assert!(read("").unwrap().kubelet.is_none());
    for (key, value) in [
        ("kubelet_read_only_port", "1"),
        ("kubelet_secure_port", "1"),
        ("kubelet_ca_path", "\"x\""),
        ("skip_kubelet_verification", "true"),
        ("token_path", "\"x\""),
        ("use_anonymous_authentication", "true"),
        ("node_name_env", "\"X\""),
        ("node_name", "\"x\""),
        ("reload_interval", "\"1s\""),
    ] {
        let said = refused(read(&format!("{key} = {value}")));
        assert_eq!(said, format!("disable_kubelet_client cannot be used with {key}"));
    }
    assert!(refused(read("experimental { api_server { cache { enabled = \"x\" } } }")).starts_with("unable to decode"));
}

#[test]
fn k8s_configmap_is_read_with_its_clusters() {
    use steeple_publish::Format;
    let read = |data: &str| {
        let block = plugins(&format!("BundlePublisher \"k8s_configmap\" {{ plugin_data {{ {data} }} }}"));
        publish::config_maps(&block[0])
    };
    let cluster = |more: &str| {
        let keys = "format = \"PEM\" namespace = \"n\" configmap_name = \"m\" configmap_key = \"k\"";
        read(&format!("clusters = {{ \"one\" = {{ {keys} {more} }} }}"))
    };
    let one = cluster("").unwrap().remove("one").unwrap();
    assert_eq!((one.format, one.namespace.as_str(), one.name.as_str(), one.key.as_str()), (Format::Pem, "n", "m", "k"));
    assert_eq!((one.api_server, one.refresh_hint), (ApiServer::InCluster, None));
    let one = cluster("kubeconfig_path = \"c\" refresh_hint = \"10m\"").unwrap().remove("one").unwrap();
    assert_eq!((one.api_server, one.refresh_hint), (ApiServer::Kubeconfig("c".into()), Some(600)));
    assert!(read("").unwrap().is_empty(), "nothing is published then");
    for (keys, reason) in [
        ("", "missing bundle format in cluster \"a\""),
        ("format = \"pem\"", "missing namespace in cluster \"a\""),
        ("format = \"pem\" namespace = \"n\"", "missing configmap name in cluster \"a\""),
        ("format = \"pem\" namespace = \"n\" configmap_name = \"m\"", "missing configmap key in cluster \"a\""),
        (
            "format = \"der\" namespace = \"n\" configmap_name = \"m\" configmap_key = \"k\"",
            "could not parse bundle format from cluster \"a\": unknown bundle format: \"der\"",
        ),
    ] {
        assert_eq!(refused(read(&format!("clusters {{ a {{ {keys} }} }}"))), reason);
    }
    let hint = "could not parse refresh_hint from cluster \"one\": could not parse refresh hint \"x\": time: invalid duration \"x\"";
    assert_eq!(refused(cluster("refresh_hint = \"x\"")), hint);
}

#[test]
fn k8s_cluster_trust_bundle_is_read_with_its_clusters() {
    let read = |data: &str| {
        let block = plugins(&format!("BundlePublisher \"k8s_cluster_trust_bundle\" {{ plugin_data {{ {data} }} }}"));
        publish::trust_bundles(&block[0])
    };
    let of = |signer: Option<&str>, api_server| BundleClusterTrustBundle::new("a.b:c:d", signer, api_server).unwrap();
    let config = ApiServer::Kubeconfig("k".into());
    let clusters =
        "clusters { one { name = \"a.b:c:d\" signer_name = \"a.b/c\" kubeconfig_path = \"k\" } two { name = \"x\" } }";
    let clusters = read(clusters).unwrap();
    assert_eq!(clusters["one"], of(Some("a.b/c"), config));
    assert_eq!(clusters.len(), 2);
    assert_eq!(refused(read("clusters { a {} }")), "missing name in cluster \"a\"");
    let prefix = "name \"x\" must begin with \"a.b:c:\", since signer_name is \"a.b/c\", in cluster \"a\"";
    assert_eq!(refused(read("clusters { a { name = \"x\" signer_name = \"a.b/c\" } }")), prefix);
}

#[test]
fn k8sbundle_is_read_with_its_clusters() {
    let read = |data: &str| {
        let block = plugins(&format!("Notifier \"k8sbundle\" {{ plugin_data {{ {data} }} }}"));
        publish::bundle_clusters(&block[0])
    };
    let usual = read("").unwrap();
    let shown = |cluster: &steeple_publish::k8sbundle::BundleCluster| {
        format!("{}/{}/{}", cluster.namespace, cluster.config_map, cluster.config_map_key)
    };
    assert_eq!((usual.len(), shown(&usual[0]).as_str()), (1, "spire/spire-bundle/bundle.crt"));
    assert_eq!((&usual[0].api_server, &usual[0].webhook_label), (&ApiServer::InCluster, &None));
    let all = "namespace = \"n\" config_map = \"m\" config_map_key = \"k\" webhook_label = \"w\" api_service_label = \"s\" kube_config_file_path = \"f\"";
    let set = read(all).unwrap();
    assert_eq!((shown(&set[0]).as_str(), &set[0].api_server), ("n/m/k", &ApiServer::Kubeconfig("f".into())));
    assert_eq!((set[0].webhook_label.as_deref(), set[0].api_service_label.as_deref()), (Some("w"), Some("s")));
    let remote =
        "clusters = [ { kube_config_file_path = \"a\" }, { kube_config_file_path = \"b\" namespace = \"n\" } ]";
    let remote_only: Vec<_> = read(remote).unwrap().iter().map(shown).collect();
    assert_eq!(remote_only, ["spire/spire-bundle/bundle.crt", "n/spire-bundle/bundle.crt"]);
    assert_eq!(read(&format!("namespace = \"n\" {remote}")).unwrap().len(), 3, "the own cluster too");
    assert_eq!(refused(read("clusters = [ {} ]")), "cluster configuration is missing kube_config_file_path");
    assert_eq!(refused(read("namespace = true")), "plugin configuration is malformed");
}
