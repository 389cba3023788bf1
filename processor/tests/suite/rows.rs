//! What single entries become.

use bytes::Bytes;
use epm_event_log::{EntryKind, Foreign};
use epm_proto::v1::{self, SensorKind, record::Body};
use epm_tables::schema::{DEAD_LETTERS_TABLE, DEVICES_TABLE, USAGE_TABLE};
use epm_tables::write::Cell;
use prost::Message as _;

use crate::world::{
    START_US, Spool, World, cell, elevation, entry, exit, process_start, run_of_sudo, text,
    told_by_sudo,
};

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
async fn of_records_of_one_observation_the_one_that_knows_most_stays_whichever_comes_first() {
    let record = |spool: &mut Spool, upn: &str, times: u32, why: &str, code: Option<i64>| {
        let mut seen = elevation("setup.exe", "AzureAD\\AnnaBerg");
        seen.repeat_count = times;
        seen.justification = why.to_owned();
        seen.result_code = code;
        seen.user.get_or_insert_default().upn = upn.to_owned();
        spool.record(&[9; 16], START_US, Body::Elevation(seen))
    };
    let (mut one, mut other) = (Spool::new(1), Spool::new(2));
    let anna = "anna@contoso.example";
    let records = [
        record(&mut one, "", 7, "all", Some(3)),
        record(&mut other, anna, 2, "all", None),
        record(&mut one, anna, 5, "", None),
        record(&mut other, anna, 5, "to mend it", None),
        record(&mut one, "", 9, "all", Some(1)),
    ];
    let mut tables = Vec::new();
    for turn in 0..records.len() {
        let world = World::new();
        let mut turned = records.clone();
        turned.rotate_left(turn);
        for record in turned {
            world.append(&[record]).await;
            world.fold().await;
        }
        let rows = world.elevations().await;
        assert_eq!(rows.len(), 1);
        assert_eq!(text(&rows[0], "user_name"), anna);
        assert_eq!(text(&rows[0], "justification"), "to mend it");
        assert_eq!(cell(&rows[0], "repeat_count"), &Cell::Int(5));
        assert_eq!(cell(&rows[0], "result_code"), &Cell::Long(3));
        let usage = world.rows(USAGE_TABLE).await;
        assert_eq!(usage.len(), 1, "{usage:?}");
        assert_eq!(usage[0][USAGE_TABLE.index("elevations")], Cell::Long(5));
        let sound = epm_processor::verify(world.config(), &*world.log).await;
        assert!(sound.expect("it verifies").is_sound());
        tables.push(rows);
    }
    assert!(tables.iter().all(|rows| *rows == tables[0]));
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
async fn a_run_of_sudo_that_four_sensors_saw_is_one_row() {
    use SensorKind::{AuditExecve, AuditUserCmd, SudoSyslog};
    // sudo starts, asks for a password for 40 seconds, and a line of text knows whole seconds only.
    let sightings = [
        (AuditExecve, "sudo", 300_000),
        (AuditUserCmd, "id", 40_300_000),
        (AuditExecve, "id", 40_310_000),
        (SudoSyslog, "id", 40_000_000),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let (world, mut spool) = (World::new(), Spool::new(1));
        for at in order {
            let (sensor, program, later_us) = sightings[at];
            let mut seen = run_of_sudo(sensor, program);
            if sensor == AuditUserCmd {
                seen.outcome = v1::Outcome::Undecided.into();
            }
            let key = [at as u8 + 1; 16];
            let record = spool.record(&key, START_US + later_us, Body::Elevation(seen));
            world.append(&[record]).await;
            world.fold().await;
        }
        let rows = world.elevations().await;
        assert_eq!(rows.len(), 1, "{order:?}");
        assert_eq!(text(&rows[0], "file_name"), "id");
        assert_eq!(text(&rows[0], "outcome"), "elevated");
        assert_eq!(cell(&rows[0], "pid"), &Cell::Long(4243));
        let usage = world.rows(USAGE_TABLE).await;
        assert_eq!(usage.len(), 1, "{usage:?}");
    }
}

#[tokio::test]
async fn the_exit_of_a_run_of_sudo_stays_whoever_else_saw_it_and_when() {
    let mut spool = Spool::new(1);
    let line = run_of_sudo(SensorKind::SudoSyslog, "id");
    let started = run_of_sudo(SensorKind::AuditExecve, "id");
    let line = spool.record(&[1; 16], START_US, Body::Elevation(line));
    let end = spool.record(&[], START_US + 5_000_000, exit(&[1; 16], START_US, 7));
    let started = spool.record(&[2; 16], START_US + 9, Body::Elevation(started));
    let itself = run_of_sudo(SensorKind::AuditExecve, "sudo");
    let itself = spool.record(&[3; 16], START_US - 9, Body::Elevation(itself));
    for records in [
        [&line, &end, &started, &itself],
        [&itself, &line, &end, &started],
        [&started, &line, &itself, &end],
    ] {
        let world = World::new();
        for record in records {
            world.append(std::slice::from_ref(record)).await;
            world.fold().await;
        }
        let rows = world.elevations().await;
        assert_eq!(rows.len(), 1);
        assert_eq!(cell(&rows[0], "result_code"), &Cell::Long(7));
        let sound = epm_processor::verify(world.config(), &*world.log).await;
        assert!(sound.expect("it verifies").is_sound());
    }
}

#[tokio::test]
async fn a_run_that_sudo_refused_is_refused_although_sudo_itself_started() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let itself = run_of_sudo(SensorKind::AuditExecve, "sudo");
    let mut line = run_of_sudo(SensorKind::SudoSyslog, "id");
    line.outcome = v1::Outcome::Denied.into();
    line.elevation_type = v1::ElevationType::Deny.into();
    let records = [
        spool.record(&[1; 16], START_US, Body::Elevation(itself)),
        spool.record(&[2; 16], START_US + 9, Body::Elevation(line)),
    ];
    world.append(&records).await;
    world.fold().await;
    let rows = world.elevations().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "outcome"), "denied");
    assert_eq!(text(&rows[0], "elevation_type"), "deny");
    assert_eq!(text(&rows[0], "file_name"), "id");
}

#[tokio::test]
async fn what_sudo_told_its_log_server_and_its_logs_is_one_row_a_run_in_whatever_order() {
    use SensorKind::{AuditUserCmd, SudoLogServer, SudoLogfile, SudoSyslog};
    const RUNS: u8 = 5;
    // Each told to three, as it was at the same command again and again; who asked the kernel knows the process.
    let told = |run: u8| {
        let at = START_US + i64::from(run) * 400_000;
        let whole = at / 1_000_000 * 1_000_000;
        [
            (SudoLogServer, at, run == 0),
            (SudoSyslog, whole, false),
            (SudoLogfile, whole, false),
            (AuditUserCmd, at + 2_000, true),
        ]
        .into_iter()
        .enumerate()
        // Process ids that come back so soon would be one process: only the first run is in the audit log.
        .filter(move |(_, (sensor, ..))| *sensor != AuditUserCmd || run == 0)
        .map(move |(at, seen)| (20 + 4 * run + at as u8, seen))
    };
    let all: Vec<_> = (0..RUNS).flat_map(told).collect();
    for step in [1, 5, 7, 11] {
        let world = World::new();
        let mut spool = Spool::new(1);
        for at in 0..all.len() {
            let (key, (sensor, at, knows)) = all[at * step % all.len()];
            let seen = told_by_sudo(sensor, "id", knows);
            let record = spool.record(&[key; 16], at, Body::Elevation(seen));
            world.append(&[record]).await;
            if key.is_multiple_of(3) {
                world.fold().await;
            }
        }
        world.fold().await;
        let rows = world.elevations().await;
        assert_eq!(rows.len(), usize::from(RUNS), "step {step}");
        for row in &rows {
            let Cell::TextList(sensors) = cell(row, "sensors") else {
                panic!("no sensors");
            };
            let mut expected = vec!["sudo_log_server", "sudo_logfile", "sudo_syslog"];
            if *cell(row, "parent_pid") == Cell::Long(4242) {
                expected.insert(0, "audit_user_cmd");
            }
            assert_eq!(*sensors, expected);
        }
        let known = rows.iter().filter(|row| !cell(row, "parent_pid").is_null());
        assert_eq!(known.count(), 1);
    }
}

#[tokio::test]
async fn a_record_that_learns_its_process_later_joins_what_was_seen_of_it() {
    use SensorKind::{AuditUserCmd, SudoLogServer};
    let sent = [
        (1, SudoLogServer, false),
        (2, AuditUserCmd, true),
        (1, SudoLogServer, true),
    ];
    let folded = |order: [usize; 3]| async move {
        let world = World::new();
        let mut spool = Spool::new(1);
        for at in order {
            let (key, sensor, knows) = sent[at];
            let seen = told_by_sudo(sensor, "id", knows);
            let at = START_US + i64::from(key);
            let record = spool.record(&[key; 16], at, Body::Elevation(seen));
            world.append(&[record]).await;
            world.fold().await;
        }
        world.elevations().await.len()
    };
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        assert_eq!(folded(order).await, 1, "{order:?}");
    }
}

#[tokio::test]
async fn runs_of_sudo_that_only_look_alike_are_apart() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let line = || run_of_sudo(SensorKind::SudoSyslog, "id");
    let started = || run_of_sudo(SensorKind::AuditExecve, "id");
    let mut elsewhere = started();
    elsewhere.device = Some(v1::Device {
        device_name: "pc-2".to_owned(),
        ..Default::default()
    });
    let mut of_su = started();
    of_su.trigger = v1::Trigger::Su.into();
    let mut unknown = line();
    unknown.process = None;
    // Two devices may write logs that name neither.
    let nameless = |mut seen: v1::Elevation| {
        seen.device = None;
        seen
    };
    let seen = [
        (nameless(line()), 0),
        (nameless(started()), 1),
        (line(), 0),
        // A command that the first one ran, which sudo logs too.
        (line(), 5),
        (elsewhere, 6),
        (of_su, 7),
        (unknown, 8),
        // The process id came back.
        (started(), 300_000_006),
    ];
    for (number, (body, later_us)) in seen.into_iter().enumerate() {
        let key = [number as u8 + 1; 16];
        let record = spool.record(&key, START_US + later_us, Body::Elevation(body));
        world.append(&[record]).await;
    }
    world.fold().await;
    assert_eq!(world.elevations().await.len(), 8);
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

#[tokio::test]
async fn a_loss_that_was_told_again_under_its_key_counts_once_and_as_told_last() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let mut loss = |key: &[u8], records: u64| {
        let loss = v1::Loss {
            reason: v1::LossReason::SourceUnreadable.into(),
            counts: vec![v1::LossCount {
                record_class: v1::RecordClass::Unmanaged.into(),
                records,
            }],
            ..Default::default()
        };
        spool.record(key, START_US, Body::Loss(loss))
    };
    let first = loss(&[1; 16], 3);
    let other = loss(&[2; 16], 10);
    let again = loss(&[1; 16], 4);
    let (keyless, alike) = (loss(&[], 100), loss(&[], 100));
    // The processor starts anew between them.
    for records in [vec![again], vec![other, keyless, alike], vec![first]] {
        world.append(&records).await;
        world.fold().await;
    }
    let devices = world.rows(DEVICES_TABLE).await;
    let column = |name| &devices[0][DEVICES_TABLE.index(name)];
    assert_eq!(column("lost"), &Cell::Long(214));
    let shown = column("losses").text().expect("losses");
    let shown: Vec<serde_json::Value> = serde_json::from_str(shown).expect("a list");
    let records: Vec<_> = shown.iter().map(|loss| loss["records"].as_u64()).collect();
    assert_eq!(records, [Some(10), Some(4), Some(100), Some(100)]);
    let sound = epm_processor::verify(world.config(), &*world.log).await;
    assert!(sound.expect("it verifies").is_sound());
}

fn beat(state: v1::LifeCycleState, since_us: i64) -> v1::Heartbeat {
    let is_disabled = state == v1::LifeCycleState::Disabled;
    v1::Heartbeat {
        device_name: "pc-1.example.org".to_owned(),
        life_cycle: Some(v1::LifeCycle {
            state: state.into(),
            since_us,
            removal_us: if is_disabled { since_us + 7 } else { 0 },
            ..v1::LifeCycle::default()
        }),
        applicability: Some(v1::Applicability {
            applicable: true,
            join_type: "none".to_owned(),
            management_authority: "policy_file".to_owned(),
            architecture: "x86_64".to_owned(),
            ..v1::Applicability::default()
        }),
        ..v1::Heartbeat::default()
    }
}

#[tokio::test]
async fn a_device_stands_where_its_newest_heartbeat_by_its_sequence_says_whatever_order_they_came_in()
 {
    use v1::LifeCycleState::{Active, Disabled, Provisioning};
    // The clock of the device goes back between them.
    let states = [(Provisioning, 30), (Active, 20), (Disabled, 10)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (world, mut spool) = (World::new(), Spool::new(1));
        let records: Vec<_> = states
            .iter()
            .map(|(state, at)| {
                let beat = beat(*state, START_US + at);
                spool.record(&[], START_US + at, Body::Heartbeat(beat))
            })
            .collect();
        // The processor starts anew between them.
        for at in order {
            world.append(&[records[at].clone()]).await;
            world.fold().await;
        }
        let device = &world.rows(DEVICES_TABLE).await[0];
        let column = |name| device[DEVICES_TABLE.index(name)].clone();
        assert_eq!(column("life_cycle").text(), Some("disabled"), "{order:?}");
        assert_eq!(column("life_cycle_since"), Cell::Time(START_US + 10));
        assert_eq!(column("removal_at"), Cell::Time(START_US + 17));
        assert_eq!(column("applicable"), Cell::Flag(true));
        assert_eq!(column("not_applicable_reason"), Cell::Null);
        assert_eq!(column("management_authority").text(), Some("policy_file"));
        let sound = epm_processor::verify(world.config(), &*world.log).await;
        assert!(sound.expect("it verifies").is_sound());
    }
}

#[tokio::test]
async fn a_device_that_is_not_applicable_says_why_and_one_without_policies_says_nothing() {
    let (world, mut one, mut other) = (World::new(), Spool::new(1), Spool::new(2));
    let mut beat = beat(v1::LifeCycleState::Provisioning, START_US);
    beat.applicability = Some(v1::Applicability {
        reason: "version 5.4 is no longer supported; update the system".to_owned(),
        ..v1::Applicability::default()
    });
    let ungoverned = v1::Heartbeat::default();
    let records = [
        one.record(&[], START_US, Body::Heartbeat(beat)),
        other.record(&[], START_US, Body::Heartbeat(ungoverned)),
    ];
    world.append(&records).await;
    world.fold().await;
    let devices = world.rows(DEVICES_TABLE).await;
    let of = |at: usize, name| devices[at][DEVICES_TABLE.index(name)].clone();
    assert_eq!(of(0, "life_cycle").text(), Some("provisioning"));
    assert_eq!(of(0, "applicable"), Cell::Flag(false));
    let why = "version 5.4 is no longer supported; update the system";
    assert_eq!(of(0, "not_applicable_reason").text(), Some(why));
    for name in [
        "life_cycle",
        "life_cycle_since",
        "removal_at",
        "applicable",
        "join_type",
    ] {
        assert_eq!(of(1, name), Cell::Null, "{name}");
    }
}
