//! A real sudo writes a real log that is rotated all the time, and `epm-agent follow` is killed again and again: each run
//! of sudo reaches the collector as one elevation.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use epm_proto::v1;
use prost::Message;

use crate::components;
use crate::peer::Peer;

const RUNS: usize = 400;
const ROTATIONS: usize = 100;
/// Rotated files with these numbers are packed, as logrotate does with the second newest.
const PACKED_FROM: usize = 2;

/// An account that is there as long as the value.
struct Account(String);

impl Account {
    fn create() -> Option<Self> {
        let name = format!("epm-follow-{}", std::process::id());
        let made = Command::new("useradd").args(["-M", &name]).status();
        made.is_ok_and(|status| status.success())
            .then(|| Self(name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).status();
    }
}

/// A follower in a process of its own, killed when the value goes.
struct Running {
    process: Child,
    /// Where it says what it does, behind what others before it said.
    told: PathBuf,
    told_before: usize,
}

impl Running {
    fn start(folder: &Path, collector: &str) -> Self {
        let path = folder.join("told");
        let told = File::options().append(true).create(true).open(&path);
        let told = told.expect("a file");
        let told_before = fs::read(&path).expect("it is there").len();
        let child = Command::new(env!("CARGO_BIN_EXE_epm-agent"))
            .args(["follow", "--log-level", "warn", "--collector", collector])
            .arg("--state")
            .arg(folder.join("state"))
            .arg(folder.join("logs/sudo.log"))
            .stdin(Stdio::null())
            .stdout(told.try_clone().expect("it can be cloned"))
            .stderr(told)
            .spawn();
        Self {
            process: child.expect("it starts"),
            told: path,
            told_before,
        }
    }

    /// Asks it to end, once it has begun: one that has not yet turned to signals is ended by any.
    fn terminate(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        let begun =
            |told: Vec<u8>| String::from_utf8_lossy(&told[self.told_before..]).contains("follows;");
        while !fs::read(&self.told).is_ok_and(begun) {
            assert!(Instant::now() < deadline, "it does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.is_ok_and(|sent| sent.success()));
        self.process.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Everything that a test with a real sudo needs.
fn real_sudo() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can run sudo as somebody else".to_owned());
    }
    let programs = [
        "sudo", "unshare", "runuser", "flock", "useradd", "gzip", "zcat",
    ];
    programs.into_iter().try_for_each(components::program)
}

/// Runs sudo as `account` with rules of our own, which nobody else on the machine sees. Each run holds `lock`, shared.
/// It never is more than two rotations ahead, so that the log rotates while it is written, however fast either is.
fn sudo_runs(folder: &Path, account: &str) -> Child {
    let (rules, log) = (folder.join("sudoers"), folder.join("logs/sudo.log"));
    let text = format!(
        "Defaults logfile={}, !syslog\nroot ALL=(ALL:ALL) NOPASSWD: ALL\n{account} ALL=(ALL:ALL) NOPASSWD: ALL, !/bin/false\n",
        log.display()
    );
    fs::write(&rules, text).expect("it can be written");
    let script = format!(
        "mount --bind {rules} /etc/sudoers || exit 9
         for run in $(seq {RUNS}); do
             while [ \"$(cat {rotations})\" -lt $((run * {ROTATIONS} / {RUNS} - 2)) ]; do sleep 0.01; done
             flock -s {lock} runuser -u {account} -- sudo -n /bin/echo run-$run >/dev/null || exit 8
             if [ $((run % 50)) = 0 ]; then
                 flock -s {lock} runuser -u {account} -- sudo -n /bin/false refused-$run 2>/dev/null && exit 7
             fi
         done
         exit 0",
        rules = rules.display(),
        lock = folder.join("lock").display(),
        rotations = folder.join("rotations").display(),
    );
    Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir("/")
        .spawn()
        .expect("it starts")
}

fn rotated(log: &Path, number: usize, packed: &str) -> PathBuf {
    PathBuf::from(format!("{}.{number}{packed}", log.display()))
}

/// Lets sudo go on; a file that is replaced is never read half written.
fn tell_rotations(folder: &Path, rotations: usize) {
    let next = folder.join("rotations.next");
    fs::write(&next, rotations.to_string()).expect("it can be written");
    fs::rename(next, folder.join("rotations")).expect("a rename");
}

/// What logrotate does: everything moves on by one, the log becomes `.1`, and the second newest is packed.
fn rotate(log: &Path, lock: &File, number: usize) {
    for number in (1..=number).rev() {
        for packed in ["", ".gz"] {
            let from = rotated(log, number, packed);
            if from.exists() {
                fs::rename(from, rotated(log, number + 1, packed)).expect("a rename");
            }
        }
    }
    if number.is_multiple_of(2) {
        fs::rename(log, rotated(log, 1, "")).expect("a rename");
        File::create_new(log).expect("a new log");
    } else {
        // What is written between copy and cut is lost to everybody, so nobody writes in between.
        lock.lock().expect("a lock");
        fs::copy(log, rotated(log, 1, "")).expect("a copy");
        let file = File::options().write(true).open(log);
        file.and_then(|file| file.set_len(0)).expect("it is cut");
        lock.unlock().expect("it is unlocked");
    }
    let plain = rotated(log, PACKED_FROM, "");
    if plain.exists() {
        let packed = Command::new("gzip").arg(&plain).status();
        assert!(packed.is_ok_and(|status| status.success()), "it is packed");
    }
}

/// How often all files of the log have `word`, read by another program. sudo wraps at blanks, so it is one word.
fn lines_with(log: &Path, word: &str) -> usize {
    let folder = log.parent().expect("it has one");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let output = Command::new("zcat").arg("-f").arg(&path).output();
        let text = output.expect("it can be read").stdout;
        count += String::from_utf8_lossy(&text).matches(word).count();
    }
    count
}

/// Runs and refusals that the collector has, each by its source key.
fn arrived(peer: &Peer) -> (BTreeSet<String>, usize, usize) {
    let mut keys = BTreeSet::new();
    let (mut runs, mut elevated, mut denied) = (BTreeSet::new(), 0, 0);
    for bytes in peer.state().records.values() {
        let record = v1::Record::decode(bytes.clone()).expect("it is a record");
        let Some(v1::record::Body::Elevation(elevation)) = record.body else {
            continue;
        };
        if !keys.insert(record.source_event_key) {
            continue;
        }
        match elevation.outcome() {
            v1::Outcome::Elevated => {
                elevated += 1;
                let file = elevation.file.expect("it has one");
                runs.insert(file.arguments);
            }
            v1::Outcome::Denied => denied += 1,
            other => panic!("{other:?}"),
        }
    }
    (runs, elevated, denied)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::print_stdout,
    reason = "how often it was killed is told with --nocapture"
)]
async fn a_real_sudo_is_followed_through_a_hundred_rotations_and_many_kills() {
    if components::present(real_sudo()).is_none() {
        return;
    }
    let Some(account) = Account::create() else {
        panic!("root cannot create an account");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("logs/sudo.log");
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    File::create(&log).expect("a log");
    let lock = File::create(folder.path().join("lock")).expect("a lock");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let collector = format!("http://{address}");

    tell_rotations(folder.path(), 0);
    let mut sudo = sudo_runs(folder.path(), &account.0);
    let is_rotated = Arc::new(AtomicBool::new(false));
    let has_ended = Arc::new(AtomicBool::new(false));
    let rotating = {
        let (log, folder) = (log.clone(), folder.path().to_owned());
        let (is_rotated, has_ended) = (Arc::clone(&is_rotated), Arc::clone(&has_ended));
        std::thread::spawn(move || {
            let mut rotations = 0;
            while rotations < ROTATIONS {
                // A log that holds something, as logrotate wants it. Behind the last run nothing more comes.
                let holds = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0);
                if holds || has_ended.load(Ordering::SeqCst) {
                    rotate(&log, &lock, rotations);
                    rotations += 1;
                    tell_rotations(&folder, rotations);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            is_rotated.store(true, Ordering::SeqCst);
        })
    };
    let mut follower = Running::start(folder.path(), &collector);
    let (mut kills, mut wait_ms) = (0_u64, 100);
    while !is_rotated.load(Ordering::SeqCst) || !has_ended.load(Ordering::SeqCst) {
        let ended = sudo.try_wait().expect("it can be asked");
        has_ended.store(ended.is_some(), Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        drop(follower);
        kills += 1;
        // Between a start and the next kill: long enough to do something, and different each time.
        wait_ms = 50 + kills * 379 % 900;
        follower = Running::start(folder.path(), &collector);
    }
    let status = sudo.wait().expect("it ended");
    assert!(status.success(), "sudo ran: {status}");
    rotating.join().expect("the log was rotated");

    let deadline = Instant::now() + Duration::from_secs(240);
    let (runs, elevated, denied) = loop {
        let arrived = arrived(&peer);
        if arrived.0.len() >= RUNS && arrived.2 >= RUNS / 50 || Instant::now() > deadline {
            break arrived;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let ended = follower.terminate();
    let told = fs::read_to_string(&follower.told).expect("it can be read");
    println!("{kills} kills, {ROTATIONS} rotations, {elevated} elevated, {denied} denied");
    assert_eq!(
        lines_with(&log, " run-"),
        RUNS,
        "what sudo wrote is all there"
    );
    assert_eq!((elevated, denied), (RUNS, RUNS / 50), "{told}");
    assert_eq!(runs.len(), RUNS, "each run once");
    assert!(ended.success(), "{ended}: {told}");
}
