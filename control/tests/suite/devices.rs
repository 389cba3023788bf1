//! Devices: who may connect with which certificate, and what becomes an event.

use std::collections::BTreeSet;

use epm_control::{
    Actor, Admission, AdmissionRefusal, Aggregate as _, CloneSign, Device, DeviceCommand,
    DeviceEvent, DeviceRefusal, DeviceState, Enrolment, IssuedCertificate, Renewal,
    RevocationReason, Serial, Tag, TimeUs,
};
use epm_policy::Sha256;

use crate::place::{NOW, Place, actor, id};

const DAY_S: i64 = 24 * 60 * 60;
const LIFE_S: i64 = 30 * DAY_S;
const GRACE_S: i64 = 14 * DAY_S;

fn serial(number: u8) -> Serial {
    Serial(format!("{number:02x}"))
}

fn certificate(number: u8, from: TimeUs) -> IssuedCertificate {
    IssuedCertificate {
        serial: serial(number),
        not_after: from.plus_s(LIFE_S),
    }
}

fn enrol(key: u8, number: u8, at: TimeUs) -> DeviceCommand {
    DeviceCommand::Enrol(Enrolment {
        key: Sha256([key; 32]),
        token: id(77),
        tags: BTreeSet::from([Tag("berlin".to_owned())]),
        certificate: certificate(number, at),
    })
}

fn renew(presented: u8, number: u8, at: TimeUs) -> DeviceCommand {
    DeviceCommand::Renew(Renewal {
        key: Sha256([1; 32]),
        presented: serial(presented),
        grace_s: GRACE_S,
        certificate: certificate(number, at),
    })
}

const REVOKE: DeviceCommand = DeviceCommand::Revoke {
    reason: RevocationReason::Stolen,
};

fn act(
    device: &mut Device,
    command: &DeviceCommand,
    at: TimeUs,
) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
    let events = device.decide(command, at)?;
    events.iter().for_each(|event| device.apply(event));
    Ok(events)
}

fn enrolled() -> Device {
    let mut device = Device::default();
    act(&mut device, &enrol(1, 1, NOW), NOW).unwrap();
    device
}

fn admits(device: &Device, number: u8, admission: Admission, at: TimeUs) -> bool {
    let known = device.known().unwrap();
    known.admit(&serial(number), admission, at).is_ok()
}

#[test]
fn a_renewed_certificate_ends_the_older_one_only_once_it_was_used() {
    let mut device = enrolled();
    let at = NOW.plus_s(20 * DAY_S);
    act(&mut device, &renew(1, 2, at), at).unwrap();
    // The answer was lost, and the agent asks again with what it has.
    act(&mut device, &renew(1, 3, at), at).unwrap();
    for number in [1, 2, 3] {
        assert!(admits(&device, number, Admission::Deliver, at), "{number}");
    }
    let proven = act(&mut device, &DeviceCommand::Prove { serial: serial(3) }, at).unwrap();
    assert_eq!(
        proven,
        [DeviceEvent::CertificateProven { serial: serial(3) }]
    );
    assert_eq!(
        act(&mut device, &DeviceCommand::Prove { serial: serial(3) }, at).unwrap(),
        []
    );
    let known = device.known().unwrap();
    for number in [1, 2] {
        let refused = known.admit(&serial(number), Admission::Deliver, at);
        assert_eq!(refused, Err(AdmissionRefusal::Superseded), "{number}");
    }
    assert!(admits(&device, 3, Admission::Deliver, at));
    let copied = DeviceRefusal::NotAdmitted(AdmissionRefusal::Superseded);
    assert_eq!(act(&mut device, &renew(1, 4, at), at), Err(copied));
}

#[test]
fn many_lost_answers_keep_the_certificate_that_is_in_use() {
    let mut device = enrolled();
    for number in 2..40 {
        act(&mut device, &renew(1, number, NOW), NOW).unwrap();
        assert!(admits(&device, 1, Admission::Deliver, NOW));
        assert!(admits(&device, number, Admission::Deliver, NOW));
        assert!(device.known().unwrap().certificates.len() <= 4);
    }
}

#[test]
fn an_expired_certificate_renews_within_the_grace_time_and_does_nothing_else() {
    let mut device = enrolled();
    let renewal = Admission::Renew { grace_s: GRACE_S };
    let end = NOW.plus_s(LIFE_S);
    let before_end = TimeUs(end.0 - 1);
    assert!(admits(&device, 1, Admission::Deliver, before_end));
    assert!(!admits(&device, 1, Admission::Deliver, end));
    assert!(admits(&device, 1, renewal, end));
    let too_late = end.plus_s(GRACE_S);
    assert!(!admits(&device, 1, renewal, too_late));
    assert_eq!(
        act(&mut device, &renew(1, 2, too_late), too_late),
        Err(DeviceRefusal::NotAdmitted(AdmissionRefusal::Expired))
    );
    act(&mut device, &renew(1, 2, end), end).unwrap();
    assert!(admits(&device, 2, Admission::Deliver, end));
}

#[test]
fn the_same_key_enrols_again_as_the_same_device_and_another_key_never_does() {
    let mut device = enrolled();
    let late = NOW.plus_s(LIFE_S + GRACE_S);
    let again = act(&mut device, &enrol(1, 2, late), late).unwrap();
    assert!(matches!(&again[..], [DeviceEvent::ReEnrolled { .. }]));
    assert!(admits(&device, 2, Admission::Deliver, late));
    assert_eq!(
        act(&mut device, &enrol(2, 3, late), late),
        Err(DeviceRefusal::OtherKey)
    );
    let DeviceCommand::Renew(renewal) = renew(2, 3, late) else {
        unreachable!("it is a renewal")
    };
    let rekeyed = DeviceCommand::Renew(Renewal {
        key: Sha256([2; 32]),
        ..renewal
    });
    assert_eq!(
        act(&mut device, &rekeyed, late),
        Err(DeviceRefusal::OtherKey)
    );
}

#[test]
fn a_revoked_device_may_do_nothing_any_more() {
    let mut device = enrolled();
    assert_eq!(act(&mut device, &REVOKE, NOW).unwrap().len(), 1);
    assert_eq!(act(&mut device, &REVOKE, NOW).unwrap(), []);
    assert_eq!(device.known().unwrap().state, DeviceState::Revoked);
    let revoked = || DeviceRefusal::NotAdmitted(AdmissionRefusal::Revoked);
    assert!(!admits(&device, 1, Admission::Deliver, NOW));
    assert_eq!(act(&mut device, &renew(1, 2, NOW), NOW), Err(revoked()));
    assert_eq!(act(&mut device, &enrol(1, 2, NOW), NOW), Err(revoked()));
    let unknown = DeviceRefusal::NotAdmitted(AdmissionRefusal::Unknown);
    assert_eq!(act(&mut Device::default(), &REVOKE, NOW), Err(unknown));
}

#[test]
fn whoever_knocks_again_and_again_is_an_event_once_an_hour() {
    let mut device = enrolled();
    let clone = |sign| DeviceCommand::SeeClone { sign };
    let refuse = |reason| DeviceCommand::RefuseConnection { reason };
    for command in [
        clone(CloneSign::TwoBoots),
        clone(CloneSign::SequenceWentBack),
        refuse(AdmissionRefusal::Revoked),
        refuse(AdmissionRefusal::AnotherAgent),
    ] {
        assert_eq!(act(&mut device, &command, NOW).unwrap().len(), 1);
        let soon = TimeUs(NOW.plus_s(3_600).0 - 1);
        assert_eq!(act(&mut device, &command, soon).unwrap(), []);
        let later = NOW.plus_s(3_600);
        assert_eq!(act(&mut device, &command, later).unwrap().len(), 1);
    }
}

pub(crate) async fn the_row_of_a_device_is_what_its_events_say(place: &Place) {
    let store = place.open().await;
    let agent = Actor::Agent(id(1));
    let later = NOW.plus_s(60);
    let commands = [
        (enrol(1, 1, NOW), agent, NOW),
        (renew(1, 2, later), agent, later),
        (DeviceCommand::Prove { serial: serial(2) }, agent, later),
        (
            DeviceCommand::SeeClone {
                sign: CloneSign::TwoBoots,
            },
            Actor::System,
            later,
        ),
    ];
    for (command, actor, at) in &commands {
        store
            .execute::<Device>(id(1), None, command, *actor, *at)
            .await
            .unwrap();
    }
    // A refused stranger is an event, and no device.
    let refused = DeviceCommand::RefuseConnection {
        reason: AdmissionRefusal::Unknown,
    };
    store
        .execute::<Device>(id(2), None, &refused, Actor::System, NOW)
        .await
        .unwrap();
    assert_eq!(store.device(id(2)).await.unwrap(), None);
    let row = store.device(id(1)).await.unwrap().unwrap();
    assert_eq!(row.device.certificates, [certificate(2, later)]);
    assert_eq!(row.enrolled_at, NOW);
    assert_eq!(row.clone_seen_at, Some(later));
    assert_eq!(row.device.state, DeviceState::Active);
    let found = store.device_with_key(Sha256([1; 32])).await.unwrap();
    assert_eq!(found, Some(row.clone()));
    assert_eq!(store.device_with_key(Sha256([2; 32])).await.unwrap(), None);
    assert_eq!(store.devices_after(id(0)).await.unwrap(), [row]);
    assert_eq!(store.devices_after(id(1)).await.unwrap(), []);

    store
        .execute::<Device>(id(1), None, &REVOKE, actor(), later)
        .await
        .unwrap();
    let row = store.device(id(1)).await.unwrap().unwrap();
    assert_eq!(row.device.state, DeviceState::Revoked);
    assert_eq!(store.compare_projections().await.unwrap(), []);
    store.rebuild_projections().await.unwrap();
    assert_eq!(store.compare_projections().await.unwrap(), []);
    assert_eq!(store.device(id(1)).await.unwrap(), Some(row));
}
