//! One device: a folder with programs that only root can change, policies, the running agent, and what it recorded.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use epm_agent::identity::read_agent_id;
use epm_agent::spool::Spool;
use epm_proto::v1::{self, record::Body};
use prost::Message as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::people::User;
use crate::components::{present, program, run};

/// An agent that was told to stop does so at once; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Groups whose members the agent takes for administrators; every Debian has the first.
pub(crate) const ADMINISTRATORS: &str = "sudo";
/// Room for what the kernel tells of a folder; what does not fit is told again.
const HINT_BYTES: usize = 4096;

/// A device with an agent.
pub(crate) struct World {
    folder: tempfile::TempDir,
    agent: Option<Running>,
    version: u64,
    /// Further options of `epm-agent run`.
    options: Vec<String>,
}

struct Running {
    process: Child,
    // Locked, so that launches may be made beside each other.
    said: Mutex<Receiver<String>>,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    fn said(&self) -> MutexGuard<'_, Receiver<String>> {
        self.said.lock().expect("no test panics with it")
    }
}

/// An elevation as it was recorded: how it began, and how it ended where it has.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) start: v1::Elevation,
    pub(crate) exit: Option<v1::ElevationExit>,
}

impl Recorded {
    pub(crate) fn user(&self) -> &v1::User {
        self.start.user.as_ref().expect("it has a user")
    }

    pub(crate) fn file(&self) -> &v1::File {
        self.start.file.as_ref().expect("it has a file")
    }

    pub(crate) fn policy(&self) -> &v1::Policy {
        self.start.policy.as_ref().expect("it has a policy")
    }

    pub(crate) fn process(&self) -> &v1::Process {
        self.start.process.as_ref().expect("it has a process")
    }
}

/// Copies a program, in a process of its own: what a process has open for writing cannot be run, and other tests' children
/// of this process would have it open for a moment too.
pub(crate) fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    run(copy.arg("--no-preserve=ownership").arg(from).arg(to)).expect("it can be copied");
}

/// Writes a program that everybody may run; see [`copy`].
pub(crate) fn write_program(to: &Path, text: &str) {
    let draft = to.with_extension("draft");
    fs::write(&draft, text).expect("it can be written");
    fs::set_permissions(&draft, Permissions::from_mode(0o755)).expect("it is ours");
    copy(&draft, to);
    fs::set_permissions(to, Permissions::from_mode(0o755)).expect("it is ours");
    fs::remove_file(draft).expect("it is there");
}

/// SHA-256 of a file, as policies write it.
pub(crate) fn hash(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).expect("it can be read"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every rule lets children run: how they are confined has tests of its own.
pub(crate) fn rule(id: &str, elevation_type: &str, path: &Path) -> Value {
    let name = path.file_name().expect("a name").to_string_lossy();
    let folder = path.parent().expect("a folder");
    json!({
        "id": id,
        "name": format!("rule {id}"),
        "elevation_type": elevation_type,
        "child_behaviour": "allow_all",
        "detection": {
            "file_name": name,
            "file_path": folder,
            "file_hash": hash(path),
            "signature": "not_configured",
        },
    })
}

/// `rule` with other values under these keys.
pub(crate) fn with(mut rule: Value, changes: Value) -> Value {
    let (Some(rule_keys), Value::Object(changes)) = (rule.as_object_mut(), changes) else {
        panic!("both are objects");
    };
    rule_keys.extend(changes);
    rule
}

impl World {
    /// A device without policies. Where this process is not root, says so in one line and gives nothing.
    pub(crate) fn new() -> Option<Self> {
        let root = rustix::process::geteuid().is_root().then_some(());
        let usable = root
            .ok_or_else(|| "root is needed to make users and to run the broker".to_owned())
            .and_then(|()| program("setpriv"))
            .and_then(|()| program("useradd"));
        present(usable)?;
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self {
            folder,
            agent: None,
            version: 0,
            options: Vec::new(),
        };
        fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).expect("it is ours");
        fs::create_dir(world.path("bin")).expect("a folder");
        let open = Permissions::from_mode(0o1777);
        fs::create_dir(world.path("open")).expect("a folder");
        fs::set_permissions(world.path("open"), open).expect("it is ours");
        world.install("elevate", Path::new(env!("CARGO_BIN_EXE_elevate")));
        Some(world)
    }

    /// The same, with the agent running under these rules and this default response.
    pub(crate) fn with(default: Option<&str>, rules: impl Fn(&Self) -> Vec<Value>) -> Option<Self> {
        let mut world = Self::new()?;
        let rules = rules(&world);
        world.write_policy(settings(default), rules);
        world.start();
        Some(world)
    }

    /// A path in the device's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder where every user may make files.
    pub(crate) fn open_folder(&self) -> PathBuf {
        self.path("open")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("elevate.sock")
    }

    /// Copies a program to where only root can change it.
    pub(crate) fn install(&self, name: &str, from: &Path) -> PathBuf {
        let to = self.path("bin").join(name);
        copy(from, &to);
        fs::set_permissions(&to, Permissions::from_mode(0o755)).expect("it is ours");
        to
    }

    /// The same with a script of the test.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let to = self.path("bin").join(name);
        write_program(&to, &format!("#!/bin/sh\n{text}\n"));
        to
    }

    /// Puts other policies in place of the old ones, at once for whoever reads.
    pub(crate) fn write_policy(&mut self, settings: Value, rules: Vec<Value>) {
        self.write_rules(settings, vec![(json!("all_devices"), rules)]);
    }

    /// The same, with further rules for one user only.
    pub(crate) fn write_policies(
        &mut self,
        settings: Value,
        common: Vec<Value>,
        own: Vec<Value>,
        user: &User,
    ) {
        let own = own.into_iter().map(|mut rule| {
            for key in ["id", "name"] {
                rule[key] = json!(format!("{} own", rule[key].as_str().unwrap_or_default()));
            }
            rule
        });
        let user = json!({"user": user.uid.to_string()});
        let all = vec![(json!("all_devices"), common), (user, own.collect())];
        self.write_rules(settings, all);
    }

    fn write_rules(&mut self, settings: Value, all: Vec<(Value, Vec<Value>)>) {
        self.version += 1;
        let filled = all.into_iter().filter(|(_, rules)| !rules.is_empty());
        let policies = filled.enumerate().map(|(number, (audience, rules))| {
            json!({
                "id": format!("policy {number}"), "name": format!("Rules {number}"), "platform": "linux",
                "assignment": {"include": [audience]}, "rules": rules,
            })
        });
        let policies: Vec<Value> = policies.collect();
        let file = json!({"version": self.version, "settings": [settings], "rules": policies});
        self.write_policy_file(&file.to_string());
    }

    pub(crate) fn write_policy_file(&self, text: &str) {
        let next = self.path("policy.next");
        fs::write(&next, text).expect("it can be written");
        fs::rename(next, self.policy()).expect("it can be put in place");
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.path("policy.json")
    }

    /// The same, and waits until the agent goes by them.
    pub(crate) fn change_policy(&mut self, default: Option<&str>, rules: Vec<Value>) {
        self.write_policy(settings(default), rules);
        self.hear_of_policies();
    }

    /// Waits until the agent goes by the policies that were written last.
    pub(crate) fn hear_of_policies(&self) {
        let line = self.hear("new policies are in force");
        let version = format!("version={}", self.version);
        assert!(line.ends_with(&version), "{line}: not {version}");
    }

    /// Gives the agent another option, from its next start on.
    pub(crate) fn option(&mut self, option: &str, value: impl Into<String>) {
        self.options.extend([option.to_owned(), value.into()]);
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the agent with further variables in its environment, and returns when it listens.
    pub(crate) fn start_with(&mut self, variables: &[(&str, &str)]) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_epm-agent"))
            .args(["run", "--collector", "http://127.0.0.1:9"])
            .args(["--sudo-log-server", "off", "--log-level", "info"])
            .arg("--policy")
            .arg(self.policy())
            .arg("--socket")
            .arg(self.socket())
            .arg("--state")
            .arg(self.state())
            .args(&self.options)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let errors = BufReader::new(process.stderr.take().expect("piped"));
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it says something");
        assert!(
            line.starts_with("agent "),
            "{line:?}: {:?}",
            said.iter().collect::<Vec<_>>()
        );
        self.agent = Some(Running {
            process,
            said: Mutex::new(said),
            _stdout: stdout,
        });
    }

    /// Waits until the agent logs a line with these words, and gives it.
    pub(crate) fn hear(&self, words: &str) -> String {
        let agent = self.agent.as_ref().expect("it runs");
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = agent.said().recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("{words:?} was not logged: {error}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits until `epm-agent status` says this of the broker.
    pub(crate) fn status_until(&self, state: &str, words: &str) {
        let changes = Changes::of(&self.state());
        let end = Instant::now() + PATIENCE;
        loop {
            let mut status = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
            status
                .args(["status", "--json", "--state"])
                .arg(self.state());
            let said: Value =
                serde_json::from_str(&run(&mut status).expect("it runs")).expect("JSON");
            let sensors = said["agent"]["sensors"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let broker = sensors.iter().find(|sensor| sensor["sensor"] == "broker");
            let so = broker.is_some_and(|broker| {
                let detail = broker["detail"].as_str().unwrap_or_default();
                broker["state"] == state && detail.contains(words)
            });
            if so {
                return;
            }
            assert!(
                changes.wait(end),
                "the broker is not {state}, {words:?}: {said}"
            );
        }
    }

    /// What the agent logged so far and nobody heard.
    pub(crate) fn logged(&self) -> Vec<String> {
        let agent = self.agent.as_ref().expect("it runs");
        let said = agent.said();
        said.try_iter().collect()
    }

    /// The agent's process id.
    pub(crate) fn agent_pid(&self) -> u32 {
        self.agent.as_ref().expect("it runs").process.id()
    }

    /// Ends the agent as a crash would.
    pub(crate) fn kill_agent(&mut self) {
        let mut agent = self.agent.take().expect("it runs");
        agent.process.kill().expect("it can be killed");
        agent.process.wait().expect("it is dead");
    }

    /// Waits until the agent ends by itself.
    pub(crate) fn agent_ended(&mut self) -> ExitStatus {
        let mut agent = self.agent.take().expect("it runs");
        agent.process.wait().expect("it is dead")
    }

    /// `elevate` with these words, as this user.
    pub(crate) fn elevate(&self, user: &User, words: &[&str]) -> Command {
        let elevate = self.path("bin").join("elevate");
        let mut command = user.command(&elevate.to_string_lossy());
        command
            .args(words)
            .current_dir("/")
            .env("EPM_SOCKET", self.socket())
            .stdin(Stdio::null());
        command
    }

    /// The same, run to its end without a terminal.
    pub(crate) fn ran(&self, user: &User, words: &[&str]) -> Output {
        // A session of its own: the terminal of whoever runs the tests is nobody's to ask.
        let elevate = self.elevate(user, words);
        let mut command = Command::new("setsid");
        command
            .arg("--wait")
            .arg(elevate.get_program())
            .args(elevate.get_args())
            .current_dir("/")
            .env("EPM_SOCKET", self.socket())
            .stdin(Stdio::null());
        command.output().expect("it runs")
    }

    /// All elevations that were recorded, each once, in their order.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let mut all: Vec<Recorded> = Vec::new();
        let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for record in self.records() {
            match record.body {
                // A start that is told again under its key is the same one.
                Some(Body::Elevation(start)) => {
                    places.entry(record.source_event_key).or_insert_with(|| {
                        all.push(Recorded { start, exit: None });
                        all.len() - 1
                    });
                }
                Some(Body::ElevationExit(exit)) => {
                    let at = places.get(&exit.start_key).expect("a start before its end");
                    if let Some(before) = all[*at].exit.replace(exit.clone()) {
                        assert_eq!(before, exit, "an elevation ends once");
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// What waits in the spool. Nothing is ever delivered: there is no collector.
    fn records(&self) -> Vec<v1::Record> {
        let id = read_agent_id(&self.state()).expect("it can be read");
        let Some(spool) = id.and_then(|id| Spool::look(&self.state(), id).expect("it is there"))
        else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for place in spool.epochs() {
            let mut from = 0;
            loop {
                let read = spool.read(place.epoch, from, 1000, usize::MAX);
                let read = read.expect("the spool can be read");
                let Some(last) = read.last() else { break };
                from = last.sequence + 1;
                records.extend(read.iter().map(|record| {
                    v1::Record::decode(record.bytes.clone()).expect("it is a record")
                }));
            }
        }
        records
    }

    /// Waits until the records are so, and gives them.
    pub(crate) fn recorded_until(
        &self,
        what: &str,
        so: impl Fn(&[Recorded]) -> bool,
    ) -> Vec<Recorded> {
        let changes = Changes::of(&self.state().join("spool"));
        let end = Instant::now() + PATIENCE;
        loop {
            let recorded = self.recorded();
            if so(&recorded) {
                return recorded;
            }
            assert!(changes.wait(end), "not recorded: {what}; {recorded:#?}");
        }
    }

    /// Waits until the agent owes no end to any elevation.
    pub(crate) fn journal_until_empty(&self) {
        let journal = self.state().join("elevations");
        let changes = Changes::of(&journal);
        let end = Instant::now() + PATIENCE;
        while fs::read_dir(&journal)
            .expect("it is there")
            .next()
            .is_some()
        {
            assert!(changes.wait(end), "an elevation has no end");
        }
    }

    /// Waits until this many elevations were recorded and all that ran have ended, and gives the last one.
    pub(crate) fn last_of(&self, count: usize) -> Recorded {
        let ended =
            |one: &Recorded| one.exit.is_some() || one.start.outcome() != v1::Outcome::Elevated;
        let all = self.recorded_until(&format!("{count} with their ends"), |all| {
            all.len() >= count && all.iter().all(ended)
        });
        assert_eq!(all.len(), count, "{all:#?}");
        all.last().expect("one at least").clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.agent.is_some() {
            self.kill_agent();
        }
    }
}

/// Settings for everybody.
pub(crate) fn settings(default: Option<&str>) -> Value {
    let mut settings = json!({
        "id": "settings", "name": "Everybody",
        "assignment": {"include": ["all_devices"]},
    });
    if let Some(default) = default {
        settings["default_response"] = json!(default);
    }
    settings
}

/// Tells when something in a folder changes.
struct Changes(rustix::fd::OwnedFd);

impl Changes {
    fn of(folder: &Path) -> Self {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let told = inotify::init(flags).expect("the kernel tells of changes");
        let flags =
            WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        inotify::add_watch(&told, folder, flags).expect("the folder is there");
        Self(told)
    }

    /// False where nothing changed until `end`.
    fn wait(&self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
        let some = poll(&mut ready, Some(&left)).expect("it can wait") > 0;
        let mut buffer = [MaybeUninit::uninit(); HINT_BYTES];
        let mut hints = inotify::Reader::new(&self.0, &mut buffer);
        while hints.next().is_ok() {}
        some
    }
}

/// What a program wrote, without its end of line.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

/// All of a file, or nothing where there is none.
pub(crate) fn contents(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_string(&mut text).expect("it is text");
    }
    text
}
