server {
    bind_address = "127.0.0.1"
    bind_port = 8081
    trust_domain = "example.org" // comment
    ca_subject { country = ["US"], organization = ["SPIFFE"], common_name = "" }
    federation { bundle_endpoint { port = 8443 profile "https_spiffe" {} } federates_with "other" { x = 0x1F } }
}
plugins {
    KeyManager "disk" { plugin_data = { keys_path = "${DIR}/keys.json" } }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = <<-X
      /a
    X
 } }
}
