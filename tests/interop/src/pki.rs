//! Certificates that nodes prove themselves with, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::peer;

/// An authority and one leaf for a node, as PEM files.
#[derive(Debug)]
pub struct NodePki {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The authority's private key.
    pub authority_key: PathBuf,
    /// The node's certificate.
    pub certificate: PathBuf,
    /// The node's private key.
    pub key: PathBuf,
}

/// Makes an authority and a leaf called `name` in `folder`.
///
/// # Errors
/// When OpenSSL fails.
pub fn node(folder: &Path, name: &str) -> Result<NodePki> {
    make(folder, name, name, &["keyUsage=critical,digitalSignature"])
}

/// Makes an authority of the web and a leaf for `localhost` in `folder`.
///
/// # Errors
/// When OpenSSL fails.
pub fn web(folder: &Path, name: &str) -> Result<NodePki> {
    let names = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
    make(folder, name, "localhost", &names)
}

fn make(folder: &Path, name: &str, subject: &str, extensions: &[&str]) -> Result<NodePki> {
    let path = |end: &str| folder.join(format!("{name}-{end}"));
    let (authority, authority_key) = (path("ca.pem"), path("ca.key"));
    let (certificate, key) = (path("leaf.pem"), path("leaf.key"));
    let of_authority = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
    request(&authority_key, &authority, &format!("/CN={name}-authority"), &of_authority, None)?;
    let issuer = Some((authority.as_path(), authority_key.as_path()));
    request(&key, &certificate, &format!("/CN={subject}"), extensions, issuer)?;
    Ok(NodePki { authority, authority_key, certificate, key })
}

fn request(key: &Path, out: &Path, subject: &str, extensions: &[&str], issuer: Option<(&Path, &Path)>) -> Result<()> {
    let mut openssl = Command::new(peer::path("openssl")?);
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", subject, "-keyout"]).arg(key).arg("-out").arg(out);
    for extension in extensions {
        openssl.args(["-addext", extension]);
    }
    if let Some((certificate, key)) = issuer {
        openssl.arg("-CA").arg(certificate).arg("-CAkey").arg(key);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    command::stdout(&mut openssl).map(drop)
}
