//! PostgreSQL as a pod: Debian's own programs, in an image made of this machine's files.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};
use steeple_tests_cluster::{Cluster, add_program, base, peer};
use steeple_tests_databases::path;

/// Where it runs.
pub(crate) const NAMESPACE: &str = "database";

const POD: &str = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: database
  labels: {pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: v1
kind: Service
metadata: {name: postgres, namespace: database}
spec:
  selector: {app: postgres}
  ports: [{port: 5432}]
---
apiVersion: v1
kind: Pod
metadata: {name: postgres, namespace: database, labels: {app: postgres}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 70, fsGroup: 70, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: postgres
    image: postgres:local
    imagePullPolicy: Never
    command:
    - /bin/sh
    - -c
    - |
      set -e
      echo "$PASSWORD" >/data/password
      initdb -D /data/d -U spire -A scram-sha-256 --pwfile /data/password -E UTF8 --no-locale --no-sync
      echo 'host all all all scram-sha-256' >>/data/d/pg_hba.conf
      exec postgres -D /data/d -k /data -c listen_addresses='*' -c fsync=off
    env: [{name: PASSWORD, value: "s3cret"}]
    ports: [{containerPort: 5432}]
    readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
"#;

/// How the database is reached, password and all.
const CONNECTION_STRING: &str = "host=postgres.database.svc user=spire password=s3cret dbname=postgres sslmode=disable";

/// Starts it, and writes how it is reached into the Secret `database` of `namespace`, which is made.
pub(crate) fn start(cluster: &Cluster, namespace: &str) -> Result<()> {
    let root = tempfile::tempdir()?;
    image(root.path())?;
    cluster.load("postgres:local", root.path(), &["/bin/sh"])?;
    cluster.apply(POD, &[])?;
    cluster.ok(&["create", "namespace", namespace])?;
    let literal = format!("--from-literal=connection-string={CONNECTION_STRING}");
    cluster.ok(&["-n", namespace, "create", "secret", "generic", "database", &literal])?;
    cluster.ok(&["-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/postgres", "--timeout=180s"]).map(drop)
}

fn image(root: &Path) -> Result<()> {
    base(root)?;
    add_program(root, &peer::path("busybox")?, "bin/sh")?;
    std::fs::create_dir_all(root.join("etc"))?;
    std::fs::write(root.join("etc/passwd"), "postgres:x:70:70::/data:/bin/sh\n")?;
    let (postgres, initdb) = (path("postgres")?, path("initdb")?);
    let programs = postgres.parent().and_then(Path::parent).context("PostgreSQL is in a folder")?;
    let version = programs.file_name().context("the folder is that of a version")?;
    for program in [&postgres, &initdb] {
        add_program(root, program, program.to_str().context("a path that is no UTF-8")?.trim_start_matches('/'))?;
    }
    copy(&programs.join("lib"), root)?;
    copy(&Path::new("/usr/share/postgresql").join(version), root)?;
    std::fs::create_dir_all(root.join("usr/bin"))?;
    for program in [&postgres, &initdb] {
        symlink(program, root.join("usr/bin").join(program.file_name().context("a program has a name")?))?;
    }
    Ok(())
}

/// Copies a folder to where it is, below `root`.
fn copy(folder: &Path, root: &Path) -> Result<()> {
    let to = root.join(folder.strip_prefix("/")?);
    let parent = to.parent().context("a folder is in another")?;
    std::fs::create_dir_all(parent)?;
    let output = std::process::Command::new("cp").arg("-rL").arg(folder).arg(parent).output()?;
    anyhow::ensure!(output.status.success(), "cp {}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
