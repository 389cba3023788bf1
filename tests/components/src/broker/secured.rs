//! Listeners of a broker that let in only those who show who they are: by name and password over TLS, or by a certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Broker, free_port};
use crate::certificates::{Authority, Identity};

/// The one user whom the broker knows.
const USER: &str = "epm";
/// Password of the user.
const PASSWORD: &str = "correct horse";

/// How to reach a broker that lets in only whom it knows.
#[derive(Debug)]
pub struct Secured {
    authority: Arc<Authority>,
    /// Takes name and password, over TLS.
    sasl_port: u16,
    /// Takes certificates of the authority.
    mutual_port: u16,
}

impl Broker {
    /// A broker of the test's own, with listeners that let in only whom they know. `None` where there is no Kafka, or no
    /// openssl.
    pub fn start_secured() -> Option<Self> {
        let authority = Arc::new(Authority::new("authority")?);
        Self::start_with(|| {
            Some(Secured {
                authority: Arc::clone(&authority),
                sasl_port: free_port(),
                mutual_port: free_port(),
            })
        })
    }

    /// How to be let in.
    ///
    /// # Panics
    ///
    /// Where the broker lets in anybody.
    pub fn secured(&self) -> &Secured {
        self.secured.as_ref().expect("the broker is a secured one")
    }
}

impl Secured {
    /// `host:port` of the listener for name and password.
    pub fn sasl_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.sasl_port)
    }

    /// `host:port` of the listener for certificates.
    pub fn mutual_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.mutual_port)
    }

    /// Name and password that are let in.
    pub fn user(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// The authority that signed the broker's certificate, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// A certificate that is let in.
    pub fn client(&self, name: &str) -> Identity {
        self.authority.sign(name)
    }

    /// More listeners, as the broker's property has them.
    pub(super) fn listeners(&self) -> String {
        let (sasl, mutual) = (self.sasl_bootstrap(), self.mutual_bootstrap());
        format!(",SASL_SSL://{sasl},SSL://{mutual}")
    }

    /// More properties. What the broker reads lies in `folder`.
    pub(super) fn properties(&self, folder: &Path) -> String {
        let own = self.authority.sign("broker");
        let pem = [&own.key, &own.certificate].map(|file| std::fs::read_to_string(file).unwrap());
        let keystore = folder.join("keystore.pem");
        std::fs::write(&keystore, pem.concat()).unwrap();
        let modules = "org.apache.kafka.common.security";
        format!(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n\
             listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n",
            keystore.display(),
            self.authority().display(),
        )
    }

    /// What the first start of the broker has to know of the user.
    pub(super) fn format_arguments(&self) -> Vec<String> {
        ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .iter()
            .flat_map(|mechanism| {
                let user = format!("{mechanism}=[name={USER},password={PASSWORD}]");
                ["--add-scram".to_owned(), user]
            })
            .collect()
    }
}
