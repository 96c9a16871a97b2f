access {
  mode = "scoped"
  two_person = ["taint", "grant"]
  approval_ttl = "30m"
  issuer "corp" { issuer = "https://idp.example" audience = "steeple" jwks_url = "https://idp.example/jwks" }
  binding "root" {
    role = "policy-admin"
    not_after = "2027-01-01T00:00:00Z"
    subject { uid = 0 executable = "/usr/bin/steeple" }
    grants { roles = ["namespace-editor"] scope { path = ["/ns/{k8s:ns}"] namespaces = ["a"] } }
  }
  binding "shop" {
    role = "namespace-editor"
    subject { oidc = "corp" group = "shop" }
    subject { spiffe_id_prefix = "spiffe://example.org/people" }
    scope { path = ["/ns/shop"] parents = ["/spire/agent"] selector_types = ["k8s"] namespaces = ["shop"] max_x509_svid_ttl = "1h" dns_names = ["*.shop.svc"] federates_with = ["b.example"] }
  }
  binding "fire" { role = "break-glass" reason = "fire" not_after = "2027-01-01T00:00:00Z" subject { entry_flag = "admin" } scope { flags = ["alias"] } }
}
