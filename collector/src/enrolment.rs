//! The gRPC service by which agents get certificates: the first for a token, the next for the one that they have. It must
//! not tell a stranger what is wrong with a token.
//!
//! The token is used before the device is written, so that a quota holds whatever fails later; asked again, the same agent
//! uses nothing up.

mod attempts;

use std::collections::BTreeSet;
use std::sync::Arc;

use epm_control::{
    Actor, AdmissionRefusal, Aggregate as _, CommandError, Device, DeviceCommand, DeviceRefusal,
    DeviceState, Enrolment as NewDevice, EnrolmentCommand, EnrolmentRefusal, EnrolmentToken,
    IssuedCertificate, Renewal, Serial, Sha256, StoreError, Tag, TimeUs, Token,
};
use epm_proto::certificate::AgentCertificate;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use epm_proto::v1::enrolment_server::Enrolment;
use ring::digest::{SHA256, digest};
use tonic::{Request, Response, Status};

use self::attempts::Attempts;
use crate::authority::{AgentKey, AuthorityError, Issued};
use crate::identity::{Security, device_of, now, serial_of};
use crate::metrics::Metrics;
use crate::tls::Peer;

/// Tags of one device, each of at most 64 bytes: a department, a site, a role.
const MAX_TAGS: usize = 16;
const MAX_TAG_BYTES: usize = 64;
/// Bytes of a whole message.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// Why an agent gets no certificate. It is told only whether to come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolmentError {
    #[error("the message is not what it should be")]
    Message,
    #[error("too many attempts failed from this address")]
    TooMany,
    #[error(transparent)]
    Token(#[from] EnrolmentRefusal),
    #[error(transparent)]
    Device(#[from] DeviceRefusal),
    #[error("the connection shows no certificate")]
    NoCertificate,
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the control store does not answer")]
    Store(#[from] StoreError),
}

impl EnrolmentError {
    /// The name in metrics and logs.
    fn reason(&self) -> &'static str {
        match self {
            Self::Message | Self::Authority(AuthorityError::Request) => "message",
            Self::TooMany => "too_many",
            Self::Token(EnrolmentRefusal::Revoked) => "token_revoked",
            Self::Token(EnrolmentRefusal::Expired) => "token_expired",
            Self::Token(EnrolmentRefusal::UsedUp { .. }) => "token_used_up",
            Self::Token(EnrolmentRefusal::Tag(_)) => "tag",
            Self::Token(_) => "token",
            Self::Device(DeviceRefusal::NotAdmitted(reason)) => reason.name(),
            Self::Device(DeviceRefusal::OtherKey) => "other_key",
            Self::NoCertificate => "no_certificate",
            Self::Authority(_) => "authority",
            Self::Store(_) => "store",
        }
    }

    /// What the agent is told: one answer for all that is its own doing.
    fn status(&self) -> Status {
        match self {
            Self::TooMany => Status::resource_exhausted("come again in a minute"),
            Self::Store(_) => Status::unavailable("come again later"),
            Self::Authority(error) if !matches!(error, AuthorityError::Request) => {
                Status::unavailable("come again later")
            }
            _ => Status::unauthenticated("not accepted"),
        }
    }
}

impl<R: std::error::Error + Into<Self>> From<CommandError<R>> for EnrolmentError {
    fn from(error: CommandError<R>) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Store(error) => error.into(),
        }
    }
}

/// The service.
pub(crate) struct Service {
    security: Security,
    metrics: Metrics,
    attempts: Attempts,
}

impl Service {
    pub(crate) fn new(security: Security, metrics: Metrics) -> Self {
        Self {
            security,
            metrics,
            attempts: Attempts::default(),
        }
    }

    async fn enrolled(
        &self,
        peer: &Peer,
        asked: v1::EnrolRequest,
    ) -> Result<v1::Credentials, EnrolmentError> {
        let now = now();
        if !self.attempts.may(peer.address.ip(), now) {
            return Err(EnrolmentError::TooMany);
        }
        let said = AgentId::from_slice(&asked.agent_id).ok_or(EnrolmentError::Message)?;
        let tags = tags_of(asked.tags)?;
        let key = AgentKey::read(&asked.signing_request)?;
        let token = Token::parse(&asked.token).map_err(|_| EnrolmentRefusal::NotValid)?;
        let token_id = token.id();
        let store = &self.security.store;
        let fingerprint = fingerprint_of(&key);
        // The same key is the same agent, whatever it calls itself.
        let known = store.device_with_key(fingerprint).await?;
        let agent = known.map_or(said, |row| AgentId::from(row.id));
        let enrol = EnrolmentCommand::Enrol {
            token,
            agent: device_of(agent),
            tags: tags.clone(),
        };
        self.ask_both(&enrol, token_id, agent, fingerprint, now)
            .await?;
        let actor = Actor::Agent(device_of(agent));
        store
            .execute::<EnrolmentToken>(token_id, None, &enrol, actor, now)
            .await?;
        let issued = self.issue(agent, &key, now)?;
        let command = DeviceCommand::Enrol(NewDevice {
            key: fingerprint,
            token: token_id,
            tags,
            certificate: as_issued(&issued),
        });
        store
            .execute::<Device>(device_of(agent), None, &command, actor, now)
            .await?;
        Ok(self.credentials(agent, &issued))
    }

    /// Whether token and device allow it, before anything is used up.
    async fn ask_both(
        &self,
        enrol: &EnrolmentCommand,
        token_id: uuid::Uuid,
        agent: AgentId,
        key: Sha256,
        now: TimeUs,
    ) -> Result<(), EnrolmentError> {
        let store = &self.security.store;
        let (token, _) = store.load::<EnrolmentToken>(token_id).await?;
        token.decide(enrol, now)?;
        match store.device(device_of(agent)).await? {
            Some(row) if row.device.state == DeviceState::Revoked => {
                Err(DeviceRefusal::NotAdmitted(AdmissionRefusal::Revoked).into())
            }
            Some(row) if row.device.key != key => Err(DeviceRefusal::OtherKey.into()),
            _ => Ok(()),
        }
    }

    async fn renewed(
        &self,
        certificate: &AgentCertificate,
        asked: v1::RenewRequest,
    ) -> Result<v1::Credentials, EnrolmentError> {
        let now = now();
        let key = AgentKey::read(&asked.signing_request)?;
        let agent = certificate.agent_id;
        let issued = self.issue(agent, &key, now)?;
        let command = DeviceCommand::Renew(Renewal {
            key: fingerprint_of(&key),
            presented: serial_of(certificate),
            grace_s: i64::try_from(self.security.grace.as_secs()).unwrap_or(i64::MAX),
            certificate: as_issued(&issued),
        });
        let id = device_of(agent);
        let executed = self
            .security
            .store
            .execute::<Device>(id, None, &command, Actor::Agent(id), now)
            .await;
        if let Err(CommandError::Refused(DeviceRefusal::NotAdmitted(reason))) = executed {
            self.security
                .tell(agent, DeviceCommand::RefuseConnection { reason })
                .await;
        }
        executed?;
        Ok(self.credentials(agent, &issued))
    }

    fn issue(&self, agent: AgentId, key: &AgentKey, now: TimeUs) -> Result<Issued, AuthorityError> {
        let now_s = now.0.div_euclid(1_000_000);
        let life = self.security.certificate_life;
        self.security.authority.issue(agent, key, now_s, life)
    }

    fn credentials(&self, agent: AgentId, issued: &Issued) -> v1::Credentials {
        let authorities = self.security.authority.certificates();
        v1::Credentials {
            chain: vec![issued.certificate.to_vec()],
            authorities: authorities.iter().map(|own| own.to_vec()).collect(),
            agent_id: agent.as_bytes().to_vec(),
        }
    }

    /// Counts and logs the outcome; ids only.
    fn answer(
        &self,
        what: &'static str,
        peer: &Peer,
        outcome: Result<v1::Credentials, EnrolmentError>,
    ) -> Result<Response<v1::Credentials>, Status> {
        match outcome {
            Ok(credentials) => {
                self.metrics.certificate_issued(what);
                Ok(Response::new(credentials))
            }
            Err(error) => {
                let reason = error.reason();
                self.metrics.certificate_refused(what, reason);
                tracing::info!(what, reason, address = %peer.address, "no certificate");
                Err(error.status())
            }
        }
    }
}

#[tonic::async_trait]
impl Enrolment for Service {
    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<Response<v1::Credentials>, Status> {
        let peer = peer_of(&request)?;
        let outcome = self.enrolled(&peer, request.into_inner()).await;
        if outcome.is_err() {
            self.attempts.failed(peer.address.ip(), now());
        }
        self.answer("enrol", &peer, outcome)
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::Credentials>, Status> {
        let peer = peer_of(&request)?;
        let outcome = match peer.certificate.as_ref().map(Arc::clone) {
            Some(certificate) => self.renewed(&certificate, request.into_inner()).await,
            None => Err(EnrolmentError::NoCertificate),
        };
        self.answer("renew", &peer, outcome)
    }
}

fn peer_of<T>(request: &Request<T>) -> Result<Peer, Status> {
    let peer = request.extensions().get::<Peer>();
    peer.cloned()
        .ok_or_else(|| Status::unauthenticated("not accepted"))
}

fn tags_of(tags: Vec<String>) -> Result<BTreeSet<Tag>, EnrolmentError> {
    let fits = |tag: &String| !tag.is_empty() && tag.len() <= MAX_TAG_BYTES;
    if tags.len() > MAX_TAGS || !tags.iter().all(fits) {
        return Err(EnrolmentError::Message);
    }
    Ok(tags.into_iter().map(Tag).collect())
}

fn fingerprint_of(key: &AgentKey) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, key.encoding()).as_ref());
    Sha256(bytes)
}

fn as_issued(issued: &Issued) -> IssuedCertificate {
    IssuedCertificate {
        serial: Serial(issued.serial.clone()),
        not_after: TimeUs(issued.not_after_s.saturating_mul(1_000_000)),
    }
}
