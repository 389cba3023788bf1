//! The fleet is the same for a seed, stays within the shares that it promises, and fills what reports show.

use std::collections::BTreeSet;
use std::time::Duration;

use epm_proto::v1;
use epm_proto::v1::record::Body;
use prost::Message;
use sha2::{Digest, Sha256};

use super::load::{Load, Position};
use super::*;

const SEED: u64 = 7;

fn month(fleet: &Fleet) -> Vec<Observation> {
    let until_us = DEFAULT_START_US + i64::from(PROGRAMME_DAYS) * DAY_US;
    (0..fleet.devices().len())
        .flat_map(|device| fleet.history(device, DEFAULT_START_US, until_us))
        .collect()
}

fn elevations(seen: &[Observation]) -> Vec<(i64, &v1::Elevation)> {
    seen.iter()
        .filter_map(|observation| match &observation.body {
            Body::Elevation(elevation) => Some((observation.observed_at_us, elevation)),
            _ => None,
        })
        .collect()
}

fn fingerprint(seen: impl IntoIterator<Item = Observation>) -> String {
    let mut hash = Sha256::new();
    for observation in seen {
        let record = v1::Record {
            observed_at_us: observation.observed_at_us,
            source_event_key: observation
                .source_key
                .map(|key| key.0.to_vec())
                .unwrap_or_default(),
            body: Some(observation.body),
            ..v1::Record::default()
        };
        hash.update(record.encode_length_delimited_to_vec());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn every_row_of_the_catalogue_is_read() {
    let rows = include_str!("catalogue.tsv").lines().count() - 1;
    assert_eq!(catalogue::programs().len(), rows);
    assert!(rows >= 80, "{rows} programs");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = fingerprint(month(&Fleet::new(SEED, 12)));
    assert_eq!(first, fingerprint(month(&Fleet::new(SEED, 12))));
    assert_ne!(first, fingerprint(month(&Fleet::new(SEED + 1, 12))));
}

#[test]
fn a_history_in_pieces_is_the_history_at_once_but_for_ends_across_the_cut() {
    let fleet = Fleet::new(SEED, 8);
    let cut = DEFAULT_START_US + 9 * DAY_US + 47_000_000_000;
    let until = DEFAULT_START_US + 20 * DAY_US;
    for device in 0..8 {
        let whole: Vec<_> = fleet.history(device, DEFAULT_START_US, until).collect();
        let mut pieces: Vec<_> = fleet.history(device, DEFAULT_START_US, cut).collect();
        pieces.extend(fleet.history(device, cut, until));
        let crossing = |seen: &Observation| start_us(seen) < cut && seen.observed_at_us >= cut;
        let expected: Vec<_> = whole.into_iter().filter(|seen| !crossing(seen)).collect();
        assert_eq!(expected, pieces);
    }
}

#[test]
fn a_history_is_in_order_of_time_and_no_end_precedes_its_start() {
    let fleet = Fleet::new(SEED, 20);
    for device in 0..20 {
        let mut started = BTreeSet::new();
        let mut last = i64::MIN;
        for seen in fleet.history(device, DEFAULT_START_US, DEFAULT_START_US + 30 * DAY_US) {
            assert!(seen.observed_at_us >= last);
            last = seen.observed_at_us;
            match &seen.body {
                Body::ElevationExit(exit) => assert!(
                    started.contains(&exit.start_key),
                    "an end without its start"
                ),
                _ => {
                    if let Some(key) = seen.source_key {
                        assert!(started.insert(key.0.to_vec()), "one key for two starts");
                    }
                }
            }
        }
    }
}

#[test]
fn the_managed_share_grows_over_the_programme() {
    let seen = month(&Fleet::new(SEED, 120));
    let by_people: Vec<_> = elevations(&seen)
        .into_iter()
        .filter(|(_, elevation)| elevation.account_class() == v1::AccountClass::Person)
        .collect();
    let managed_in = |first_day: i64, last_day: i64| {
        let within: Vec<_> = by_people
            .iter()
            .filter(|(at, _)| (first_day..last_day).contains(&((at - DEFAULT_START_US) / DAY_US)))
            .collect();
        let managed = within
            .iter()
            .filter(|(_, seen)| seen.management() == v1::Management::Managed)
            .count();
        share(managed, within.len())
    };
    let (first, last) = (managed_in(0, 5), managed_in(25, 30));
    assert!((0.05..0.3).contains(&first), "first days: {first}");
    assert!((0.5..0.85).contains(&last), "last days: {last}");
}

#[test]
fn a_month_holds_every_outcome_type_and_trigger_in_believable_shares() {
    let seen = month(&Fleet::new(SEED, 120));
    let all = elevations(&seen);
    let count = |wanted: &dyn Fn(&v1::Elevation) -> bool| {
        all.iter().filter(|(_, seen)| wanted(seen)).count()
    };
    let per_device_day = share(all.len(), 120 * 30);
    assert!(
        (3.0..9.0).contains(&per_device_day),
        "{per_device_day} elevations a device and day"
    );
    let of_outcome = |outcome| share(count(&|seen| seen.outcome() == outcome), all.len());
    assert!((0.85..0.97).contains(&of_outcome(v1::Outcome::Elevated)));
    assert!((0.02..0.12).contains(&of_outcome(v1::Outcome::Denied)));
    assert!((0.002..0.04).contains(&of_outcome(v1::Outcome::Cancelled)));
    assert!((0.0005..0.02).contains(&of_outcome(v1::Outcome::Failed)));
    let noise = share(
        count(&|seen| seen.account_class() == v1::AccountClass::Service),
        all.len(),
    );
    assert!((0.12..0.4).contains(&noise), "noise {noise}");
    for kind in [
        v1::ElevationType::Automatic,
        v1::ElevationType::UserConfirmed,
        v1::ElevationType::CurrentUser,
        v1::ElevationType::SupportApproved,
        v1::ElevationType::Deny,
        v1::ElevationType::Unmanaged,
    ] {
        assert!(
            count(&|seen| seen.elevation_type() == kind) > 20,
            "{kind:?}"
        );
    }
    for trigger in [
        v1::Trigger::RunWithElevatedAccess,
        v1::Trigger::Automatic,
        v1::Trigger::OsRunas,
        v1::Trigger::UacCredential,
        v1::Trigger::Child,
        v1::Trigger::System,
        v1::Trigger::Sudo,
        v1::Trigger::Su,
    ] {
        assert!(count(&|seen| seen.trigger() == trigger) > 5, "{trigger:?}");
    }
    let exits = seen
        .iter()
        .filter(|seen| matches!(seen.body, Body::ElevationExit(_)))
        .count();
    assert!(exits > all.len() / 20, "{exits} ends");
}

#[test]
fn weekends_and_nights_are_quiet() {
    let seen = month(&Fleet::new(SEED, 60));
    let people: Vec<_> = elevations(&seen)
        .into_iter()
        .filter(|(_, seen)| seen.account_class() == v1::AccountClass::Person)
        .collect();
    let weekend = people
        .iter()
        .filter(|(at, _)| (at.div_euclid(DAY_US) + 3).rem_euclid(7) >= 5)
        .count();
    assert!(share(weekend, people.len()) < 0.06);
}

#[test]
fn every_elevation_fills_what_reports_show() {
    for (_, elevation) in elevations(&month(&Fleet::new(SEED, 40))) {
        let file = elevation.file.as_ref().expect("a file");
        assert!(
            file.path.ends_with(&file.file_name)
                && !file.file_name.is_empty()
                && !file.path.contains('{')
        );
        assert_eq!(file.sha256.len(), 32);
        assert!(!file.file_version.is_empty() && file.size_bytes > 0);
        let user = elevation.user.as_ref().expect("a user");
        assert!(!user.user_name_raw.is_empty() && !user.user_id.is_empty());
        assert!(
            !elevation
                .device
                .as_ref()
                .expect("a device")
                .device_name
                .is_empty()
        );
        assert!(
            !elevation
                .process
                .as_ref()
                .expect("a process")
                .parent_path
                .is_empty()
        );
        assert!(elevation.justification.chars().count() <= 256);
        assert_eq!(
            elevation.policy.is_some(),
            elevation.decision_source() == v1::DecisionSource::Rule
                || elevation.decision_source() == v1::DecisionSource::Approval
        );
    }
}

#[test]
fn hashes_follow_versions_and_versions_move() {
    let seen = month(&Fleet::new(SEED, 80));
    let builds: BTreeSet<(String, String, Vec<u8>)> = elevations(&seen)
        .into_iter()
        .filter_map(|(_, seen)| seen.file.as_ref())
        .filter(|file| file.file_name == "Code.exe")
        .map(|file| {
            (
                file.file_name.clone(),
                file.file_version.clone(),
                file.sha256.clone(),
            )
        })
        .collect();
    let versions: BTreeSet<_> = builds.iter().map(|(_, version, _)| version).collect();
    assert!(versions.len() >= 3, "{versions:?}");
    assert_eq!(versions.len(), builds.len(), "one hash a version");
}

#[test]
fn people_and_devices_have_names_of_their_own() {
    let fleet = Fleet::new(SEED, 3_000);
    let logins: BTreeSet<_> = fleet.people().iter().map(|person| &person.login).collect();
    assert_eq!(logins.len(), fleet.people().len());
    let names: BTreeSet<_> = fleet.devices().iter().map(|device| &device.name).collect();
    assert_eq!(names.len(), fleet.devices().len());
}

#[test]
fn a_silent_device_ends_early_and_has_no_live_traffic() {
    let fleet = Fleet::new(SEED, 20);
    let silent = fleet
        .devices()
        .iter()
        .find(|device| matches!(device.presence, Presence::Silent { .. }))
        .expect("one in twenty is silent");
    let until = DEFAULT_START_US + i64::from(PROGRAMME_DAYS) * DAY_US;
    let last = fleet
        .history(silent.index, DEFAULT_START_US, until)
        .last()
        .expect("a history");
    assert!(last.observed_at_us < until - DAY_US);
    assert_eq!(
        fleet
            .live(silent.index, until, Duration::from_secs(1))
            .count(),
        0
    );
}

#[test]
fn live_traffic_keeps_its_rate_and_its_order() {
    let fleet = Fleet::new(SEED, 4);
    let seen: Vec<_> = fleet
        .live(0, DEFAULT_START_US, Duration::from_secs(2))
        .take(2_000)
        .collect();
    assert!(seen.is_sorted_by_key(|seen| seen.observed_at_us));
    let starts = elevations(&seen)
        .into_iter()
        .filter(|(_, seen)| seen.trigger() != v1::Trigger::Child)
        .count();
    let seconds = (seen[seen.len() - 1].observed_at_us - DEFAULT_START_US) as f64 / 1e6;
    let gap_s = seconds / starts as f64;
    assert!((1.7..2.3).contains(&gap_s), "{gap_s} s");
}

#[test]
fn load_records_are_about_four_hundred_bytes_and_chained() {
    let mut position = Position::first([9; 16], 1, DEFAULT_START_US);
    let records = Load::new(SEED).records(&mut position, 1_000, 5_000);
    let mean = records.iter().map(bytes::Bytes::len).sum::<usize>() / records.len();
    assert!((370..=430).contains(&mean), "{mean} bytes");
    let mut previous = Vec::new();
    for (index, encoded) in records.iter().enumerate() {
        let record = v1::Record::decode(encoded.clone()).expect("a record");
        assert_eq!(
            (record.sequence, &record.previous_hash),
            (index as u64 + 1, &previous)
        );
        previous = Sha256::digest(encoded).to_vec();
    }
}
