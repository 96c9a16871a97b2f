//! Certificates for servers and clients, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::peer;

/// An authority of its own.
pub struct Pki {
    folder: TempDir,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, PKCS#8.
    pub key: PathBuf,
}

impl Pki {
    /// Makes the authority.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn new() -> Result<Self> {
        let pki = Self { folder: tempfile::tempdir()? };
        let identity = pki.identity_files("ca");
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        pki.make(&identity, "/CN=databases", &extensions, false)?;
        Ok(pki)
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for `name`, which holds for the host `localhost`.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn issue(&self, name: &str) -> Result<Identity> {
        let identity = self.identity_files(name);
        let extensions = ["basicConstraints=critical,CA:FALSE", "subjectAltName=DNS:localhost"];
        self.make(&identity, &format!("/CN={name}"), &extensions, true)?;
        Ok(identity)
    }

    fn make(&self, identity: &Identity, subject: &str, extensions: &[&str], is_issued: bool) -> Result<()> {
        let mut command = Command::new(peer::path("openssl")?);
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        command.args(["-config", "/dev/null", "-subj", subject, "-keyout"]).arg(&identity.key);
        command.arg("-out").arg(&identity.certificate);
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        if is_issued {
            command.arg("-CA").arg(self.authority()).arg("-CAkey").arg(self.path("ca.key"));
        }
        let output = command.output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn identity_files(&self, name: &str) -> Identity {
        Identity { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}
