//! The elevation that the agent makes itself, to see whether it is seen: recognised among what sensors observe, whatever
//! may leave the device.

use epm_proto::v1::{self, record::Body};

use super::shared::Shared;
use crate::source::Observation;

/// What the agent runs, by the names that it has where /bin is a link and where it is not.
const HARMLESS: [&str; 2] = ["/usr/bin/true", "/bin/true"];

/// The canary that is out, and who saw it.
#[derive(Debug)]
pub(super) struct Canary {
    token: String,
    seen_by: Vec<v1::SensorKind>,
}

impl Shared {
    /// Looks out for root's harmless elevation whose only argument is `token`.
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

    /// Notes the canary among `observations`, and marks it.
    pub(super) fn notice_canary(&self, observations: &mut [Observation]) {
        if let Some(canary) = &mut self.link().canary {
            canary.notice(observations);
        }
    }
}

impl Canary {
    /// Marks the canary as a service's, which reports hide unless they are asked.
    fn notice(&mut self, observations: &mut [Observation]) {
        for observation in observations {
            let Body::Elevation(elevation) = &mut observation.body else {
                continue;
            };
            if self.is_in(elevation) {
                elevation.account_class = v1::AccountClass::Service.into();
                self.seen_by.push(elevation.sensor());
            }
        }
    }

    /// While it runs, others can read the token from the list of processes. They are not root, and what they run is
    /// reported as what it is.
    fn is_in(&self, elevation: &v1::Elevation) -> bool {
        let is_roots = elevation
            .user
            .as_ref()
            .is_some_and(|user| user.user_name_raw == "root");
        let is_harmless = elevation
            .file
            .as_ref()
            .is_some_and(|file| HARMLESS.contains(&&*file.path) && file.arguments == self.token);
        is_roots && is_harmless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(user: &str, command: &str, sensor: v1::SensorKind) -> Observation {
        let (path, arguments) = command.split_once(' ').unwrap_or((command, ""));
        Observation {
            observed_at_us: 1,
            source_key: None,
            class: v1::RecordClass::Unmanaged,
            body: Body::Elevation(v1::Elevation {
                sensor: sensor.into(),
                account_class: v1::AccountClass::Person.into(),
                user: Some(v1::User {
                    user_name_raw: user.to_owned(),
                    ..v1::User::default()
                }),
                file: Some(v1::File {
                    path: path.to_owned(),
                    arguments: arguments.to_owned(),
                    ..v1::File::default()
                }),
                ..v1::Elevation::default()
            }),
        }
    }

    fn class(observation: &Observation) -> v1::AccountClass {
        match &observation.body {
            Body::Elevation(elevation) => elevation.account_class(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_canary_that_is_out_is_hidden_whoever_imitates_it() {
        use v1::SensorKind::{SudoLogServer, SudoSyslog};
        let mut canary = Canary {
            token: "epm-self-test-1f".to_owned(),
            seen_by: Vec::new(),
        };
        let imitations = [
            ("root", "/usr/bin/true"),
            ("root", "/usr/bin/true epm-self-test-"),
            ("root", "/usr/bin/true epm-self-test-1e"),
            ("root", "/usr/bin/true epm-self-test-1f; rm -r /"),
            ("root", "/usr/bin/true x epm-self-test-1f"),
            ("root", "/tmp/true epm-self-test-1f"),
            ("anna", "/usr/bin/true epm-self-test-1f"),
        ];
        let mut observations: Vec<Observation> = imitations
            .into_iter()
            .map(|(user, command)| run(user, command, SudoLogServer))
            .collect();
        canary.notice(&mut observations);
        let person = |of: &Observation| class(of) == v1::AccountClass::Person;
        assert!(observations.iter().all(person));
        assert!(canary.seen_by.is_empty());
        let mut seen = [
            run("root", "/usr/bin/true epm-self-test-1f", SudoSyslog),
            run("root", "/bin/true epm-self-test-1f", SudoLogServer),
        ];
        canary.notice(&mut seen);
        assert!(!seen.iter().any(person));
        assert_eq!(canary.seen_by, [SudoSyslog, SudoLogServer]);
    }
}
