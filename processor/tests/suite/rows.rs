//! What single entries become.

use bytes::Bytes;
use epm_event_log::{EntryKind, Foreign};
use epm_proto::v1::{self, SensorKind, record::Body};
use epm_tables::schema::{DEAD_LETTERS_TABLE, DEVICES_TABLE, USAGE_TABLE};
use epm_tables::write::Cell;
use prost::Message as _;

use crate::world::{START_US, Spool, World, cell, elevation, entry, exit, process_start, text};

#[tokio::test]
async fn an_elevation_becomes_a_row_a_count_and_a_device() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let record = spool.record(
        &[],
        START_US,
        Body::Elevation(elevation("setup.exe", "EXAMPLE\\Ann")),
    );
    world.append(&[record.clone(), record]).await;
    world.fold().await;
    let rows = world.elevations().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "user_name"), "example\\ann");
    assert_eq!(text(&rows[0], "user_name_raw"), "EXAMPLE\\Ann");
    assert_eq!(text(&rows[0], "device"), "PC-1");
    assert_eq!(text(&rows[0], "outcome"), "elevated");
    assert_eq!(cell(&rows[0], "observed_at"), &Cell::Time(START_US));
    assert_eq!(cell(&rows[0], "event_date"), &Cell::Date(20_514));
    let usage = world.rows(USAGE_TABLE).await;
    assert_eq!(usage.len(), 1);
    assert_eq!(usage[0][USAGE_TABLE.index("elevations")], Cell::Long(1));
    let devices = world.rows(DEVICES_TABLE).await;
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0][DEVICES_TABLE.index("records")], Cell::Long(1));
    assert_eq!(devices[0][DEVICES_TABLE.index("missing")], Cell::Long(0));
}

#[tokio::test]
async fn a_record_imported_again_by_another_agent_adds_nothing() {
    let world = World::new();
    let (mut one, mut other) = (Spool::new(1), Spool::new(2));
    let body = || Body::Elevation(elevation("setup.exe", "ann"));
    world
        .append(&[one.record(&[9; 16], START_US, body())])
        .await;
    world.fold().await;
    world
        .append(&[other.record(&[9; 16], START_US, body())])
        .await;
    world.fold().await;
    world
        .append(&[one.record(&[9; 16], START_US, body())])
        .await;
    world.fold().await;
    assert_eq!(world.elevations().await.len(), 1);
    let counted = world.rows(USAGE_TABLE).await;
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0][USAGE_TABLE.index("elevations")], Cell::Long(1));
}

#[tokio::test]
async fn a_process_that_two_sensors_saw_is_one_row_with_the_facts_of_both() {
    for sensors in [
        [SensorKind::Security4688, SensorKind::Sysmon1],
        [SensorKind::Sysmon1, SensorKind::Security4688],
    ] {
        let (world, mut spool) = (World::new(), Spool::new(1));
        for (at, sensor) in sensors.into_iter().enumerate() {
            let seen = Body::Elevation(process_start(sensor, "setup.exe", 77));
            world
                .append(&[spool.record(&[at as u8 + 1; 16], START_US + 900_000 * at as i64, seen)])
                .await;
            world.fold().await;
        }
        let rows = world.elevations().await;
        assert_eq!(rows.len(), 1);
        assert_eq!(text(&rows[0], "publisher"), "Example Ltd");
        assert_eq!(cell(&rows[0], "token_elevation_type"), &Cell::Int(2));
        let both = ["security_4688", "sysmon_1"].map(str::to_owned).to_vec();
        assert_eq!(cell(&rows[0], "sensors"), &Cell::TextList(both));
        let usage = world.rows(USAGE_TABLE).await;
        assert_eq!(usage.len(), 1, "{usage:?}");
        assert_eq!(usage[0][USAGE_TABLE.index("elevations")], Cell::Long(1));
    }
}

#[tokio::test]
async fn a_process_id_that_comes_back_later_is_another_process() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let seen = |sensor| Body::Elevation(process_start(sensor, "setup.exe", 77));
    let first = spool.record(&[1; 16], START_US, seen(SensorKind::Security4688));
    let later = spool.record(&[2; 16], START_US + 2_000_001, seen(SensorKind::Sysmon1));
    world.append(&[first, later]).await;
    world.fold().await;
    assert_eq!(world.elevations().await.len(), 2);
}

#[tokio::test]
async fn an_exit_joins_its_start_now_or_later_and_an_orphan_is_a_dead_letter() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let start = |program| Body::Elevation(elevation(program, "ann"));
    let records = [
        spool.record(&[1; 16], START_US, start("a.exe")),
        spool.record(&[], START_US + 5, exit(&[1; 16], START_US, 0)),
        spool.record(&[2; 16], START_US, start("b.exe")),
        spool.record(&[], START_US + 7, exit(&[3; 16], START_US, 1)),
    ];
    world.append(&records).await;
    world.fold().await;
    world
        .append(&[spool.record(&[], START_US + 9, exit(&[2; 16], START_US, 137))])
        .await;
    world.fold().await;
    let mut codes: Vec<_> = world
        .elevations()
        .await
        .iter()
        .map(|row| {
            (
                text(row, "file_name").to_owned(),
                cell(row, "result_code").clone(),
            )
        })
        .collect();
    codes.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("a.exe".to_owned(), Cell::Long(0)),
        ("b.exe".to_owned(), Cell::Long(137)),
    ];
    assert_eq!(codes, expected);
    let dead = world.rows(DEAD_LETTERS_TABLE).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        dead[0][DEAD_LETTERS_TABLE.index("code")].text(),
        Some("exit_without_start")
    );
}

#[tokio::test]
async fn an_exit_finds_a_start_that_only_its_event_id_names() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let start = spool.record(&[], START_US, Body::Elevation(elevation("a.exe", "ann")));
    let event_id = v1::Record::decode(&*start).expect("a record").event_id;
    let end = spool.record(&[], START_US + 5, exit(&event_id, START_US, 3));
    world.append(&[start, end]).await;
    world.fold().await;
    assert_eq!(
        cell(&world.elevations().await[0], "result_code"),
        &Cell::Long(3)
    );
}

#[tokio::test]
async fn what_cannot_be_folded_is_a_dead_letter_and_the_rest_goes_on() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let good = spool.record(&[], START_US, Body::Elevation(elevation("a.exe", "ann")));
    let cut = good.slice(..good.len() - 3);
    let refused = v1::RejectedRecord {
        agent_id: vec![1; 16],
        epoch: 1,
        sequence: 2,
        code: v1::RejectCode::TooLarge.into(),
        record: vec![5; 10],
        record_bytes: 9_000_000,
    };
    let entries = vec![
        entry(EntryKind::Record, Bytes::from_static(b"\xff\xff\xff")),
        entry(EntryKind::Record, cut),
        entry(EntryKind::Rejected, refused.encode_to_vec().into()),
        entry(EntryKind::Unknown(9), Bytes::from_static(b"new")),
        entry(
            EntryKind::Foreign(Foreign::NoKey),
            Bytes::from_static(b"other"),
        ),
        entry(EntryKind::Record, good),
    ];
    world.append_entries(entries).await;
    world.fold().await;
    let dead = world.rows(DEAD_LETTERS_TABLE).await;
    let mut codes: Vec<_> = dead
        .iter()
        .filter_map(|row| row[DEAD_LETTERS_TABLE.index("code")].text())
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["foreign", "too_large", "unknown_body", "unnamed", "unnamed"]
    );
    assert_eq!(world.elevations().await.len(), 1);
    let devices = world.rows(DEVICES_TABLE).await;
    assert_eq!(
        devices[0][DEVICES_TABLE.index("records")],
        Cell::Long(2),
        "a refused record arrived"
    );
}

#[tokio::test]
async fn losses_explain_gaps() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let body = || Body::Elevation(elevation("a.exe", "ann"));
    let records: Vec<_> = (0..6)
        .map(|at| spool.record(&[], START_US + at, body()))
        .collect();
    let loss = v1::Loss {
        reason: v1::LossReason::Evicted.into(),
        first_sequence: 2,
        last_sequence: 3,
        ..Default::default()
    };
    let told = spool.record(&[], START_US + 9, Body::Loss(loss));
    world
        .append(&[records[0].clone(), records[4].clone(), told])
        .await;
    world.fold().await;
    let device = &world.rows(DEVICES_TABLE).await[0];
    let long = |name| device[DEVICES_TABLE.index(name)].clone();
    // Received 1, 5 and 7; 2 and 3 are explained; 4 and 6 are missing.
    assert_eq!(
        (long("missing"), long("lost")),
        (Cell::Long(2), Cell::Long(2))
    );
    assert_eq!(
        (long("next_expected"), long("highest_sequence")),
        (Cell::Long(4), Cell::Long(7))
    );
}
