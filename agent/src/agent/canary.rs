//! The elevation that the agent makes itself, to see whether it is seen: recognised among what sensors observe, whatever
//! may leave the device.

use epm_proto::v1::{self, record::Body};

use super::shared::Shared;
use crate::source::Observation;

/// The canary that is out, and who saw it.
#[derive(Debug)]
pub(super) struct Canary {
    token: String,
    seen_by: Vec<v1::SensorKind>,
}

impl Shared {
    /// Looks out for an elevation whose only argument is `token`. Nobody else can know the token, so nobody can have
    /// another elevation taken for the agent's own.
    pub(crate) fn expect_canary(&self, token: String) {
        self.link().canary = Some(Canary {
            token,
            seen_by: Vec::new(),
        });
    }

    /// Which sensors saw the canary so far.
    pub(crate) fn canary_seen_by(&self) -> Vec<v1::SensorKind> {
        let link = self.link();
        link.canary
            .as_ref()
            .map(|canary| canary.seen_by.clone())
            .unwrap_or_default()
    }

    /// Notes the canary among `observations` and marks it as a service's, which reports hide unless they are asked.
    pub(super) fn notice_canary(&self, observations: &mut [Observation]) {
        let mut link = self.link();
        let Some(canary) = &mut link.canary else {
            return;
        };
        for observation in observations {
            let Body::Elevation(elevation) = &mut observation.body else {
                continue;
            };
            let arguments = elevation.file.as_ref().map(|file| &file.arguments);
            if arguments != Some(&canary.token) {
                continue;
            }
            elevation.account_class = v1::AccountClass::Service.into();
            canary.seen_by.push(elevation.sensor());
        }
    }
}
