//! `epm-agent doctor` and whoever answers by TLS where the collector should be: the collector, somebody who opens the
//! connection, and nobody. Each is a real listener with certificates that openssl makes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::file_facts::signed::Publisher as Authority;

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Answers by TLS with the certificate that `authority` made for this device, until it is dropped.
struct Server {
    url: String,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(authority: &Authority) -> Self {
        let chain = ["server.pem", "authority.pem"].map(|name| authority.path(name));
        let chain = chain.map(|path| CertificateDer::from_pem_file(path).expect("it was made"));
        let key = PrivateKeyDer::from_pem_file(authority.path("server.key")).expect("it was made");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("every version")
            .with_no_client_auth()
            .with_single_cert(chain.to_vec(), key);
        let mut config = config.expect("they fit each other");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        Self { url, serving }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What doctor says of one check: its verdict, and its reason with the remedy. Nothing where it does not ask that.
async fn asked(url: &str, authority: Option<&Path>, check: &str) -> Option<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
        doctor.env_remove(name);
    }
    doctor.args(["doctor", "--json", "--collector", url, "--state"]);
    doctor.arg(folder.path().join("state"));
    if let Some(authority) = authority {
        doctor.arg("--collector-ca").arg(authority);
    }
    let output = tokio::task::spawn_blocking(move || doctor.output().expect("it runs"));
    let output = output.await.expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|one| one["check"] == check)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((
        text("verdict"),
        format!("{} {}", text("reason"), text("remedy")),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collectors_own_certificate_is_recognised_by_its_authority() {
    let Some(authority) = Authority::new(&P256) else {
        return;
    };
    let server = Server::start(&authority).await;
    let root = authority.path("root.pem");
    let (verdict, words) = asked(&server.url, Some(&root), "inspection")
        .await
        .expect("asked");
    assert_eq!(verdict, "ok", "{words}");
    assert!(words.contains("CN=Example Authority"), "{words}");
    let (verdict, words) = asked(&server.url, Some(&root), "certificate")
        .await
        .expect("asked");
    assert_eq!(verdict, "ok", "{words}");
    assert!(words.contains("holds until 2034-01-01"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_opens_the_connection_is_told_by_its_issuer_with_the_remedy() {
    let (Some(authority), Some(proxy)) = (Authority::new(&P256), Authority::new(&P256)) else {
        return;
    };
    let issuer = "/O=Watchful Networks/CN=TLS Inspection";
    proxy.certify("authority", "root", issuer, "20200101000000Z");
    proxy.certify("server", "authority", "/CN=collector", "20250101000000Z");
    let server = Server::start(&proxy).await;
    let root = authority.path("root.pem");
    let (verdict, words) = asked(&server.url, Some(&root), "inspection")
        .await
        .expect("asked");
    assert_eq!(verdict, "failed", "{words}");
    let expected = "issued by CN=TLS Inspection, O=Watchful Networks";
    assert!(words.contains(expected), "{words}");
    assert!(words.contains("a TLS-inspecting proxy"), "{words}");
    assert!(words.contains("Except 127.0.0.1:"), "{words}");
    // Its certificate is not the collector's, so its life says nothing.
    assert_eq!(asked(&server.url, Some(&root), "certificate").await, None);
    // Without the authority's file the system's own decide, and they do not know it either.
    let (verdict, words) = asked(&server.url, None, "inspection").await.expect("asked");
    assert_eq!(verdict, "failed", "{words}");
    assert!(words.contains("--collector-ca FILE"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collectors_certificate_that_has_expired_or_names_another_host_is_told_as_that() {
    let Some(authority) = Authority::new(&P256) else {
        return;
    };
    let root = authority.path("root.pem");
    authority.certify("server", "authority", "/CN=collector", "20150101000000Z");
    let server = Server::start(&authority).await;
    let (verdict, words) = asked(&server.url, Some(&root), "inspection")
        .await
        .expect("asked");
    assert_eq!(verdict, "ok", "its issuer is the right one: {words}");
    let (verdict, words) = asked(&server.url, Some(&root), "certificate")
        .await
        .expect("asked");
    assert_eq!(verdict, "failed", "{words}");
    assert!(
        words.contains("holds until 2024-01-01") && words.contains("Renew"),
        "{words}"
    );
    authority.certify("server", "authority", "/CN=collector", "20250101000000Z");
    let server = Server::start(&authority).await;
    let by_name = server.url.replace("127.0.0.1", "localhost");
    let (verdict, words) = asked(&by_name, Some(&root), "inspection")
        .await
        .expect("asked");
    assert_eq!(verdict, "failed", "{words}");
    assert!(
        words.contains("a name in the collector's certificate"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_speak_tls_or_is_not_there_leaves_it_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let plain = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let (verdict, words) = asked(&url, None, "inspection").await.expect("asked");
    assert_eq!(verdict, "warning", "{words}");
    assert!(words.contains("does not speak TLS"), "{words}");
    plain.abort();
    let _ = plain.await;
    let (verdict, words) = asked(&url, None, "inspection").await.expect("asked");
    assert_eq!(verdict, "warning", "{words}");
    assert!(words.contains("cannot be reached"), "{words}");
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = folder.path().join("ca.pem");
    std::fs::write(&nothing, "no certificate").expect("written");
    let (verdict, words) = asked(&url, Some(&nothing), "inspection")
        .await
        .expect("asked");
    assert_eq!(verdict, "failed", "{words}");
    assert!(words.contains("no certificate in"), "{words}");
}
