//! Lines of su, pkexec and doas as the real programs wrote them, and as other systems' do.

use proptest::prelude::*;

use super::super::recorded::{Recorded, read_text};
use super::super::syslog;
use super::*;

// Debian 12: doas of the port, pkexec of polkit 122, su of util-linux 2.38, through rsyslog.
const LOG: &str = include_str!("../../../tests/seeds/tools.log");

fn read(text: &str) -> Recorded {
    read_text(&syslog::FORMAT, text)
}

// Messages of one process of `tool` on web1, a second apart.
fn of(tool: &str, messages: &[&str]) -> Recorded {
    let line = |(second, message)| format!("Nov 24 08:43:{second:02} web1 {tool}[77]: {message}\n");
    let lines: String = messages.iter().enumerate().map(line).collect();
    read(&lines)
}

fn user(elevation: &v1::Elevation) -> (&str, &str, &str) {
    let user = elevation.user.as_ref().expect("a user");
    (&user.user_name_raw, &user.user_id, &user.target_user_name)
}

#[test]
fn the_lines_of_one_run_are_one_record() {
    let recorded = read(LOG);
    assert_eq!(recorded.unreadable, Vec::<String>::new());
    let of = |sensor: v1::SensorKind| -> Vec<Verdict> {
        let readings = recorded.readings.iter();
        readings
            .filter(|reading| reading.sensor == sensor)
            .map(|reading| reading.verdict)
            .collect()
    };
    use Verdict::{Denied, Elevated, Exit, NotElevated};
    let doas = [Elevated, Exit, Denied, Denied];
    assert_eq!(of(v1::SensorKind::Doas), doas);
    assert_eq!(of(v1::SensorKind::Pkexec), [Elevated, Denied]);
    let su = [Elevated, Exit, NotElevated, Exit, Denied];
    assert_eq!(of(v1::SensorKind::Su), su);
    // sudo may go on with a command in the next line, so the exit of the first waits for that.
    let sudo = [Elevated, NotElevated, Exit, Exit];
    assert_eq!(of(v1::SensorKind::SudoSyslog), sudo);
}

#[test]
fn a_record_has_what_its_lines_say_together() {
    let recorded = read(LOG);
    let doas = recorded.elevation(0);
    assert_eq!(user(doas), ("anna", "4201", "root"));
    let process = doas.process.as_ref().expect("a process");
    assert_eq!((process.pid, process.parent_pid), (12_900, 12_899));
    assert_eq!(process.working_directory, "/home/anna");
    let exit = recorded.exit(1);
    assert_eq!(exit.start_key, recorded.keys()[0]);
    let pkexec = of(
        "pkexec",
        &[
            "anna: Executing command [USER=root] [TTY=/dev/pts/2] [CWD=/a] [x] [COMMAND=/usr/bin/id -u [COMMAND=x]]",
        ],
    );
    let elevation = pkexec.elevation(0);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.arguments.as_str()),
        ("/usr/bin/id", "-u [COMMAND=x]")
    );
    let process = elevation.process.as_ref().expect("a process");
    assert_eq!(
        (
            process.working_directory.as_str(),
            process.terminal.as_str()
        ),
        ("/a] [x", "pts/2")
    );
    assert_eq!(elevation.trigger(), v1::Trigger::Pkexec);
}

#[test]
fn every_su_says_who_became_whom() {
    for message in [
        "(to root) anna on pts/0",
        "Successful su for root by anna",
        "+ /dev/pts/0 anna:root",
        "+ pts/0 anna-root",
        "anna to root on /dev/ttyp0",
        "'su root' succeeded for anna on /dev/pts/0",
    ] {
        let recorded = of("su", &[message]);
        assert_eq!(recorded.verdicts(), [Verdict::Elevated], "{message}");
        assert_eq!(
            user(recorded.elevation(0)),
            ("anna", "", "root"),
            "{message}"
        );
    }
    for message in [
        "FAILED SU (to root) anna on pts/0",
        "FAILED su for root by anna",
        "- /dev/pts/0 anna:root",
        "BAD SU anna to root on /dev/ttyp0",
        "'su root' failed for anna on /dev/pts/0",
    ] {
        let recorded = of("su", &[message]);
        assert_eq!(recorded.verdicts(), [Verdict::Denied], "{message}");
        assert_eq!(
            user(recorded.elevation(0)),
            ("anna", "", "root"),
            "{message}"
        );
    }
    let other = of(
        "su",
        &["+ ??? root:nobody", "bad group ID `x' for user `anna'", ""],
    );
    assert_eq!(other.verdicts(), [Verdict::NotElevated]);
    assert_eq!(of("su", &["(to root) anna"]).unreadable.len(), 1);
}

#[test]
fn shadows_two_lines_and_the_session_are_one_run_and_a_second_run_is_another() {
    let lines = [
        "Successful su for root by anna",
        "+ /dev/pts/0 anna:root",
        "pam_unix(su:session): session opened for user root by anna(uid=1000)",
    ];
    let one = of("su", &lines);
    assert_eq!(one.verdicts(), [Verdict::Elevated]);
    let two = of("su", &[lines, lines].concat());
    assert_eq!(two.verdicts(), [Verdict::Elevated, Verdict::Elevated]);
    let refused = of(
        "su",
        &["FAILED su for root by anna", "- /dev/pts/0 anna:root"],
    );
    assert_eq!(refused.verdicts(), [Verdict::Denied]);
}

#[test]
fn a_session_alone_is_a_run() {
    for (message, who) in [
        (
            "pam_unix(su-l:session): session opened for user root(uid=0) by anna(uid=1000)",
            ("anna", "1000", "root"),
        ),
        (
            "pam_unix(su:session): session opened for user root by (uid=1000)",
            ("1000", "1000", "root"),
        ),
        (
            "pam_unix(su:session): session opened for user root by anna",
            ("anna", "", "root"),
        ),
    ] {
        let recorded = of("su", &[message]);
        assert_eq!(recorded.verdicts(), [Verdict::Elevated], "{message}");
        assert_eq!(user(recorded.elevation(0)), who, "{message}");
        assert_eq!(
            recorded
                .elevation(0)
                .file
                .as_ref()
                .expect("a file")
                .file_name,
            "su"
        );
    }
    let closed = of(
        "su",
        &[
            "pam_unix(su:session): session opened for user root by (uid=1000)",
            "pam_unix(su:session): session closed for user root",
        ],
    );
    assert_eq!(closed.verdicts(), [Verdict::Elevated, Verdict::Exit]);
    assert_eq!(closed.exit(1).duration_ms, Some(1_000));
    let late = of(
        "su",
        &["pam_unix(su:session): session closed for user root"],
    );
    assert_eq!(late.skipped, ["session"]);
}

#[test]
fn wrong_passwords_before_the_end_are_part_of_it() {
    let wrong = "pam_unix(su:auth): authentication failure; logname= uid=1000 euid=0 tty=/dev/pts/3 ruser=anna rhost=  user=root";
    let refused = of("su", &[wrong, wrong, "FAILED SU (to root) anna on pts/3"]);
    assert_eq!(refused.verdicts(), [Verdict::Denied]);
    // One module does not know the user and another does.
    let worked = of("su", &[wrong, "(to root) anna on pts/3"]);
    assert_eq!(worked.verdicts(), [Verdict::Elevated]);
    let alone = of("su", &[wrong]);
    assert_eq!(alone.verdicts(), [Verdict::Denied]);
    assert_eq!(user(alone.elevation(0)), ("anna", "1000", "root"));
}

#[test]
fn doas_is_not_deceived_by_a_command_or_a_folder() {
    let target = |message: &str| of("doas", &[message]).verdicts();
    assert_eq!(
        target("anna ran command id as root from /"),
        [Verdict::Elevated]
    );
    assert_eq!(
        target("anna ran command id as bob from /"),
        [Verdict::NotElevated]
    );
    let folder = "anna ran command id as bob from /tmp/ as root from /x";
    assert_eq!(target(folder), [Verdict::Undecided]);
    let command = "anna ran command echo x as bob from / as root from /";
    assert_eq!(target(command), [Verdict::Undecided]);
    let same = "anna ran command echo x as root from / as root from /";
    assert_eq!(target(same), [Verdict::Elevated]);
    assert_eq!(of("doas", &["anna ran command id"]).unreadable.len(), 1);
    let refused = of("doas", &["command not permitted for bob: /bin/ls -l"]);
    assert_eq!(refused.verdicts(), [Verdict::Denied]);
    let file = refused.elevation(0).file.clone().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.arguments.as_str()),
        ("/bin/ls", "-l")
    );
}

#[test]
fn lines_far_apart_are_no_run() {
    let text = "\
Nov 24 08:43:00 web1 pkexec[9]: pam_unix(polkit-1:session): session opened for user root(uid=0) by (uid=1000)
Nov 24 08:44:00 web1 pkexec[9]: anna: Executing command [USER=root] [TTY=unknown] [CWD=/] [COMMAND=/bin/id]
";
    assert_eq!(
        read(text).verdicts(),
        [Verdict::Elevated, Verdict::Elevated]
    );
    let near = text.replace("08:44:00", "08:43:01");
    assert_eq!(read(&near).verdicts(), [Verdict::Elevated]);
    // Another process is another run.
    let other = near.replacen("pkexec[9]", "pkexec[8]", 1);
    assert_eq!(
        read(&other).verdicts(),
        [Verdict::Elevated, Verdict::Elevated]
    );
}

#[test]
fn records_of_the_audit_log_in_a_system_log_are_read() {
    let text = "\
Nov 24 08:43:00 web1 kernel: [   12.5] audit: type=1300 audit(1795509850.233:938): arch=c000003e syscall=59 success=yes ppid=1 pid=2 auid=1000 uid=1000 euid=0 ses=1 exe=\"/opt/raise\"
Nov 24 08:43:00 web1 audispd: node=web1 type=EXECVE msg=audit(1795509850.233:938): argc=1 a0=\"raise\"
Nov 24 08:43:00 web1 kernel: [   12.6] usb 1-1: new device
";
    let recorded = read(text);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    assert_eq!(
        recorded
            .elevation(0)
            .device
            .as_ref()
            .expect("a device")
            .device_name,
        "web1"
    );
    assert_eq!(recorded.skipped, ["other_program"]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(
        text in "(Nov 24 08:4[0-9]:00 h (su|doas|pkexec)(\\[1\\])?: |pam_unix\\(su:(session|auth)\\): |session (opened|closed) for user |root| by |\\(uid=0\\)|\\(to | ran command | as | from |\\+ |\\[USER=|\\] \\[TTY=|\n|[ -~é]){0,30}"
    ) {
        read(&text);
    }
}
