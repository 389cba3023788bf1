//! Certificates for tests, made by openssl: an authority and what it signs. Nothing of it is fit for anything else.

use std::path::PathBuf;
use std::process::Command;

/// An authority, whose certificates are good for a day. Its files go with it.
#[derive(Debug)]
pub struct Authority {
    folder: tempfile::TempDir,
    name: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, not encrypted.
    pub key: PathBuf,
}

impl Authority {
    /// A new one. `None` where there is no openssl.
    pub fn new(name: &str) -> Option<Self> {
        let version = Command::new("openssl").arg("version").output();
        let is_there = version.is_ok_and(|output| output.status.success());
        super::or_missing(is_there.then_some(()), "openssl")?;
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
            name: name.to_owned(),
        };
        authority.make(name, &["-addext", "basicConstraints=critical,CA:TRUE"]);
        Some(authority)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.file(&self.name, "pem")
    }

    /// A certificate for `name` on this machine's loopback address.
    pub fn sign(&self, name: &str) -> Identity {
        let (own, key) = (self.certificate(), self.file(&self.name, "key"));
        self.make(
            name,
            &[
                "-CA",
                &own.to_string_lossy(),
                "-CAkey",
                &key.to_string_lossy(),
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ],
        );
        Identity {
            certificate: self.file(name, "pem"),
            key: self.file(name, "key"),
        }
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{kind}"))
    }

    fn make(&self, name: &str, more: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-nodes", "-days", "1", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", &format!("/CN={name}")])
            .arg("-keyout")
            .arg(self.file(name, "key"))
            .arg("-out")
            .arg(self.file(name, "pem"))
            .args(more);
        let output = openssl.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl makes {name}: {said}");
    }
}
