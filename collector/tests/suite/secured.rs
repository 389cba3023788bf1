//! A collector that knows agents by their certificates, and devices that speak to it over TLS.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use epm_collector::authority::{Authority, AuthorityFiles, Issued};
use epm_collector::{Config, Security, ServerCertificate};
use epm_control::{
    Actor, ControlStore, Device, DeviceCommand, DeviceEvent, Enrolment, EnrolmentCommand,
    EnrolmentTerms, EnrolmentToken, IssuedCertificate, RevocationReason, Sequence, Serial, Sha256,
    StreamId, Tag, TimeUs, Token, TokenKind,
};
use epm_event_log::EmbeddedLog;
use epm_proto::certificate::AgentCertificate;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::delivery_client::DeliveryClient;
use epm_proto::v1::enrolment_client::EnrolmentClient;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Error};
use uuid::Uuid;

use crate::harness::{Collector, Stream, hello, log_config, start_secured};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TOKEN: Uuid = Uuid::from_u128(77);

pub(crate) struct Secured {
    pub(crate) collector: Collector,
    pub(crate) store: ControlStore,
    pub(crate) authority: Arc<Authority>,
    pub(crate) server: ServerCertificate,
}

pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs() as i64
}

pub(crate) fn at(second: i64) -> TimeUs {
    TimeUs(second * 1_000_000)
}

pub(crate) fn token() -> Token {
    Token::new(TokenKind::Enrolment, TOKEN, [0xa5; 32])
}

pub(crate) fn new_authority() -> (AuthorityFiles, Arc<Authority>) {
    let files = Authority::make("epm.test", now_s() - 100 * 86_400).expect("authority");
    let authority = Authority::read("epm.test", &files, now_s()).expect("authority");
    (files, Arc::new(authority))
}

pub(crate) fn server_certificate(
    authority: &Authority,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let (issued, key) = authority
        .issue_for_server(&names, now_s(), DAY)
        .expect("server certificate");
    (vec![issued.certificate], key)
}

/// A collector with TLS and a token for two agents.
pub(crate) async fn secured(directory: &Path) -> Secured {
    let address = format!("sqlite://{}", directory.join("control.db").display());
    let store = ControlStore::open(&address).await.expect("store");
    let issue = EnrolmentCommand::Issue {
        hash: token().hash(),
        terms: EnrolmentTerms {
            quota: 2,
            expires_at: at(now_s() + 3_600),
            tags: BTreeSet::from([Tag("berlin".to_owned())]),
        },
    };
    store
        .execute::<EnrolmentToken>(TOKEN, None, &issue, Actor::System, at(now_s()))
        .await
        .expect("token");
    let (_, authority) = new_authority();
    let (chain, key) = server_certificate(&authority);
    let server = ServerCertificate::new(chain, &key).expect("server certificate");
    let security = Security::new(store.clone(), Arc::clone(&authority), server.clone());
    let log = EmbeddedLog::open(&directory.join("log"), log_config()).expect("log");
    Secured {
        collector: start_secured(log, Config::default(), Some(security)).await,
        store,
        authority,
        server,
    }
}

impl Secured {
    pub(crate) fn address(&self) -> SocketAddr {
        self.collector.address
    }

    /// A device that enrolled `ago` before now, past the collector, with a certificate for 30 days.
    pub(crate) async fn device(&self, agent: AgentId, ago: Duration) -> Credentials {
        let key = KeyPair::generate().expect("key");
        let then = now_s() - ago.as_secs() as i64;
        let issued = self
            .authority
            .issue(agent, &key, then, 30 * DAY)
            .expect("certificate");
        let read = AgentCertificate::read(&issued.certificate).expect("certificate");
        let enrol = DeviceCommand::Enrol(Enrolment {
            key: Sha256(read.key_sha256),
            token: TOKEN,
            tags: BTreeSet::new(),
            certificate: as_issued(&issued),
        });
        self.act(agent, &enrol, then).await;
        Credentials {
            key,
            chain: vec![issued.certificate],
            trusted: self.authority.certificates().to_vec(),
        }
    }

    async fn act(&self, agent: AgentId, command: &DeviceCommand, second: i64) {
        let id = Uuid::from_bytes(agent.0);
        let done = self
            .store
            .execute::<Device>(id, None, command, Actor::System, at(second));
        done.await.expect("command");
    }

    pub(crate) async fn revoke(&self, agent: AgentId) {
        let reason = RevocationReason::Stolen;
        self.act(agent, &DeviceCommand::Revoke { reason }, now_s())
            .await;
    }

    /// Events of a device, as they are stored.
    pub(crate) async fn events(&self, agent: AgentId) -> Vec<DeviceEvent> {
        let stream = StreamId::new("device", Uuid::from_bytes(agent.0));
        let events = self.store.read(&stream).await.expect("events");
        let parsed = events.iter().map(|event| {
            let body: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
            let whole = serde_json::json!({ "name": event.name, "body": body });
            serde_json::from_value(whole).expect("event")
        });
        parsed.collect()
    }

    pub(crate) async fn head(&self) -> Sequence {
        self.store.head().await.expect("head").sequence
    }
}

pub(crate) fn as_issued(issued: &Issued) -> IssuedCertificate {
    IssuedCertificate {
        serial: Serial(issued.serial.clone()),
        not_after: at(issued.not_after_s),
    }
}

/// What a device has of itself and trusts.
pub(crate) struct Credentials {
    pub(crate) key: KeyPair,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
}

pub(crate) fn signing_request(key: &KeyPair) -> Vec<u8> {
    let request = CertificateParams::default().serialize_request(key);
    request.expect("request").der().to_vec()
}

impl Credentials {
    /// A device that has not enrolled yet.
    pub(crate) fn new(authority: &Authority) -> Self {
        Self {
            key: KeyPair::generate().expect("key"),
            chain: Vec::new(),
            trusted: authority.certificates().to_vec(),
        }
    }

    /// The same device with what it was given.
    pub(crate) fn with(&self, given: v1::Credentials) -> Self {
        let der = |list: Vec<Vec<u8>>| list.into_iter().map(CertificateDer::from).collect();
        Self {
            key: KeyPair::from_pem(&self.key.serialize_pem()).expect("key"),
            chain: der(given.chain),
            trusted: der(given.authorities),
        }
    }

    pub(crate) async fn channel(&self, address: SocketAddr) -> Result<Channel, Error> {
        let mut roots = RootCertStore::empty();
        for trusted in &self.trusted {
            roots.add(trusted.clone()).expect("root");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = match self.chain.is_empty() {
            true => config.with_no_client_auth(),
            false => config
                .with_client_auth_cert(self.chain.clone(), key)
                .expect("certificate"),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").expect("name");
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        endpoint.connect_with_connector(connect).await
    }

    /// Opens a stream and says `hello`.
    pub(crate) async fn open(
        &self,
        address: SocketAddr,
        hello: v1::ClientHello,
    ) -> Result<Stream, Status> {
        let channel = self.channel(address).await.expect("TLS");
        let (sending, sent) = mpsc::channel(64);
        let mut client = DeliveryClient::new(channel);
        let answers = client.deliver(ReceiverStream::new(sent)).await?;
        let answers = answers.into_inner();
        let stream = Stream { sending, answers };
        stream.send(Sent::Hello(hello)).await;
        Ok(stream)
    }

    /// How a stream of `agent` is refused.
    pub(crate) async fn refusal(&self, address: SocketAddr, agent: AgentId) -> Status {
        match self.open(address, hello(agent)).await {
            Ok(mut stream) => stream.refusal().await,
            Err(status) => status,
        }
    }

    pub(crate) async fn enrol(
        &self,
        address: SocketAddr,
        token: &str,
        agent: AgentId,
    ) -> Result<v1::Credentials, Status> {
        let request = v1::EnrolRequest {
            token: token.to_owned(),
            signing_request: signing_request(&self.key),
            agent_id: agent.as_bytes().to_vec(),
            tags: vec!["berlin".to_owned()],
            agent_version: String::new(),
        };
        let channel = self.channel(address).await.expect("TLS");
        let answer = EnrolmentClient::new(channel).enrol(request).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn renew(&self, address: SocketAddr) -> Result<v1::Credentials, Status> {
        let request = v1::RenewRequest {
            signing_request: signing_request(&self.key),
        };
        let channel = self.channel(address).await.expect("TLS");
        let answer = EnrolmentClient::new(channel).renew(request).await?;
        Ok(answer.into_inner())
    }
}
