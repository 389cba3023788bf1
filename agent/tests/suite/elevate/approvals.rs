//! Support approves: a request is recorded, the answer is a signed file, and it is good for as many launches as it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use epm_proto::v1;

use super::people::User;
use super::pty::Terminal;
use super::world::{World, rule, settings, text};
use crate::components::{present, program, run};

/// Names the step at which the agent kills itself.
const CRASH_AT: &str = "EPM_TEST_CRASH_AT";

/// A device whose users need an approval for a program, and whoever approves.
struct Device {
    anna: User,
    world: World,
}

impl Device {
    fn new() -> Option<Self> {
        let mut world = World::new()?;
        present(program("openssl"))?;
        for name in ["support", "stranger"] {
            let key = world.path(name);
            let public = world.path(&format!("{name}.pub"));
            let mut make = Command::new("openssl");
            make.args(["genpkey", "-algorithm", "ed25519", "-out"])
                .arg(&key);
            run(&mut make).expect("a key");
            let mut show = Command::new("openssl");
            show.args(["pkey", "-pubout", "-in"])
                .arg(&key)
                .arg("-out")
                .arg(&public);
            run(&mut show).expect("its public half");
        }
        let public = world.path("support.pub").to_string_lossy().into_owned();
        world.option("--approval-key", public);
        let mark = world.path("mark");
        let tool = world.script("tool", &format!("id -u; echo ran >> {}", mark.display()));
        world.write_policy(settings(None), vec![rule("r1", "support_approved", &tool)]);
        world.start();
        Some(Self {
            anna: User::new(""),
            world,
        })
    }

    fn tool(&self) -> String {
        self.world.path("bin/tool").to_string_lossy().into_owned()
    }

    fn asks(&self, user: &User) -> Output {
        self.world
            .ran(user, &["--reason", "to install", &self.tool()])
    }

    fn runs(&self) -> bool {
        let output = self.asks(&self.anna);
        let ran = text(&output.stdout) == "0";
        assert!(
            ran || output.stdout.is_empty() && output.status.code() == Some(1),
            "{output:?}"
        );
        ran
    }

    /// What a refusal says to hand over.
    fn request(&self) -> Vec<String> {
        let said = text(&self.asks(&self.anna).stderr);
        let (_, words) = said
            .split_once("hand over: ")
            .expect("it says what to hand over");
        words.split_whitespace().map(str::to_owned).collect()
    }

    fn signed(&self, key: &str, request: &[String], more: &[&str]) -> String {
        let mut approve = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        approve
            .arg("approve")
            .arg("--key")
            .arg(self.world.path(key))
            .args(request)
            .args(more);
        run(&mut approve).expect("it can be signed")
    }

    fn hands_in(&self, name: &str, approval: &str) -> PathBuf {
        let path = self.world.state().join("approvals").join(name);
        fs::write(&path, approval).expect("it can be written");
        path
    }
}

fn changed(request: &[String], option: &str, value: &str) -> Vec<String> {
    let mut changed = request.to_vec();
    let at = changed
        .iter()
        .position(|word| word == option)
        .expect("it is there");
    changed[at + 1] = value.to_owned();
    changed
}

#[test]
fn a_request_is_recorded_and_its_signed_answer_is_good_for_as_many_launches_as_it_says() {
    let Some(device) = Device::new() else { return };
    let request = device.request();
    let asked = device.world.last_of(1);
    assert_eq!(asked.start.outcome(), v1::Outcome::Denied);
    assert_eq!(asked.start.reason, "approval_required");
    assert_eq!(asked.start.justification, "to install");
    assert_eq!(
        asked.start.elevation_type(),
        v1::ElevationType::SupportApproved
    );
    device.hands_in("one", &device.signed("support", &request, &["--uses", "2"]));
    assert!(device.runs());
    let ran = device.world.last_of(2);
    assert_eq!(ran.start.outcome(), v1::Outcome::Elevated);
    assert_eq!(ran.start.decision_source(), v1::DecisionSource::Approval);
    assert_eq!(
        ran.start.elevation_type(),
        v1::ElevationType::SupportApproved
    );
    assert!(device.runs());
    assert!(!device.runs(), "it was for two");
    // Under another name it is the same approval.
    let again = fs::read_to_string(device.world.state().join("approvals/one")).expect("text");
    device.hands_in("two", &again);
    assert!(!device.runs());
    device.hands_in("three", &device.signed("support", &request, &[]));
    assert!(device.runs());
    assert!(!device.runs());
}

#[test]
fn an_approval_for_another_user_device_file_or_time_or_by_a_stranger_runs_nothing() {
    let Some(device) = Device::new() else { return };
    let request = device.request();
    let other = User::new("");
    let no_device = "11111111-2222-3333-4444-555555555555";
    let cases = [
        device.signed(
            "support",
            &changed(&request, "--user", &other.uid.to_string()),
            &[],
        ),
        device.signed("support", &changed(&request, "--device", no_device), &[]),
        device.signed(
            "support",
            &changed(&request, "--file-hash", &"0".repeat(64)),
            &[],
        ),
        device.signed("stranger", &request, &[]),
        device
            .signed("support", &request, &["--lasting", "1s"])
            .replace("\"sig\":\"", "\"sig\":\"A"),
        "{}".to_owned(),
        String::new(),
        "x".repeat(1 << 20),
    ];
    for case in cases {
        let path = device.hands_in("case", &case);
        assert!(!device.runs(), "{}", &case[..case.len().min(200)]);
        fs::remove_file(path).expect("it is there");
    }
    // A policy cannot be passed off as an approval, nor a folder or a link that leads nowhere.
    fs::create_dir(device.world.state().join("approvals/folder")).expect("a folder");
    std::os::unix::fs::symlink("/nonexistent", device.world.state().join("approvals/link"))
        .expect("a link");
    assert!(!device.runs());
    device.hands_in("good", &device.signed("support", &request, &[]));
    let output = device.asks(&other);
    assert_eq!(output.status.code(), Some(1), "another user's: {output:?}");
    assert!(device.runs());
}

#[test]
fn a_use_that_was_taken_stays_taken_when_the_agent_is_killed() {
    let Some(mut device) = Device::new() else {
        return;
    };
    let request = device.request();
    device.hands_in("one", &device.signed("support", &request, &[]));
    device.world.kill_agent();
    device.world.start_with(&[(CRASH_AT, "approved")]);
    assert!(!device.runs());
    device.world.agent_ended();
    device.world.start();
    assert!(!device.runs(), "the use was taken");
    assert!(!device.world.path("mark").exists(), "nothing ran");
}

#[test]
fn launches_beside_each_other_share_no_use() {
    let Some(device) = Device::new() else { return };
    let request = device.request();
    device.hands_in("one", &device.signed("support", &request, &["--uses", "3"]));
    let ran = std::thread::scope(|scope| {
        let each: Vec<_> = (0..12).map(|_| scope.spawn(|| device.runs())).collect();
        each.into_iter()
            .map(|one| one.join().expect("it ran"))
            .filter(|ran| *ran)
            .count()
    });
    assert_eq!(ran, 3);
    let recorded = device.world.recorded();
    let elevated = recorded
        .iter()
        .filter(|one| one.start.outcome() == v1::Outcome::Elevated);
    assert_eq!(elevated.count(), 3);
}

#[test]
fn a_person_at_a_terminal_is_asked_why_and_the_reason_goes_with_the_request() {
    let Some(device) = Device::new() else { return };
    let command = device.world.elevate(&device.anna, &[&device.tool()]);
    let mut person = Terminal::run(&command, device.anna.uid);
    person.sees("Why do you need it? ");
    person.types(&format!("printer {}\n", "x".repeat(300)));
    let (seen, status) = person.ends();
    assert!(
        !status.success() && seen.contains("needs the approval"),
        "{seen}"
    );
    let asked = device.world.last_of(1).start;
    assert_eq!(
        asked.justification.chars().count(),
        256,
        "a request is not lost for its words"
    );
    assert!(asked.justification.starts_with("printer xxx"));
}

#[test]
fn without_a_key_of_whoever_approves_nothing_is_approved() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/id"));
    world.write_policy(settings(None), vec![rule("r1", "support_approved", &tool)]);
    world.start();
    let other = Device::new().expect("root");
    let request = other.request();
    let approval = other.signed(
        "support",
        &changed(&request, "--file-hash", &super::world::hash(&tool)),
        &[],
    );
    fs::write(world.state().join("approvals/one"), approval).expect("it can be written");
    let output = world.ran(&anna, &[&tool.to_string_lossy(), "-u"]);
    assert!(output.stdout.is_empty(), "{output:?}");
}
