# Names for what one does often; the logic is in xtask.

default:
    @just --list

# Serves a trust domain on this machine and shows an identity.
dev *ARGS:
    cargo run --release -- dev {{ARGS}}

# All tests; peers that are absent are listed.
test *ARGS:
    cargo xtask test {{ARGS}}

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo xtask layers
    cargo xtask docs

peers *ARGS:
    cargo xtask peers {{ARGS}}

fuzz *ARGS:
    cargo xtask fuzz {{ARGS}}

soak *ARGS:
    cargo xtask soak {{ARGS}}

bench:
    cargo xtask bench --against-spire

# What is checked before a change lands.
ci:
    .ci/run
