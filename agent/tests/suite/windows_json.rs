//! Windows events as JSON: one and the same story told in every dialect, each by a seed that we wrote, and how each may
//! mislead. The story is a process of `anna.berg` that runs elevated, seen by the Security log and by Sysmon, and its
//! end, which is of no interest.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use epm_agent::import::summary::{Counter, ProcessStarts};
use epm_agent::source::{Observation, Reading};
use epm_agent::sources::TextTime;
use epm_agent::sources::windows_json::FORMAT;
use epm_proto::v1::record::Body;
use epm_proto::v1::{Elevation, SensorKind};
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use crate::counted::Counted;

const LOG: &str = "windows-evtx-dump.json";

/// The other dialects that have Sysmon's event too.
const DIALECTS: [&str; 12] = [
    "windows-evtx-dump-lines.json",
    "windows-evtx-dump-attributes-apart.json",
    "windows-xml-as-json.json",
    "windows-nxlog.json",
    "windows-logstash.json",
    "windows-winlogbeat-6.json",
    "windows-winlogbeat.json",
    "windows-winlogbeat-ecs.json",
    "windows-azure-event.json",
    "windows-azure-tables.json",
    "windows-evtxecmd.json",
    "windows-rendered.json",
];

/// Those that do not tell the event's number in its log.
const UNNUMBERED: [&str; 2] = ["windows-logstash.json", "windows-azure-event.json"];

const CREATED_US: i64 = 1_772_442_930_123_456;
const HOUR_US: i64 = 3_600_000_000;

fn seed(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    fs::read(folder.join(name)).expect("the seed is readable")
}

fn time(hours: i8) -> TextTime {
    TextTime {
        reference_us: 0,
        zone: TimeZone::fixed(Offset::constant(hours)),
    }
}

fn read_at(bytes: &[u8], hours: i8) -> Counted {
    let mut counted = Counted::default();
    FORMAT
        .read(&mut Cursor::new(bytes), &time(hours), &mut counted)
        .expect("bytes are readable");
    counted
}

fn read(bytes: &[u8]) -> Counted {
    read_at(bytes, 2)
}

fn observation(counted: &Counted, sensor: SensorKind) -> &Observation {
    let of_sensor = |reading: &&Reading| reading.sensor == sensor;
    let reading = counted.readings.iter().find(of_sensor);
    let observation = reading.and_then(|reading| reading.observation.as_ref());
    observation.expect("something to store")
}

fn elevation(observation: &Observation) -> &Elevation {
    match &observation.body {
        Body::Elevation(elevation) => elevation,
        other => panic!("an elevation, not {other:?}"),
    }
}

// A changed copy of one event of a seed of lines.
fn changed(name: &str, line: usize, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let seed = String::from_utf8(seed(name)).expect("a seed is text");
    let mut lines: Vec<Value> = seed
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    change(&mut lines[line]);
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

#[test]
fn every_dialect_counts_the_same() {
    let one = Some(ProcessStarts {
        records: 1,
        elevations: 1,
        by_user: 1,
        ..ProcessStarts::default()
    });
    for name in DIALECTS.into_iter().chain([LOG]) {
        let mut counter = Counter::new(Path::new(name));
        let mut bytes = Cursor::new(seed(name));
        FORMAT
            .read(&mut bytes, &time(2), &mut counter)
            .expect("bytes are readable");
        let summary = counter.finish();
        assert_eq!(summary.security_4688, one, "{name}");
        assert_eq!(summary.sysmon_1, one, "{name}");
        assert_eq!((summary.same_process, summary.unreadable), (1, 0), "{name}");
        assert_eq!(summary.skipped, [("other_event", 1)].into(), "{name}");
    }
}

#[test]
fn every_dialect_tells_the_same_of_a_security_event() {
    let log = read(&seed(LOG));
    let log = observation(&log, SensorKind::Security4688);
    assert_eq!(log.observed_at_us, CREATED_US);
    for name in DIALECTS.into_iter().chain(["windows-ocsf.json"]) {
        let counted = read(&seed(name));
        let told = observation(&counted, SensorKind::Security4688);
        let mut expected = elevation(log).clone();
        if ["windows-rendered.json", "windows-ocsf.json"].contains(&name) {
            // The name stands where the SID was.
            let user = expected.user.as_mut().expect("a user");
            user.user_id.clear();
            user.target_user_id.clear();
        }
        assert_eq!(elevation(told), &expected, "{name}");
        let is_same = told.source_key == log.source_key;
        assert_eq!(is_same, !UNNUMBERED.contains(&name), "the key of {name}");
        let cut_us = CREATED_US - told.observed_at_us;
        assert!(
            (0..1_000_000).contains(&cut_us),
            "{name} is off by {cut_us}"
        );
    }
}

#[test]
fn every_dialect_tells_the_same_of_an_event_of_sysmon() {
    let log = read(&seed(LOG));
    let log = observation(&log, SensorKind::Sysmon1);
    for name in DIALECTS {
        let counted = read(&seed(name));
        assert_eq!(observation(&counted, SensorKind::Sysmon1), log, "{name}");
    }
}

#[test]
fn what_lacks_a_number_is_named_by_what_it_says_and_not_by_its_place() {
    for name in UNNUMBERED {
        let alone = read(&seed(name));
        let key = observation(&alone, SensorKind::Security4688).source_key;
        let after_others = read(&[&seed("windows-winlogbeat.json")[..], &seed(name)].concat());
        let keys = after_others.readings.iter().filter_map(|reading| {
            let observation = reading.observation.as_ref()?;
            observation.source_key
        });
        assert!(keys.into_iter().any(|other| Some(other) == key), "{name}");
        assert_ne!(
            key,
            observation(&alone, SensorKind::Sysmon1).source_key,
            "{name}"
        );
    }
}

#[test]
fn sysmon_sets_a_forgotten_zone_right_and_no_key_changes() {
    // The zone that was asked for is seven hours off, and Sysmon knows.
    let right = read_at(&seed("windows-nxlog.json"), 2);
    let wrong = read_at(&seed("windows-nxlog.json"), -5);
    assert_eq!(right.readings, wrong.readings);
    // Without Sysmon it stays what it is said to be.
    let nxlog = String::from_utf8(seed("windows-nxlog.json")).expect("a seed is text");
    let security = nxlog.lines().next().expect("a line").as_bytes();
    let wrong = read_at(security, -5);
    let (wrong, right) = (
        observation(&wrong, SensorKind::Security4688),
        observation(&right, SensorKind::Security4688),
    );
    assert_eq!(wrong.observed_at_us - right.observed_at_us, 7 * HOUR_US);
    assert_eq!(wrong.source_key, right.source_key);
}

#[test]
fn a_z_is_not_believed_where_sysmon_says_otherwise() {
    let seed = String::from_utf8(seed("windows-logstash.json")).expect("a seed is text");
    let local = seed.replace("2026-03-02T09:15:3", "2026-03-01T14:15:3");
    assert_ne!(seed, local);
    let counted = read(local.as_bytes());
    let told = observation(&counted, SensorKind::Security4688);
    assert_eq!(told.observed_at_us, CREATED_US / 1_000 * 1_000);
}

#[test]
fn the_collector_is_never_taken_for_the_device() {
    for name in DIALECTS {
        for reading in read(&seed(name)).readings {
            let process = reading.process.expect("an elevated process");
            assert_eq!(process.device, "pc-0117", "{name}");
            assert_eq!(process.pid, 0x1e70, "{name}");
        }
    }
}

#[test]
fn an_unwritten_time_costs_the_event_and_is_not_guessed() {
    let untimed = changed("windows-logstash.json", 0, |event| {
        event["TimeCreated"] = json!("some day");
        event["@timestamp"] = Value::Null;
    });
    let counted = read(&untimed);
    assert_eq!(counted.unreadable, ["a process start without a time"]);
    assert_eq!(counted.readings.len(), 1);
}

#[test]
fn damage_is_counted_and_costs_no_other_event() {
    let xml = changed("windows-nxlog.json", 0, |event| {
        event["EventData"] = json!("<EventData><Data Name='X'>1</EventData>");
    });
    let counted = read(&xml);
    assert_eq!((counted.unreadable.len(), counted.readings.len()), (1, 1));
    let lines = seed("windows-nxlog.json");
    let damaged = [b"{\"EventID\": 4688, }\n", &lines[..], b"{\"EventID\""].concat();
    let counted = read(&damaged);
    assert_eq!((counted.unreadable.len(), counted.readings.len()), (2, 2));
}

#[test]
fn what_is_no_event_is_told_apart_from_an_event_of_no_interest() {
    let bulk = b"{\"index\": {\"_index\": \"x\"}}\n";
    let counted = read(&[&bulk[..], &seed("windows-winlogbeat.json")].concat());
    assert_eq!(
        counted.skipped,
        [("no_event", 1), ("other_event", 1)].into()
    );
    // Another provider's event with the same number.
    let other = changed("windows-logstash.json", 0, |event| {
        event["SourceName"] = json!("Microsoft-Windows-Eventlog");
    });
    assert_eq!(read(&other).skipped, [("other_event", 2)].into());
    // Without a provider its channel tells.
    let unnamed = changed("windows-logstash.json", 0, |event| {
        event["SourceName"] = Value::Null;
    });
    assert_eq!(read(&unnamed).readings.len(), 2);
}

#[test]
fn bytes_that_are_no_utf_8_and_half_surrogates_do_not_cost_an_event() {
    let seed = String::from_utf8(seed("windows-logstash.json")).expect("a seed is text");
    let broken = seed.replace("services.msc", "\\ud83d.msc");
    let counted = read(broken.as_bytes());
    assert_eq!((counted.readings.len(), counted.unreadable.len()), (2, 0));
    let file = elevation(observation(&counted, SensorKind::Security4688))
        .file
        .as_ref();
    assert!(file.expect("a file").arguments.contains("\u{fffd}.msc"));
    let at = seed.find("services.msc").expect("it is there");
    let mut bytes = seed.into_bytes();
    bytes[at] = 0xff;
    let counted = read(&bytes);
    assert_eq!((counted.readings.len(), counted.unreadable.len()), (2, 0));
}
