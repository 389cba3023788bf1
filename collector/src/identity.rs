//! Whether the agent on a connection is one of ours, as the control plane knows it now. Every refusal becomes an event
//! there; the agent learns no reason.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use epm_control::{
    Actor, Admission, AdmissionRefusal, CloneSign, CommandError, ControlStore, Device,
    DeviceCommand, DeviceEvent, DeviceRefusal, Sequence, Sha256, StoreError, TimeUs,
};
use epm_proto::certificate::AgentCertificate;
use epm_proto::ids::AgentId;
use uuid::Uuid;

use crate::authority::Authority;
use crate::refusal::Refusal;
use crate::stage::Stage;
use crate::tls::ServerCertificate;

/// Before the control plane's events are asked for again, when its database was away.
const FOLLOW_AGAIN: Duration = Duration::from_millis(500);

/// What lets a collector know agents by their certificates.
#[derive(Clone, Debug)]
pub struct Security {
    /// Who enrolled, and who was revoked.
    pub store: ControlStore,
    /// Who makes agents' certificates.
    pub authority: Arc<Authority>,
    /// What agents see.
    pub server: ServerCertificate,
    /// How long an agent's certificate holds.
    pub certificate_life: Duration,
    /// How long after its end it may still renew. It delivers nothing meanwhile: records wait in the spool, and the renewal
    /// that comes first takes a moment.
    pub grace: Duration,
}

impl Security {
    /// Thirty days of life, fourteen of grace: who is on holiday for a month comes back to an agent that works.
    #[must_use]
    pub fn new(store: ControlStore, authority: Arc<Authority>, server: ServerCertificate) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            store,
            authority,
            server,
            certificate_life: 30 * DAY,
            grace: 14 * DAY,
        }
    }

    /// Lets the agent that says `said` of itself deliver, if `certificate` is its own and the device one of ours. The
    /// certificate is proven by that.
    pub(crate) async fn admit(
        &self,
        certificate: &AgentCertificate,
        said: AgentId,
    ) -> Result<(), Refusal> {
        let checked = self.check(certificate, said).await;
        if let Err(Refusal::NotAdmitted(reason)) = checked {
            self.tell(
                certificate.agent_id,
                DeviceCommand::RefuseConnection { reason },
            )
            .await;
        }
        checked
    }

    async fn check(&self, certificate: &AgentCertificate, said: AgentId) -> Result<(), Refusal> {
        let refused = Refusal::NotAdmitted;
        if said != certificate.agent_id {
            return Err(refused(AdmissionRefusal::AnotherAgent));
        }
        let id = device_of(certificate.agent_id);
        let row = self.store.device(id).await.map_err(away)?;
        let device = row.ok_or(refused(AdmissionRefusal::Unknown))?.device;
        // Only a store from a backup knows the agent by another key than its certificate.
        if device.key != Sha256(certificate.key_sha256) {
            return Err(refused(AdmissionRefusal::Unknown));
        }
        let serial = serial_of(certificate);
        let now = now();
        device
            .admit(&serial, Admission::Deliver, now)
            .map_err(refused)?;
        if device.certificates.first().map(|first| &first.serial) == Some(&serial) {
            return Ok(());
        }
        let prove = DeviceCommand::Prove { serial };
        let actor = Actor::Agent(id);
        match self
            .store
            .execute::<Device>(id, None, &prove, actor, now)
            .await
        {
            Ok(_) => Ok(()),
            Err(CommandError::Refused(DeviceRefusal::NotAdmitted(reason))) => Err(refused(reason)),
            Err(CommandError::Refused(DeviceRefusal::OtherKey)) => {
                Err(refused(AdmissionRefusal::Unknown))
            }
            Err(CommandError::Store(error)) => Err(away(error)),
        }
    }

    pub(crate) async fn see_clone(&self, agent: AgentId, sign: CloneSign) {
        self.tell(agent, DeviceCommand::SeeClone { sign }).await;
    }

    /// Makes it an event. Where the database is away, the log and the metrics have it.
    pub(crate) async fn tell(&self, agent: AgentId, command: DeviceCommand) {
        let told = self
            .store
            .execute::<Device>(device_of(agent), None, &command, Actor::System, now())
            .await;
        if let Err(error) = told {
            tracing::warn!(%agent, %error, "an event of a device is not in the control store");
        }
    }
}

/// Ends the streams of devices that are revoked, from behind `seen` on, until the collector stops.
pub(crate) async fn expel_the_revoked(stage: Arc<Stage>, store: ControlStore, seen: Sequence) {
    let follow = async {
        let mut feed = loop {
            match store.follow(seen).await {
                Ok(feed) => break feed,
                Err(error) => wait_after(&error).await,
            }
        };
        loop {
            match feed.next().await {
                Ok(event) => {
                    if let Some(id) = DeviceEvent::revoked_by(&event) {
                        stage.seats.expel(AgentId::from(id));
                    }
                }
                Err(error) => wait_after(&error).await,
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = stage.drain.cancelled() => {}
    }
}

async fn wait_after(error: &StoreError) {
    tracing::warn!(%error, "the control store does not tell who was revoked; new streams still ask it");
    tokio::time::sleep(FOLLOW_AGAIN).await;
}

pub(crate) fn away(error: StoreError) -> Refusal {
    tracing::warn!(%error, "the control store does not answer");
    Refusal::Control
}

pub(crate) fn device_of(agent: AgentId) -> Uuid {
    Uuid::from_bytes(*agent.as_bytes())
}

pub(crate) fn serial_of(certificate: &AgentCertificate) -> epm_control::Serial {
    epm_control::Serial(certificate.serial.clone())
}

pub(crate) fn now() -> TimeUs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    TimeUs(since.map_or(0, |since| since.as_micros() as i64))
}
