use steeple_config::parse;

use super::*;

/// What a `federation` block says, and what operators are told of it.
fn settings(text: &str) -> Result<(FederationSettings, Vec<String>), String> {
    let object = parse(&format!("federation {{ {text} }}")).map_err(|error| error.to_string())?;
    let server = Block::of(&object);
    let own = TrustDomain::from_name("own.example").unwrap();
    let mut warnings = Vec::new();
    check(&server).map_err(|error| error.to_string())?;
    let read = read(&server, &own, Path::new("/data"), &mut warnings).map_err(|error| error.to_string())?;
    Ok((read, warnings))
}

fn endpoint(lines: &str) -> Result<(BundleEndpointSettings, Vec<String>), String> {
    let (settings, warnings) = settings(&format!("bundle_endpoint {{ {lines} }}"))?;
    Ok((settings.bundle_endpoint.unwrap(), warnings))
}

fn relationships(text: &str) -> Result<Vec<FederationRelationship>, String> {
    settings(text).map(|(settings, _)| settings.federates_with)
}

const SPIFFE: &str = "profile \"https_spiffe\" {}";

#[test]
fn what_is_not_set_is_as_in_spire() {
    assert_eq!(settings("").unwrap(), (FederationSettings::default(), vec![]));
    let (read, warnings) = endpoint("port = 8443").unwrap();
    assert_eq!((read.address.to_string().as_str(), read.refresh_hint.as_secs()), ("[::]:8443", 300));
    assert_eq!(read.profile, BundleEndpointProfile::HttpsSpiffe);
    assert!(warnings[0].starts_with("Bundle endpoint is configured but has no profile set, using https_spiffe"));
}

#[test]
fn every_key_of_the_endpoint_is_read() {
    let (read, warnings) =
        endpoint(&format!("address = \"127.0.0.1\" port = 1 refresh_hint = \"10m\" {SPIFFE}")).unwrap();
    assert_eq!((read.address.to_string().as_str(), read.refresh_hint.as_secs()), ("127.0.0.1:1", 600));
    assert_eq!((read.profile, warnings), (BundleEndpointProfile::HttpsSpiffe, vec![]));
    let json = r#"{"federation":{"bundle_endpoint":{"port":"8443","profile":[{"https_spiffe":[{}]}]}}}"#;
    let object = parse(json).unwrap();
    let own = TrustDomain::from_name("own.example").unwrap();
    let mut warnings = Vec::new();
    let of_chart = read_of(&object, &own, &mut warnings).bundle_endpoint.unwrap();
    assert_eq!((of_chart.address.port(), of_chart.profile), (8443, BundleEndpointProfile::HttpsSpiffe));
    assert!(warnings.is_empty(), "{warnings:?}");
}

fn read_of(object: &steeple_config::Object, own: &TrustDomain, warnings: &mut Vec<String>) -> FederationSettings {
    read(&Block::of(object), own, Path::new("/data"), warnings).unwrap()
}

#[test]
fn acme_is_read_from_either_place() {
    let lines =
        "acme { domain_name = \"a.test\" email = \"e@a.test\" tos_accepted = true directory_url = \"https://ca\" }";
    let settings = BundleEndpointProfile::Acme(AcmeSettings {
        domain_name: "a.test".to_owned(),
        directory_url: "https://ca".to_owned(),
        email: "e@a.test".to_owned(),
        tos_accepted: true,
        cache_dir: PathBuf::from("/data/bundle-acme"),
    });
    let (read, warnings) = endpoint(&format!("profile \"https_web\" {{ {lines} }}")).unwrap();
    assert_eq!((read.profile, warnings), (settings.clone(), vec![]));
    let (read, warnings) = endpoint(lines).unwrap();
    assert_eq!(read.profile, settings);
    assert!(warnings[0].starts_with("ACME configuration within the bundle_endpoint is deprecated."), "{warnings:?}");
    let (_, warnings) = endpoint("profile \"https_web\" { acme { domain_name = \"localhost\" } }").unwrap();
    assert!(warnings[0].starts_with("domain_name \"localhost\" of the bundle endpoint's acme section"), "{warnings:?}");
}

#[test]
fn settings_of_the_endpoint_that_help_nobody_are_told() {
    for (lines, told) in [
        (
            "refresh_hint = \"59s\"",
            "Bundle endpoint refresh hint set too low. SPIRE will not refresh more often than 1 minute",
        ),
        (
            "refresh_hint = \"24h\"",
            "Bundle endpoint refresh hint set to a high value. To cover the case of unscheduled",
        ),
        ("address = \"localhost\"", "federation.bundle_endpoint.address \"localhost\" is not an IP address"),
    ] {
        let (_, warnings) = endpoint(&format!("{lines} {SPIFFE}")).unwrap();
        assert!(warnings.len() == 1 && warnings[0].starts_with(told), "{lines}: {warnings:?}");
    }
}

#[test]
fn relationships_are_read() {
    let read = relationships(
        r#"federates_with "a.example" { bundle_endpoint_url = "https://a/b" bundle_endpoint_profile "https_web" {} }
           federates_with "b.example" { bundle_endpoint_url = "HTTPS://b"
             bundle_endpoint_profile "https_spiffe" { endpoint_spiffe_id = "spiffe://b.example/e" } }"#,
    );
    let read: Vec<_> = read.unwrap().into_iter().map(|one| (one.trust_domain.to_string(), one.profile)).collect();
    let endpoint_spiffe_id = SpiffeId::parse("spiffe://b.example/e").unwrap();
    let of_b = EndpointProfile::HttpsSpiffe { endpoint_spiffe_id };
    assert_eq!(read, [("a.example".to_owned(), EndpointProfile::HttpsWeb), ("b.example".to_owned(), of_b)]);
}

#[test]
fn endpoints_that_are_not_in_order_are_refused_with_the_texts_of_spire() {
    for (lines, said) in [
        ("refresh_hint = \"x\"", "could not parse refresh_hint \"x\": time: invalid duration \"x\""),
        ("acme { email = \"e\" }", "federation.bundle_endpoint.acme.domain_name must be configured"),
        ("acme { domain_name = \"d\" }", "federation.bundle_endpoint.acme.email must be configured"),
        (
            "acme { domain_name = \"d\" email = \"e\" } profile \"https_spiffe\" {}",
            "either bundle endpoint 'acme' or 'profile' can be set, but not both",
        ),
        ("profile = \"https_spiffe\"", "malformed configuration"),
        ("profile {}", "exactly one bundle endpoint profile is expected"),
        ("profile \"https_spiffe\" {} profile \"https_web\" {}", "exactly one bundle endpoint profile is expected"),
        (
            "profile \"https_web\" {}",
            "malformed https_web profile configuration: 'acme' or 'serving_cert_file' is required",
        ),
        (
            "profile \"other\" {}",
            "unknown bundle endpoint profile configured; current supported profiles are \"https_spiffe\" and 'https_web\"",
        ),
        ("profile \"https_web\" { serving_cert_file { file_sync_interval = \"x\" } }", "time: invalid duration \"x\""),
        (
            "profile \"https_web\" { serving_cert_file { cert_file_path = \"/nowhere/c\" key_file_path = \"/nowhere/k\" } }",
            "failed to load certificate: open /nowhere/c: no such file or directory",
        ),
        ("port = 70000", "federation.bundle_endpoint.port 70000 is not a port"),
    ] {
        assert_eq!(endpoint(lines).unwrap_err(), said, "{lines}");
    }
}

#[test]
fn relationships_that_are_not_in_order_are_refused_with_the_texts_of_spire() {
    let web = "bundle_endpoint_profile \"https_web\" {}";
    let url = "federation.federates_with[\"a.example\"].bundle_endpoint_url must";
    let parsing = "error parsing federation relationship for trust domain \"a.example\":";
    for (lines, said) in [
        (web, format!("{url} be configured")),
        ("bundle_endpoint_url = \"http://a\"", format!("{url} use the HTTPS protocol; URL found: \"http://a\"")),
        (
            "bundle_endpoint_url = \"https://a\"",
            "federation configuration for trust domain \"a.example\": missing bundle endpoint configuration".to_owned(),
        ),
        (
            "bundle_endpoint_url = \"https://a\" bundle_endpoint_profile \"https_spiffe\" {}",
            format!("{parsing} could not get endpoint SPIFFE ID: cannot be empty"),
        ),
        (
            "bundle_endpoint_url = \"https://a\" bundle_endpoint_profile \"other\" {}",
            format!(
                "{parsing} no bundle endpoint profile defined; current supported profiles are \"https_spiffe\" and 'https_web\""
            ),
        ),
        (
            "bundle_endpoint_url = \"https://a\" bundle_endpoint_profile {}",
            format!("{parsing} exactly one bundle endpoint profile is expected"),
        ),
    ] {
        let text = format!("federates_with \"a.example\" {{ {lines} }}");
        assert_eq!(relationships(&text).unwrap_err(), said, "{lines}");
    }
    let with = |name: &str| {
        relationships(&format!("federates_with \"{name}\" {{ bundle_endpoint_url = \"https://a\" {web} }}"))
    };
    assert!(with("A b").unwrap_err().starts_with("trust domain characters are limited to"));
    assert!(with("own.example").unwrap_err().ends_with("a server can't federate with its own trust domain"));
}
