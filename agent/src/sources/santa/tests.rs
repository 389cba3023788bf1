//! Both logs of one session tell the same: what a person ran as root, and nothing of the system's own.

use epm_proto::v1;

use super::super::format::Head;
use super::super::recorded::{Recorded, read_text};
use super::*;
use crate::source::Verdict;

fn line(pid: i64, parent: i64, uid: i64, path: &str, more: &str) -> String {
    let user = if uid == 0 { "root" } else { "anna" };
    format!(
        "[2026-11-23T05:29:20.12{pid}Z] I santad: action=EXEC|decision=ALLOW|reason=CERT|sha256={}|cert_sha256=aa|\
         cert_cn=Example, Inc.|pid={pid}|pidversion=1{pid}|ppid={parent}|uid={uid}|user={user}|gid=20|group=staff|\
         mode=M|path={path}|args={path} -l{more}|machineid=mac-1\n",
        "ab".repeat(32)
    )
}

fn object(pid: i64, parent: i64, uids: (i64, i64), path: &str) -> String {
    let name = |uid: i64| if uid == 0 { "root" } else { "anna" };
    format!(
        "{{\"machine_id\":\"mac-1\",\"event_time\":\"2026-11-23T05:29:20.12{pid}Z\",\"processed_time\":\"x\",\
         \"execution\":{{\"instigator\":{{\"id\":{{\"pid\":{parent}}},\"executable\":{{\"path\":\"/bin/zsh\"}}}},\
         \"target\":{{\"id\":{{\"pid\":{pid},\"pidversion\":1{pid}}},\"parent_id\":{{\"pid\":{parent}}},\
         \"effective_user\":{{\"uid\":{},\"name\":\"{}\"}},\"real_user\":{{\"uid\":{},\"name\":\"{}\"}},\
         \"executable\":{{\"path\":\"{path}\",\"hash\":{{\"type\":\"HASH_ALGO_SHA256\",\"hash\":\"{}\"}}}}}},\
         \"args\":[\"bHM=\",\"LWw=\"],\"decision\":\"DECISION_ALLOW\",\"reason\":\"REASON_CERT\"}}}}\n",
        uids.0,
        name(uids.0),
        uids.1,
        name(uids.1),
        "ab".repeat(32)
    )
}

fn who(recorded: &Recorded, at: usize) -> (String, String, v1::Trigger) {
    let elevation = recorded.elevation(at);
    let user = elevation.user.clone().unwrap_or_default();
    let file = elevation.file.clone().unwrap_or_default();
    (user.user_name_raw, file.file_name, elevation.trigger())
}

#[test]
fn what_a_person_runs_through_sudo_is_theirs_and_a_daemon_is_nobodys() {
    let text = [
        line(1, 0, 0, "/sbin/launchd", ""),
        line(2, 1, 501, "/bin/zsh", ""),
        line(3, 2, 501, "/usr/bin/sudo", ""),
        line(4, 3, 0, "/bin/ls", "<pipe>\\nx"),
        line(5, 1, 0, "/usr/libexec/thing", ""),
    ];
    let recorded = read_text(&TEXT, &text.concat());
    use Verdict::{Elevated, NotElevated};
    assert_eq!(recorded.verdicts(), [NotElevated, NotElevated, Elevated]);
    assert_eq!(recorded.skipped, [NO_PERSON, NO_PERSON]);
    let expected = ("anna".to_owned(), "ls".to_owned(), v1::Trigger::Sudo);
    assert_eq!(who(&recorded, 2), expected);
    let elevation = recorded.elevation(2);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(file.arguments, "/bin/ls -l|\nx");
    assert_eq!(
        (file.sha256.len(), file.publisher_subject.as_str()),
        (32, "CN=Example  Inc.")
    );
    assert_eq!(
        elevation.user.as_ref().map(|user| user.user_id.as_str()),
        Some("501")
    );

    let json = [
        object(1, 0, (0, 0), "/sbin/launchd"),
        object(2, 1, (501, 501), "/bin/zsh"),
        object(3, 2, (0, 501), "/usr/bin/sudo"),
        object(4, 3, (0, 0), "/bin/ls"),
        object(5, 1, (0, 0), "/usr/libexec/thing"),
        object(6, 2, (0, 501), "/usr/bin/top"),
    ];
    let recorded = read_text(&JSON, &json.concat());
    assert_eq!(
        recorded.verdicts(),
        [NotElevated, NotElevated, Elevated, Elevated]
    );
    assert_eq!(who(&recorded, 2), expected);
    assert_eq!(
        recorded
            .elevation(2)
            .file
            .as_ref()
            .map(|file| file.arguments.as_str()),
        Some("ls -l")
    );
    assert_eq!(
        who(&recorded, 3),
        ("anna".to_owned(), "top".to_owned(), v1::Trigger::Setuid)
    );
}

#[test]
fn each_log_is_known_by_its_beginning() {
    let is = |format: &Format, text: &str| (format.recognises)(&Head::new(text.as_bytes()));
    let text = format!("rest of a line\n{}", line(4, 3, 0, "/bin/ls", ""));
    let json = object(4, 3, (0, 0), "/bin/ls");
    assert!(is(&TEXT, &text) && is(&TEXT, &text[15..]) && !is(&TEXT, &json));
    assert!(is(&JSON, &json) && !is(&JSON, &text));
}

#[test]
fn a_start_as_root_that_santa_stops_is_denied() {
    let denied = line(4, 3, 0, "/tmp/tool", "").replace("decision=ALLOW", "decision=DENY");
    let text = [line(3, 2, 501, "/usr/bin/sudo", ""), denied];
    let recorded = read_text(&TEXT, &text.concat());
    assert_eq!(recorded.verdicts(), [Verdict::NotElevated, Verdict::Denied]);
    assert_eq!(recorded.elevation(1).reason, "CERT");
}

#[test]
fn other_actions_and_damage_are_counted() {
    let text = "[2026-11-23T05:29:20.123Z] I santad: action=WRITE|path=/a|pid=1\n\
                [2026-11-23T05:29:20.123Z] I santad: action=EXEC|decision=ALLOW|path=/a\n\
                [yesterday] I santad: action=EXEC|pid=1|uid=0\n\
                something else\n";
    let recorded = read_text(&TEXT, text);
    assert_eq!((recorded.unreadable.len(), recorded.skipped.len()), (3, 1));
    let json = "{\"event_time\":\"2026-11-23T05:29:20Z\",\"processed_time\":\"x\",\"disk\":{}}\n\
                {\"execution\":{}}\n{\"other\":1}\n";
    let recorded = read_text(&JSON, json);
    assert_eq!((recorded.unreadable.len(), recorded.skipped.len()), (2, 1));
}

#[test]
fn a_path_in_the_arguments_does_not_become_the_program() {
    let text = [
        line(3, 2, 501, "/usr/bin/sudo", ""),
        line(4, 3, 0, "/bin/ls", "|path=/tmp/other|uid=501|user=eve"),
    ];
    let recorded = read_text(&TEXT, &text.concat());
    assert_eq!(
        who(&recorded, 1),
        ("anna".to_owned(), "ls".to_owned(), v1::Trigger::Sudo)
    );
}
