//! Windows events that we wrote, one for each way in which real ones mislead.

use epm_agent::source::{Reading, Verdict};
use epm_agent::sources::windows::fields::Fields;
use epm_agent::sources::windows::read_event;
use epm_proto::ids::SourceKey;
use epm_proto::v1::record::Body;
use epm_proto::v1::{AccountClass, Elevation, RecordClass, RunAs, Trigger};
use epm_proto::v1::{ElevationType, Management, Outcome, SensorKind, UserType};

const CREATED_US: i64 = 1_633_109_439_083_965;

fn security() -> Fields<'static> {
    Fields::new("Microsoft-Windows-Security-Auditing", 4688)
        .logged_by("FS01.offsec.lan", "Security")
        .numbered(Some(77), Some(CREATED_US))
        .with("SubjectUserSid", "S-1-5-21-1-2-3-1106")
        .with("SubjectUserName", "admmig")
        .with("SubjectDomainName", "OFFSEC")
        .with("SubjectLogonId", "0xA992D")
        .with("NewProcessId", "0x1a24")
        .with("NewProcessName", "C:\\Windows\\System32\\CMD.exe")
        .with("TokenElevationType", "%%1936")
        .with("ProcessId", "0x10")
        .with("CommandLine", "cmd /c echo ")
}

fn machine(fields: Fields<'_>) -> Fields<'_> {
    fields
        .with("SubjectUserSid", "S-1-5-18")
        .with("SubjectUserName", "FS01$")
        .with("SubjectDomainName", "OFFSEC")
        .with("SubjectLogonId", "0x3e7")
}

fn target<'a>(fields: Fields<'a>, sid: &'a str, domain: &'a str, name: &'a str) -> Fields<'a> {
    fields
        .with("TargetUserSid", sid)
        .with("TargetDomainName", domain)
        .with("TargetUserName", name)
        .with("TargetLogonId", "0x0")
}

fn sysmon() -> Fields<'static> {
    Fields::new("Microsoft-Windows-Sysmon", 1)
        .logged_by(
            "WORKSTATION6.theshire.local",
            "Microsoft-Windows-Sysmon/Operational",
        )
        .numbered(Some(9), Some(CREATED_US))
        .with("UtcTime", "2021-10-01 17:30:38.500")
        .with("ProcessGuid", "{aa6b631f-02be-5fcb-1234-000000000500}")
        .with("ProcessId", "6692")
        .with("Image", "C:\\Tools\\Tool.exe")
        .with("User", "SHIRE\\pgustavo")
        .with("LogonId", "0xA992D")
        .with("IntegrityLevel", "High")
}

fn read(fields: &Fields<'_>) -> Reading {
    read_event(fields).expect("a process start")
}

fn elevation(reading: &Reading) -> &Elevation {
    match &reading
        .observation
        .as_ref()
        .expect("something to store")
        .body
    {
        Body::Elevation(elevation) => elevation,
        other => panic!("an elevation, not {other:?}"),
    }
}

#[test]
fn a_default_token_is_decided_by_its_label() {
    for (label, verdict) in [
        ("S-1-16-4096", Verdict::NotElevated),
        ("S-1-16-8192", Verdict::NotElevated),
        ("S-1-16-12288", Verdict::Elevated),
        ("S-1-16-16384", Verdict::Elevated),
        ("S-1-16-20480", Verdict::Elevated),
        ("Mandatory Label\\High Mandatory Level", Verdict::Elevated),
    ] {
        assert_eq!(
            read(&security().with("MandatoryLabel", label)).verdict,
            verdict,
            "{label}"
        );
    }
}

#[test]
fn a_label_outweighs_every_token() {
    let of = |token, label| {
        read(
            &security()
                .with("TokenElevationType", token)
                .with("MandatoryLabel", label),
        )
        .verdict
    };
    assert_eq!(of("%%1938", "S-1-16-12288"), Verdict::Elevated);
    assert_eq!(of("%%1937", "S-1-16-8192"), Verdict::NotElevated);
}

#[test]
fn without_a_label_only_a_split_token_decides() {
    let of = |token| read(&security().with("TokenElevationType", token)).verdict;
    assert_eq!(of("%%1937"), Verdict::Elevated);
    assert_eq!(of("%%1938"), Verdict::NotElevated);
    assert_eq!(of("%%1936"), Verdict::Undecided);
    assert_eq!(of("-"), Verdict::Undecided);
}

#[test]
fn an_undecided_start_is_stored_as_such() {
    let reading = read(&security());
    let stored = elevation(&reading);
    assert_eq!(stored.outcome(), Outcome::Undecided);
    assert_eq!(stored.elevation_type(), ElevationType::Undetermined);
    assert_eq!(reading.process, None);
}

#[test]
fn a_start_without_rights_is_not_stored() {
    let reading = read(&security().with("TokenElevationType", "%%1938"));
    assert_eq!((reading.observation, reading.process), (None, None));
}

#[test]
fn the_shortest_4688_is_read() {
    let bare = Fields::new("Microsoft-Windows-Security-Auditing", 4688);
    let reading = read(&bare);
    assert_eq!(
        (reading.verdict, reading.account),
        (Verdict::Undecided, AccountClass::Unspecified)
    );
    assert_eq!(reading.observation.expect("it is stored").source_key, None);
}

#[test]
fn at_a_consent_the_target_is_the_person() {
    let consent = target(
        machine(security()),
        "S-1-5-21-1-2-3-1104",
        "OFFSEC",
        "pgustavo",
    )
    .with("TokenElevationType", "%%1937")
    .with("MandatoryLabel", "S-1-16-12288");
    let reading = read(&consent);
    assert_eq!(
        (reading.verdict, reading.account),
        (Verdict::Elevated, AccountClass::Person)
    );
    let stored = elevation(&reading);
    assert_eq!(
        (stored.trigger(), stored.run_as()),
        (Trigger::OsRunas, RunAs::CurrentUser)
    );
    let user = stored.user.as_ref().expect("a user");
    assert_eq!(
        (user.user_name_raw.as_str(), user.user_id.as_str()),
        ("OFFSEC\\pgustavo", "S-1-5-21-1-2-3-1104")
    );
    assert_eq!(user.user_type(), UserType::Directory);
}

#[test]
fn a_target_without_a_sid_is_still_the_person() {
    let reading = read(
        &target(machine(security()), "S-1-0-0", "OFFSEC", "admmig")
            .with("TokenElevationType", "%%1937"),
    );
    let user = elevation(&reading).user.as_ref().expect("a user");
    assert_eq!(
        (user.user_name_raw.as_str(), user.user_id.as_str()),
        ("OFFSEC\\admmig", "")
    );
    assert_eq!(reading.account, AccountClass::Person);
}

#[test]
fn an_inherited_start_belongs_to_its_subject() {
    let child = target(security(), "S-1-0-0", "-", "-").with("MandatoryLabel", "S-1-16-12288");
    let reading = read(&child);
    let stored = elevation(&reading);
    assert_eq!(
        stored.user.as_ref().expect("a user").user_name_raw,
        "OFFSEC\\admmig"
    );
    assert_eq!(
        (stored.trigger(), stored.run_as()),
        (Trigger::Unspecified, RunAs::CurrentUser)
    );
}

#[test]
fn the_first_shape_names_no_person_at_a_consent() {
    let reading = read(
        &machine(security())
            .with("TokenElevationType", "%%1937")
            .with("MandatoryLabel", "S-1-16-12288"),
    );
    let stored = elevation(&reading);
    assert_eq!(
        (reading.account, stored.trigger()),
        (AccountClass::Service, Trigger::Unspecified)
    );
}

#[test]
fn a_person_who_runs_as_another_asked_for_it() {
    let reading = read(
        &target(security(), "S-1-5-21-1-2-3-9", "OFFSEC", "hack1")
            .with("TokenElevationType", "%%1937"),
    );
    let stored = elevation(&reading);
    let user = stored.user.as_ref().expect("a user");
    assert_eq!(
        (user.user_name_raw.as_str(), user.target_user_name.as_str()),
        ("OFFSEC\\admmig", "OFFSEC\\hack1")
    );
    assert_eq!(stored.run_as(), RunAs::Other);
}

#[test]
fn a_service_is_the_system_even_without_a_name() {
    let nameless = machine(security())
        .with("SubjectUserName", "-")
        .with("SubjectDomainName", "-")
        .with("MandatoryLabel", "S-1-16-16384");
    let reading = read(&nameless);
    assert_eq!(reading.account, AccountClass::Service);
    assert_eq!(elevation(&reading).trigger(), Trigger::System);
}

#[test]
fn a_4688_names_its_new_process_and_not_its_parent() {
    let reading = read(&security().with("MandatoryLabel", "S-1-16-12288"));
    let key = reading.process.as_ref().expect("an elevated process");
    assert_eq!(
        (key.device.as_str(), key.pid, key.image.as_str()),
        ("fs01", 0x1a24, "c:\\windows\\system32\\cmd.exe")
    );
    let stored = elevation(&reading);
    let process = stored.process.as_ref().expect("a process");
    assert_eq!((process.pid, process.parent_pid), (0x1a24, 0x10));
    assert_eq!(
        (process.logon_id.as_str(), process.token_elevation_type),
        ("0xa992d", 1)
    );
    assert_eq!(process.integrity_level, "High");
    let file = stored.file.as_ref().expect("a file");
    assert_eq!(
        (file.file_name.as_str(), file.arguments.as_str()),
        ("CMD.exe", "cmd /c echo ")
    );
    assert_eq!(
        stored.device.as_ref().expect("a device").device_name,
        "FS01.offsec.lan"
    );
}

#[test]
fn an_observation_is_unmanaged_and_timed_by_its_event() {
    let reading = read(&security().with("MandatoryLabel", "S-1-16-12288"));
    let observation = reading.observation.as_ref().expect("something to store");
    assert_eq!(
        (observation.observed_at_us, observation.class),
        (CREATED_US, RecordClass::Unmanaged)
    );
    let stored = elevation(&reading);
    assert_eq!(
        (stored.management(), stored.elevation_type()),
        (Management::Unmanaged, ElevationType::Unmanaged)
    );
    assert_eq!(stored.sensor(), SensorKind::Security4688);
}

#[test]
fn one_event_has_one_name_and_another_event_another() {
    let name = |fields: Fields<'_>| key(&fields);
    let first = name(security());
    assert_eq!(
        first,
        name(security().logged_by("fs01", "SECURITY")),
        "host and channel in another spelling"
    );
    assert_ne!(first, name(security().numbered(Some(78), Some(CREATED_US))));
    assert_ne!(
        first,
        name(security().numbered(Some(77), Some(CREATED_US + 1_000_000))),
        "a log begun anew"
    );
    assert_ne!(first, name(security().with("NewProcessId", "0x1a25")));
    assert_ne!(first, name(security().logged_by("fs02", "Security")));
}

#[test]
fn a_name_outlives_a_forgotten_zone_and_a_cut_time() {
    let name = |created_at_us: i64| key(&security().numbered(Some(77), Some(created_at_us)));
    let first = name(CREATED_US);
    assert_eq!(first, name(CREATED_US / 1_000_000 * 1_000_000), "seconds");
    assert_eq!(
        first,
        name(CREATED_US - 7 * 3_600_000_000),
        "west of Greenwich"
    );
    assert_eq!(first, name(CREATED_US + 20_700_000_000), "in Kathmandu");
}

#[test]
fn without_a_number_an_event_is_named_by_what_it_says() {
    let named = |fields: Fields<'static>| key(&fields.numbered(None, Some(CREATED_US)));
    let first = named(security());
    assert_eq!(
        first,
        named(security().with("NewProcessName", "c:\\windows\\system32\\cmd.EXE"))
    );
    for (name, value) in [
        ("NewProcessId", "0x1a25"),
        ("NewProcessName", "C:\\Windows\\System32\\net.exe"),
        ("CommandLine", "cmd /c echo"),
        ("ProcessId", "0x11"),
        ("SubjectLogonId", "0x1"),
    ] {
        assert_ne!(first, named(security().with(name, value)), "{name}");
    }
    let a_millisecond_later = security().numbered(None, Some(CREATED_US + 1_000));
    assert_ne!(first, key(&a_millisecond_later));
}

#[test]
fn a_process_of_sysmon_is_named_by_its_own_id() {
    let first = key(&sysmon());
    assert_eq!(first, key(&sysmon().numbered(None, None)));
    assert_ne!(first, key(&sysmon().logged_by("a-clone", "")));
    assert_ne!(
        first,
        key(&sysmon().with("ProcessGuid", "{aa6b631f-02be-5fcb-1235-000000000500}"))
    );
    let nil = "{00000000-0000-0000-0000-000000000000}";
    let unnamed = |number| {
        key(&sysmon()
            .with("ProcessGuid", nil)
            .numbered(Some(number), None))
    };
    assert_ne!(unnamed(1), unnamed(2));
}

#[test]
fn without_a_process_id_no_process_is_named() {
    assert_eq!(read(&sysmon().with("ProcessId", "-")).process, None);
}

fn key(fields: &Fields<'_>) -> SourceKey {
    let reading = read(&fields.clone().with("MandatoryLabel", "S-1-16-12288"));
    let observation = reading.observation.expect("something to store");
    observation.source_key.expect("a name")
}

#[test]
fn sysmon_is_elevated_from_high_on() {
    for (level, verdict) in [
        ("Low", Verdict::NotElevated),
        ("AppContainer", Verdict::NotElevated),
        ("Medium", Verdict::NotElevated),
        ("High", Verdict::Elevated),
        ("System", Verdict::Elevated),
        ("", Verdict::Undecided),
    ] {
        assert_eq!(
            read(&sysmon().with("IntegrityLevel", level)).verdict,
            verdict,
            "{level:?}"
        );
    }
}

#[test]
fn sysmon_keeps_its_own_time_and_one_spelling_of_ids() {
    let reading = read(&sysmon());
    let observation = reading.observation.as_ref().expect("something to store");
    assert_eq!(observation.observed_at_us, CREATED_US - 583_965);
    let process = elevation(&reading).process.clone().expect("a process");
    assert_eq!(process.process_guid, "AA6B631F-02BE-5FCB-1234-000000000500");
    assert_eq!((process.pid, process.logon_id.as_str()), (6692, "0xa992d"));
    let untimed = read(&sysmon().with("UtcTime", "-"));
    assert_eq!(
        untimed
            .observation
            .expect("something to store")
            .observed_at_us,
        CREATED_US
    );
}

#[test]
fn sysmon_hashes_are_taken_by_their_kind() {
    let digest = "AB".repeat(32);
    let of = |hashes: &str| {
        let reading = read(&sysmon().with("Hashes", hashes));
        let file = elevation(&reading).file.clone().expect("a file");
        (file.sha256, file.other_hashes)
    };
    let all = of(&format!("SHA1=01,MD5=02,SHA256={digest},IMPHASH=03"));
    assert_eq!(
        all,
        (vec![0xab; 32], "SHA1=01,MD5=02,IMPHASH=03".to_owned())
    );
    assert_eq!(
        of("MD5=02,IMPHASH=03"),
        (vec![], "MD5=02,IMPHASH=03".to_owned())
    );
    assert_eq!(of("SHA1=01"), (vec![], "SHA1=01".to_owned()));
    assert_eq!(of("SHA256=XYZ"), (vec![], "SHA256=XYZ".to_owned()));
    assert_eq!(of(""), (vec![], String::new()));
}

#[test]
fn version_text_that_says_nothing_is_absent() {
    for company in ["", "-", "?"] {
        let reading = read(&sysmon().with("Company", company));
        assert_eq!(
            elevation(&reading)
                .file
                .as_ref()
                .expect("a file")
                .company_name,
            "",
            "{company:?}"
        );
    }
    let reading = read(&sysmon().with("Company", "Sysinternals"));
    let file = elevation(&reading).file.as_ref().expect("a file");
    assert_eq!(
        (file.company_name.as_str(), file.publisher_subject.as_str()),
        ("Sysinternals", "")
    );
}

#[test]
fn other_events_are_nobodys_process() {
    for (provider, event_id) in [
        ("Microsoft-Windows-Security-Auditing", 4624),
        ("Microsoft-Windows-Sysmon", 5),
        ("Microsoft-Windows-Sysmon", 4688),
        ("Microsoft-Windows-Kernel-General", 1),
    ] {
        assert_eq!(
            read_event(&Fields::new(provider, event_id)),
            None,
            "{provider} {event_id}"
        );
    }
}
