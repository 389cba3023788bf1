//! What may leave the device, by its reporting scope. What is out of scope is counted, and never spooled: a spool is a
//! copy that somebody may read.

use epm_proto::v1::{self, record::Body};

use crate::source::Observation;

/// The observations that `scope` lets leave the device, and how many it does not.
pub(crate) fn within(
    scope: v1::ReportingScope,
    mut observations: Vec<Observation>,
) -> (Vec<Observation>, u64) {
    let before = observations.len();
    observations.retain(|observation| may_leave(scope, observation));
    let withheld = before - observations.len();
    (observations, withheld as u64)
}

fn may_leave(scope: v1::ReportingScope, observation: &Observation) -> bool {
    use v1::ReportingScope::{All, Diagnostic, Managed, None};
    match scope {
        None => false,
        Diagnostic => is_diagnostic(&observation.body),
        Managed => is_diagnostic(&observation.body) || is_managed(observation),
        // A device that was told nothing reports everything: that is the product's default.
        All | v1::ReportingScope::Unspecified => true,
    }
}

fn is_diagnostic(body: &Body) -> bool {
    matches!(body, Body::Heartbeat(_) | Body::Loss(_))
}

/// An exit belongs to what its class says: it does not repeat what its start was.
fn is_managed(observation: &Observation) -> bool {
    match &observation.body {
        Body::Elevation(elevation) => elevation.management() == v1::Management::Managed,
        _ => observation.class != v1::RecordClass::Unmanaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elevation(management: v1::Management) -> Observation {
        Observation {
            observed_at_us: 1,
            source_key: None,
            class: v1::RecordClass::Decision,
            body: Body::Elevation(v1::Elevation {
                management: management.into(),
                ..v1::Elevation::default()
            }),
        }
    }

    fn exit(class: v1::RecordClass) -> Observation {
        Observation {
            class,
            body: Body::ElevationExit(v1::ElevationExit::default()),
            ..elevation(v1::Management::Unmanaged)
        }
    }

    #[test]
    fn each_scope_sends_what_the_product_documents() {
        use v1::ReportingScope::{All, Diagnostic, Managed, None, Unspecified};
        let observations = || {
            let health = |body| Observation {
                class: v1::RecordClass::Health,
                body,
                ..elevation(v1::Management::Unmanaged)
            };
            vec![
                health(Body::Heartbeat(v1::Heartbeat::default())),
                health(Body::Loss(v1::Loss::default())),
                elevation(v1::Management::Managed),
                exit(v1::RecordClass::ManagedAutomatic),
                elevation(v1::Management::Unmanaged),
                exit(v1::RecordClass::Unmanaged),
            ]
        };
        for (scope, sent) in [
            (None, 0),
            (Diagnostic, 2),
            (Managed, 4),
            (All, 6),
            (Unspecified, 6),
        ] {
            let (kept, withheld) = within(scope, observations());
            assert_eq!(kept, observations()[..sent], "{scope:?}");
            assert_eq!(withheld, 6 - sent as u64, "{scope:?}");
        }
    }
}
