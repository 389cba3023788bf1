//! From a stock sudo to the report: a sudo that knows nothing of us but `log_servers` tells an agent what it ran and what
//! it refused, and that is what the table says, whoever is killed in between. How our log server speaks is tested in the
//! agent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use epm_test_components::{Sudo, quiet_address};

use crate::programs::{Running, free_port, must, wait_for_port, wait_until_delivered};

/// Who runs sudo: people that the test makes. `eve` may run nothing.
const USERS: [&str; 3] = ["epm-anna", "epm-bert", "epm-eve"];
/// sudo 1.9.13 tells a log server of exits only where it logs input or output too.
const WITH_EXITS: &str = "log_stdin";
/// What sudo does of its own choice where nobody takes its records: it runs nothing, or runs on.
const STRICT: &str = "!ignore_logfile_errors, !ignore_iolog_errors";
const LENIENT: &str = "ignore_logfile_errors, ignore_iolog_errors";
/// The variable that sets how often sudo runs. This test takes a tenth: here every stage works on each run.
const RUNS: &str = "EPM_SUDO_RUNS";
const DEFAULT_RUNS: usize = 2_000;
/// How often the agent is killed while sudo runs.
const KILLS: usize = 4;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, and an agent that delivers to it and that sudo tells of its runs.
struct House {
    folder: tempfile::TempDir,
    grpc: String,
    sudo: SocketAddr,
    server: Option<Running>,
}

impl House {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, http) = (free_port(), free_port());
        let [grpc, http] = [port, http].map(|port| format!("127.0.0.1:{port}"));
        let data = folder.path().join("data");
        let data = data.to_string_lossy();
        let server = Running::start(
            "epm",
            &["serve", "--data", &data, "--grpc", &grpc, "--http", &http],
        );
        wait_for_port(port);
        Self {
            folder,
            grpc,
            sudo: quiet_address(),
            server: Some(server),
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_string_lossy().into_owned()
    }

    /// The agent, once it listens.
    fn agent(&self, more: &[&str]) -> Running {
        let collector = format!("http://{}", self.grpc);
        let (state, socket, sudo) = (
            self.path("agent"),
            self.path("socket"),
            self.sudo.to_string(),
        );
        let mut arguments = vec![
            "run",
            "--collector",
            &collector,
            "--state",
            &state,
            "--socket",
            &socket,
            "--sudo-log-server",
            &sudo,
            "--self-test",
            "off",
        ];
        arguments.extend(more);
        let agent = Running::start("epm-agent", &arguments);
        wait_for_port(self.sudo.port());
        agent
    }

    /// Lines of sudoers that send everything to the agent.
    fn sudoers(&self, defaults: &str) -> String {
        format!(
            "Defaults !syslog, !authenticate, log_servers = {}, {defaults}\n\
             {},{} ALL=(ALL) ALL, !/usr/bin/false\n",
            self.sudo, USERS[0], USERS[1]
        )
    }

    /// Ends everything once it is delivered, and gives the rows.
    fn rows(mut self, agent: Running, columns: &str) -> Vec<String> {
        wait_until_delivered(&self.path("agent"));
        assert_eq!(agent.terminate(), Some(0));
        let server = self.server.take().expect("it runs");
        assert_eq!(server.terminate(), Some(0), "it folds what it has");
        let verified = must("epm", &["verify", "--data", &self.path("data")]);
        assert!(verified.contains("0 are broken"), "{verified}");
        self.rows_so_far(columns)
    }

    /// The report's rows in order: one text of the columns for each.
    fn rows_so_far(&self, columns: &str) -> Vec<String> {
        let data = self.path("data");
        let report = [
            "report",
            "elevations",
            "--data",
            &data,
            "--columns",
            columns,
        ];
        let csv = must("epm", &[&report[..], &["--format", "csv"]].concat());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let mut rows: Vec<String> = reader
            .records()
            .map(|row| row.expect("CSV").iter().collect::<Vec<_>>().join("|"))
            .collect();
        rows.sort_unstable();
        rows
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_stock_sudo_ran_and_refused_is_what_the_report_says() {
    let house = House::start();
    let Some(sudo) = Sudo::with_users(&house.sudoers(WITH_EXITS), &USERS) else {
        return;
    };
    let agent = house.agent(&[]);
    let [anna, bert, eve] = USERS;
    // Who, what, and how sudo ends.
    let launches = [
        (anna, "sudo -n id -u", Some(0)),
        (bert, "sudo -n sh -c 'exit 3' 'with blank'", Some(3)),
        (anna, "sudo -n /usr/bin/false", Some(1)),
        (eve, "sudo -n /usr/bin/true", Some(1)),
        (anna, "sudo -n -u daemon true", Some(0)),
        (bert, "exec sudo -n sh -c 'kill -9 $$'", None),
    ];
    for (user, script, code) in launches {
        let output = sudo.run_as(user, script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), code, "{user} {script}: {said}");
    }
    let columns = "user_name,file_name,arguments,target_user_name,outcome,management,trigger,sensors,result_code,signal,reason";
    // A spreadsheet would take a text that begins with a dash for a formula: the quote before it stops that. What ran as
    // daemon was not elevated.
    let managed = "unmanaged|sudo|sudo_log_server";
    assert_eq!(
        house.rows(agent, columns),
        [
            format!("{anna}|false||root|denied|{managed}|||command not allowed"),
            format!("{anna}|id|'-u|root|elevated|{managed}|0||"),
            format!("{bert}|sh|'-c 'exit 3' 'with blank'|root|elevated|{managed}|3||"),
            format!("{bert}|sh|'-c 'kill -9 $$'|root|elevated|{managed}|137|KILL|"),
            format!("{eve}|true||root|denied|{managed}|||user NOT in sudoers"),
        ]
    );
}

#[test]
fn a_log_that_sudo_kept_itself_is_in_the_report_once_however_often_it_is_sent() {
    let house = House::start();
    let Some(only_users) = Sudo::with_users("", &USERS) else {
        return;
    };
    let logs = only_users.folder().join("io");
    let own = format!(
        "Defaults !syslog, log_output, iolog_dir={}\n{} ALL=(ALL) NOPASSWD: ALL\n",
        logs.display(),
        USERS[0]
    );
    let sudo = Sudo::with_users(&own, &USERS).expect("it was usable");
    let codes: Vec<Option<i32>> = ["exit 0", "exit 5", "echo said; exit 6"]
        .iter()
        .map(|script| {
            let script = format!("sudo -n sh -c '{script}'");
            sudo.run_as(USERS[0], &script).status.code()
        })
        .collect();
    assert_eq!(codes, [Some(0), Some(5), Some(6)]);
    let send = |number: usize| {
        let sent = Command::new("/usr/sbin/sudo_sendlog")
            .args(["-h", "127.0.0.1", "-p", &house.sudo.port().to_string()])
            .arg(logs.join(format!("00/00/0{number}")))
            .output()
            .expect("it runs");
        sent.status.success()
    };
    assert!(!send(1), "nobody takes it");
    let mut agent = house.agent(&[]);
    assert!((1..=3).all(send), "the agent takes them");
    agent.kill();
    let agent = house.agent(&[]);
    assert!((1..=3).all(send), "and takes them again");
    let rows = house.rows(agent, "user_name,file_name,arguments,outcome,result_code");
    // sudo 1.9.13 writes no exit code into such a log, and sends a zero for each.
    let scripts = ["echo said; exit 6", "exit 0", "exit 5"];
    let expected = scripts.map(|script| format!("{}|sh|'-c '{script}'|elevated|0", USERS[0]));
    assert_eq!(rows, expected);
}

#[test]
fn a_run_that_sudo_tells_its_log_server_and_two_logs_is_one_row() {
    let house = House::start();
    let logs = tempfile::tempdir().expect("a temporary folder");
    let log = |name: &str| logs.path().join(name).to_string_lossy().into_owned();
    let (own, json) = (log("sudo.log"), log("sudo.json"));
    let sudoers = house.sudoers(&format!("{WITH_EXITS}, logfile = {own}"));
    let as_json = house.sudoers(&format!(
        "{WITH_EXITS}, logfile = {json}, log_format = json"
    ));
    let (Some(sudo), Some(with_json)) = (
        Sudo::with_users(&sudoers, &USERS),
        Sudo::with_users(&as_json, &USERS),
    ) else {
        return;
    };
    let agent = house.agent(&[
        "--follow-log",
        &own,
        "--follow-log",
        &json,
        "--poll",
        "100ms",
    ]);
    let [anna, bert, eve] = USERS;
    // The same command again and again within a second, by one and by two at a time, and others. What was told to the one
    // log is another command than what was told to the other, or which is which would be anybody's guess.
    for (sudo, name) in [(&sudo, "root"), (&with_json, "daemon")] {
        let again =
            format!("for i in 1 2 3 4 5 6 7 8 9 10; do sudo -n id -u {name} || exit 1; done");
        let both = format!("({again}) & {again} && wait $!");
        let long = format!("exit 3' 'a long one with \"quotes\" {}", "x".repeat(90));
        let launches = [
            (anna, both, 0),
            (bert, again, 0),
            (bert, format!("sudo -n sh -c '{long}' {name}"), 3),
            (anna, format!("sudo -n false {name}"), 1),
            (eve, format!("sudo -n true {name}"), 1),
        ];
        for (user, script, code) in launches {
            let output = sudo.run_as(user, &script);
            assert_eq!(output.status.code(), Some(code), "{user} {script}");
        }
    }
    let columns = "user_name,file_name,outcome,result_code,sensors";
    let counted = |rows: Vec<String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in rows {
            *counts.entry(row).or_default() += 1;
        }
        counts
    };
    let mut expected = BTreeMap::new();
    for log in [
        "sudo_log_server; sudo_logfile",
        "sudo_event_json; sudo_log_server",
    ] {
        for (row, count) in [
            (format!("{anna}|id|elevated|0|{log}"), 20),
            (format!("{bert}|id|elevated|0|{log}"), 10),
            (format!("{bert}|sh|elevated|3|{log}"), 1),
            (format!("{anna}|false|denied||{log}"), 1),
            (format!("{eve}|true|denied||{log}"), 1),
        ] {
            expected.insert(row, count);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while counted(house.rows_so_far(columns)) != expected && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(counted(house.rows(agent, columns)), expected);
}

#[test]
fn a_run_whose_agent_is_killed_ends_as_sudo_is_configured_and_stays_in_the_report() {
    let house = House::start();
    let sudoers = |more: &str| house.sudoers(&format!("{WITH_EXITS}, {more}"));
    let (Some(strict), Some(lenient)) = (
        Sudo::with_users(&sudoers(STRICT), &USERS),
        Sudo::with_users(&sudoers(LENIENT), &USERS),
    ) else {
        return;
    };
    let mut agent = house.agent(&[]);
    let begin = |sudo: &Sudo, name: &str| -> Running {
        let folder = sudo.folder().join("shared");
        fs::create_dir(&folder).expect("a folder");
        let folder = folder.display();
        // The command waits for the test, for a while, and says when it is through.
        let script = format!(
            "exec sudo -n sh -c ': > {folder}/begun; turns=0; \
             while [ ! -e {folder}/go ] && [ $((turns += 1)) -lt 600 ]; do sleep 0.1; done; : > {folder}/through' {name}"
        );
        let mut command = sudo.command(USERS[0], &script);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running(command.spawn().expect("unshare runs"))
    };
    let mut runs = [begin(&strict, "strict"), begin(&lenient, "lenient")];
    let shared = |sudo: &Sudo, name: &str| sudo.folder().join("shared").join(name);
    for sudo in [&strict, &lenient] {
        wait_for("sudo runs nothing", || shared(sudo, "begun").exists());
    }
    // sudo does not wait until its record is durable: it is killed behind that.
    wait_for("the starts are not in the report", || {
        house.rows_so_far("file_name") == ["sh", "sh"]
    });
    agent.kill();
    // Without an agent the strict one ends its command, and neither starts another that it may not.
    let ended = runs[0].0.wait().expect("it ends");
    assert!(!ended.success(), "no record, no run: {ended}");
    assert!(!shared(&strict, "through").exists());
    assert!(!strict.run_as(USERS[1], "sudo -n true").status.success());
    let output = lenient.run_as(USERS[1], "sudo -n id -u");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    fs::write(shared(&lenient, "go"), "").expect("it can be written");
    let ended = runs[1].0.wait().expect("it ends");
    assert!(ended.success(), "it runs on: {ended}");
    assert!(shared(&lenient, "through").exists());

    let agent = house.agent(&[]);
    for sudo in [&strict, &lenient] {
        let output = sudo.run_as(USERS[1], "sudo -n uname");
        assert!(output.status.success(), "the agent is back");
    }
    let rows = house.rows(agent, "user_name,file_name,outcome,result_code");
    // Of the two that were under way only the starts were told; what ran while nobody listened was told to nobody.
    assert_eq!(
        rows,
        [
            format!("{}|sh|elevated|", USERS[0]),
            format!("{}|sh|elevated|", USERS[0]),
            format!("{}|uname|elevated|0", USERS[1]),
            format!("{}|uname|elevated|0", USERS[1]),
        ]
    );
}

#[test]
fn every_run_that_sudo_made_is_in_the_report_once_through_kills_of_the_agent() {
    let house = House::start();
    let runs = std::env::var(RUNS).map_or(DEFAULT_RUNS, |runs| {
        runs.parse().expect("EPM_SUDO_RUNS is a number")
    }) / 10;
    let sudoers = house.sudoers(&format!("{WITH_EXITS}, {STRICT}"));
    let Some(sudo) = Sudo::with_users(&sudoers, &USERS) else {
        return;
    };
    let mut agent = house.agent(&[]);
    let began = Instant::now();
    // Each goes on until as many runs of its own succeeded as it shall make, and writes down every one that it tried.
    let tried = ["anna", "bert"].map(|name| sudo.folder().join(name));
    let mut shells: Vec<Running> = tried
        .iter()
        .zip(USERS)
        .map(|(tried, user)| {
            fs::write(tried, "").expect("it can be written");
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            fs::set_permissions(tried, open).expect("it can be opened");
            let script = format!(
                "i=0; left={}; while [ $left -gt 0 ]; do i=$((i+1)); \
                 sudo -n /usr/bin/true {user} $i; code=$?; echo $i $code >> {}; \
                 if [ $code = 0 ]; then left=$((left-1)); fi; done",
                runs / 2,
                tried.display()
            );
            let mut command = sudo.command(user, &script);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Running(command.spawn().expect("unshare runs"))
        })
        .collect();
    let made = |at: usize| {
        let text = fs::read_to_string(&tried[at]).expect("it can be read");
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines
            .map(|(run, code)| (format!("{} {run}", USERS[at]), code == "0"))
            .collect::<BTreeMap<_, _>>()
    };
    let mut cut_short = BTreeSet::new();
    for kill in 1..=KILLS {
        wait_for("sudo does not get on", || {
            let done = [0, 1].map(|at| made(at).values().filter(|done| **done).count());
            done.iter().sum::<usize>() >= kill * runs / (KILLS + 1)
        });
        let before = [0, 1].map(|at| made(at).len());
        agent.kill();
        // Under way in between: sudo starts its command before the record is durable, and ends well where the agent is
        // gone by then.
        for (at, before) in before.into_iter().enumerate() {
            let under_way = before + 1..=made(at).len() + 1;
            cut_short.extend(under_way.map(|run| format!("{} {run}", USERS[at])));
        }
        agent = house.agent(&[]);
    }
    for shell in &mut shells {
        assert!(shell.0.wait().expect("it ends").success());
    }
    let wall = began.elapsed();
    let (made, mut tried): (Vec<_>, BTreeSet<_>) = [0, 1].iter().flat_map(|at| made(*at)).fold(
        (Vec::new(), BTreeSet::new()),
        |(mut made, mut tried), (run, is_done)| {
            if is_done {
                made.push(run.clone());
            }
            tried.insert(run);
            (made, tried)
        },
    );
    let rows = house.rows(agent, "arguments,outcome,result_code");
    let complete: BTreeSet<&String> = rows.iter().filter(|row| row.ends_with("|0")).collect();
    for run in made.iter().filter(|run| !cut_short.contains(*run)) {
        let row = format!("{run}|elevated|0");
        assert!(complete.contains(&row), "{run} is missing");
    }
    for row in &rows {
        let (run, _) = row.split_once('|').expect("columns");
        assert!(tried.remove(run), "{row} is double, or nobody ran it");
    }
    assert_eq!(made.len(), runs / 2 * 2);
    println!(
        "{} runs of sudo in {wall:.1?}, {KILLS} kills of the agent, {} rows, {} with an exit",
        made.len(),
        rows.len(),
        complete.len()
    );
    assert!(complete.len() + cut_short.len() >= made.len());
}
