//! Audit logs as auditd, ausearch and the kernel write them, whole, out of order and cut.

use proptest::prelude::*;

use super::super::recorded::{Recorded, read_text};
use super::*;
use crate::source::Verdict;
use epm_proto::v1;

// sudo, sudo as somebody else, sudo of a program that is not there, and su: written by auditd 3.0.9 with names.
const LOG: &str = include_str!("../../../tests/seeds/audit.log");

fn read(text: &str) -> Recorded {
    read_text(&FORMAT, text)
}

// The log as auditd writes it without names.
fn raw(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.split('\x1d').next().unwrap_or(line);
        line.strip_prefix("node=web1 ").unwrap_or(line)
    });
    lines.map(|line| format!("{line}\n")).collect()
}

// (program, verdict, trigger, process that started it) of every start.
fn starts(recorded: &Recorded) -> Vec<(String, Verdict, v1::Trigger, u64)> {
    let of_kernel = |reading: &&crate::source::Reading| {
        reading.sensor == v1::SensorKind::AuditExecve && reading.observation.is_some()
    };
    let indexes = recorded.readings.iter().enumerate();
    indexes
        .filter(|(_, reading)| of_kernel(reading))
        .map(|(at, reading)| {
            let elevation = recorded.elevation(at);
            let file = elevation.file.as_ref().expect("a file");
            let process = elevation.process.as_ref().expect("a process");
            let (trigger, parent) = (elevation.trigger(), process.parent_pid);
            (file.path.clone(), reading.verdict, trigger, parent)
        })
        .collect()
}

#[test]
fn what_ran_as_root_is_told_with_the_tool_that_started_it() {
    use v1::Trigger::{Child, Su, Sudo};
    let recorded = read(LOG);
    assert_eq!(recorded.unreadable, Vec::<String>::new());
    let expected = [
        ("/usr/bin/sudo", Sudo, 16111),
        ("/usr/bin/id", Sudo, 16112),
        ("/usr/bin/sudo", Sudo, 16109),
        ("/usr/bin/sudo", Sudo, 16109),
        ("/usr/bin/su", Su, 16123),
        ("/usr/bin/bash", Su, 16165),
        ("/usr/bin/id", Child, 16165),
    ];
    let expected = expected
        .map(|(path, trigger, parent)| (path.to_owned(), Verdict::Elevated, trigger, parent));
    assert_eq!(starts(&recorded), expected);
}

#[test]
fn a_start_says_who_where_and_what() {
    let recorded = read(LOG);
    let is_bash = |at: &usize| {
        recorded.readings[*at].observation.is_some()
            && recorded
                .elevation(*at)
                .file
                .as_ref()
                .is_some_and(|file| file.file_name == "bash")
    };
    let at = (0..recorded.readings.len())
        .find(is_bash)
        .expect("bash ran");
    let elevation = recorded.elevation(at);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.arguments.as_str()),
        ("/usr/bin/bash", "-c id")
    );
    let user = elevation.user.as_ref().expect("a user");
    assert_eq!(
        (user.user_name_raw.as_str(), user.user_id.as_str()),
        ("anna", "4201")
    );
    let device = elevation.device.as_ref().expect("a device");
    assert_eq!(device.device_name, "web1");
    let process = elevation.process.as_ref().expect("a process");
    assert_eq!(
        (process.pid, process.parent_path.as_str()),
        (16194, "/usr/bin/su")
    );
    assert_eq!(
        (
            process.working_directory.as_str(),
            process.terminal.as_str()
        ),
        ("/tmp", "pts0")
    );
    assert_eq!(elevation.run_as(), v1::RunAs::Root);
}

#[test]
fn the_record_of_sudo_says_by_its_session_as_whom() {
    let recorded = read(LOG);
    let is_command = |at: &usize| recorded.readings[*at].sensor == v1::SensorKind::AuditUserCmd;
    let commands: Vec<usize> = (0..recorded.readings.len()).filter(is_command).collect();
    let verdicts: Vec<Verdict> = commands
        .iter()
        .map(|at| recorded.readings[*at].verdict)
        .collect();
    assert_eq!(
        verdicts,
        [Verdict::Elevated, Verdict::NotElevated, Verdict::Denied]
    );
    let run = recorded.elevation(commands[0]);
    assert_eq!(run.user.as_ref().expect("a user").target_user_name, "root");
    assert_eq!(run.process.as_ref().expect("a process").parent_pid, 16112);
    let denied = recorded.elevation(commands[2]);
    assert_eq!(denied.file.as_ref().expect("a file").path, "/tmp/no");
    // Without the session nothing says as whom.
    let alone: String = LOG
        .lines()
        .filter(|line| line.contains("USER_CMD"))
        .collect();
    let alone = read(&alone.replace("node=", "\nnode="));
    assert_eq!(
        alone.verdicts(),
        [Verdict::Denied, Verdict::Undecided, Verdict::Undecided]
    );
}

#[test]
fn the_raw_form_gives_the_same_starts() {
    let (enriched, raw) = (read(LOG), read(&raw(LOG)));
    assert_eq!(starts(&enriched), starts(&raw));
    assert_eq!(enriched.verdicts(), raw.verdicts());
    let user = raw.elevation(0).user.clone().expect("a user");
    assert_eq!(
        (user.user_name_raw.as_str(), user.user_id.as_str()),
        ("4201", "4201")
    );
}

#[test]
fn records_of_one_event_may_come_in_any_order_and_between_others() {
    let of = |event: &str| {
        LOG.lines()
            .filter(|line| line.contains(event))
            .collect::<Vec<_>>()
    };
    let (one, other) = (of(":938)"), of(":943)"));
    let in_order = read(&[&one[..], &other].concat().join("\n"));
    let mut mixed: Vec<&str> = Vec::new();
    for at in 0..one.len().max(other.len()) {
        mixed.extend(one.iter().rev().nth(at));
        mixed.extend(other.iter().rev().nth(at));
    }
    let mixed = read(&mixed.join("\n"));
    assert_eq!(starts(&in_order), starts(&mixed));
    assert_eq!(in_order.keys(), mixed.keys());
    assert_eq!(starts(&mixed).len(), 2);
}

#[test]
fn an_event_is_whole_at_its_end_or_when_time_or_others_have_passed() {
    let call = |serial: u64, second: u64| {
        format!(
            "type=SYSCALL msg=audit({second}.000:{serial}): arch=c000003e syscall=59 success=yes ppid=1 pid={serial} auid=1000 uid=1000 euid=0 ses=1 exe=\"/opt/raise\"\n"
        )
    };
    let lines = |text: &str| {
        let mut recorded = Recorded::default();
        let mut audit = Audit::default();
        for line in text.lines() {
            let _ = audit.record("", line.as_bytes(), &mut recorded);
        }
        recorded.readings.len()
    };
    assert_eq!(lines(&call(1, 100)), 0);
    assert_eq!(
        lines(&format!(
            "{}type=EOE msg=audit(100.000:1): \n",
            call(1, 100)
        )),
        1
    );
    assert_eq!(lines(&format!("{}{}", call(1, 100), call(2, 102))), 0);
    assert_eq!(lines(&format!("{}{}", call(1, 100), call(2, 103))), 1);
    let many: String = (0..80).map(|serial| call(serial, 100)).collect();
    assert_eq!(lines(&many), 80 - 64);
}

#[test]
fn only_a_start_that_came_to_pass_by_somebody_who_logged_in_is_an_elevation() {
    let line = "type=SYSCALL msg=audit(100.000:1): arch=c000003e syscall=59 success=yes ppid=1 pid=7 auid=1000 uid=1000 euid=0 ses=1 exe=\"/opt/raise\"\n";
    let recorded = read(line);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    assert_eq!(recorded.elevation(0).trigger(), v1::Trigger::Setuid);
    assert_eq!(
        read(&line.replace("euid=0", "euid=1000")).verdicts(),
        [Verdict::NotElevated]
    );
    assert_eq!(
        read(&line.replace("success=yes", "success=no")).skipped,
        ["failed_start"]
    );
    assert_eq!(
        read(&line.replace("syscall=59", "syscall=42")).skipped,
        ["other_call"]
    );
    for unset in ["auid=4294967295", "auid=-1", "auid=unset"] {
        assert_eq!(
            read(&line.replace("auid=1000", unset)).skipped,
            ["start_by_a_service"]
        );
    }
    assert_eq!(read(&line.replace("euid=0", "")).unreadable.len(), 1);
    assert_eq!(
        read("type=CWD msg=audit(1.0:1): cwd=\"/\"\n").skipped,
        ["event_without_its_call"]
    );
}

#[test]
fn a_tool_is_known_by_where_it_lies() {
    assert_eq!(
        raisers::trigger_of("/usr/bin/sudo"),
        Some(v1::Trigger::Sudo)
    );
    assert_eq!(raisers::trigger_of("/tmp/sudo"), None);
    assert_eq!(raisers::trigger_of("/home/anna/bin/su"), None);
}

#[test]
fn a_command_behind_a_terminal_of_sudos_own_is_known_by_its_words() {
    // sudo 4242 stands behind 4243, which has no record, and the program is 4244.
    let log = "\
type=SYSCALL msg=audit(99.900:1): arch=c000003e syscall=59 success=yes ppid=9 pid=4242 auid=1000 uid=1000 euid=0 ses=3 exe=\"/usr/bin/sudo\"
type=USER_CMD msg=audit(100.000:5): pid=4242 uid=1000 auid=1000 ses=3 msg='cwd=\"/\" cmd=7368202D63206964 exe=\"/usr/bin/sudo\" terminal=pts/0 res=success'
type=USER_START msg=audit(100.001:2): pid=4242 uid=1000 auid=1000 ses=3 msg='op=PAM:session_open acct=\"root\" exe=\"/usr/bin/sudo\" res=success'
type=SYSCALL msg=audit(100.002:3): arch=c000003e syscall=59 success=yes ppid=4243 pid=4244 auid=1000 uid=0 euid=0 ses=3 exe=\"/usr/bin/dash\"
type=EXECVE msg=audit(100.002:3): argc=3 a0=\"sh\" a1=\"-c\" a2=\"id\"
";
    let expected = (
        "/usr/bin/dash".to_owned(),
        Verdict::Elevated,
        v1::Trigger::Sudo,
        4242,
    );
    assert_eq!(starts(&read(log))[1..], [expected]);
    let other = log.replace("a2=\"id\"", "a2=\"ls\"");
    let expected = (
        "/usr/bin/dash".to_owned(),
        Verdict::Elevated,
        v1::Trigger::Child,
        4243,
    );
    assert_eq!(starts(&read(&other))[1..], [expected]);
}

#[test]
fn a_record_is_found_in_a_message_of_the_kernel_and_of_audispd() {
    let found = |message: &str| {
        in_message(message.as_bytes()).map(|record| String::from_utf8_lossy(&record).into_owned())
    };
    let record = "type=1300 audit(1.000:2): arch=c000003e";
    assert_eq!(
        found(&format!("[   12.5] audit: {record}")).as_deref(),
        Some(record)
    );
    let record = "node=web1 type=CWD msg=audit(1.000:2): cwd=\"/\"";
    assert_eq!(found(record).as_deref(), Some(record));
    assert_eq!(
        found("type=SYSCALL msg=audit(1.000:2): a=1#035AUID=\"anna\"").as_deref(),
        Some("type=SYSCALL msg=audit(1.000:2): a=1\x1dAUID=\"anna\"")
    );
    assert_eq!(found("usb 1-1: type=7 device"), None);
    assert_eq!(found(""), None);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(
        text in "(type=(SYSCALL|EXECVE|USER_CMD|EOE|CWD) |msg=audit\\(1\\.0:[1-3]\\): |a[0-9]=|a1\\[0\\]=|6964|\"|'|msg='|cmd=|auid=|euid=0 |\u{1d}|\n|[ -~é]){0,40}"
    ) {
        read(&text);
    }
}
