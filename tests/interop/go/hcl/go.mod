module steeple.example/interop/hcl

go 1.26

require github.com/hashicorp/hcl v1.0.1-vault-7
