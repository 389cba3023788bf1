//! What rules cost a real sudo. It reads all of them at each run, so its rule part is the CPU time that a run takes more
//! than one with the few that it needs. Its sudoers lie over the machine's in a mount namespace of its own.
//!
//! A rule lets `nobody` run one program by its full path as root, or denies it. sudo takes the last rule that fits and
//! ours takes deny before all, so the denying rules come last: both then say the same. That they do is checked at each run.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use epm_policy::{
    Assignment, Detection, ElevationType, PackageFacts, Platform, Policies, PolicySet, Request,
    Rule, RulesPolicy, SettingsPolicy, SignatureSource, Trigger,
};
use nix::sys::resource::UsageWho;

use crate::figures::Spread;
use crate::place::{cpu, introduce, load_average, say};

/// Programs that really are there, and are run.
const PROGRAMS: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rules there are, once each.
    #[arg(long, value_delimiter = ',', default_value = "100,10000,100000")]
    rules: Vec<usize>,
    /// Turns, each with one run of each program under few rules and under many.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inside {
    /// Folder with the programs.
    #[arg(long)]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    introduce();
    let version = Command::new("sudo").arg("--version").output();
    let Ok(version) = version else {
        say("sudo is not installed: it is not measured, and not claimed as beaten");
        return Ok(());
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    say(version.lines().next().unwrap_or("sudo of unknown version"));
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    for number in 0..PROGRAMS {
        fs::copy("/bin/true", folder.path().join(format!("tool{number}")))?;
    }
    say(
        "| rules | ten rules, CPU ms a run | these rules, CPU ms a run | rule part, us | ours, p50 ns | rule part/ours |",
    );
    say("|---|---|---|---|---|---|");
    for rules in &args.rules {
        ensure!(*rules >= 5 * PROGRAMS, "at least {} rules", 5 * PROGRAMS);
        compare(args, *rules, folder.path())?;
    }
    say(format_args!(
        "load average after the run {}",
        load_average()
    ));
    Ok(())
}

fn compare(args: &Args, rules: usize, folder: &Path) -> anyhow::Result<()> {
    let set = ours(rules, folder)?;
    let expected: Vec<bool> = (0..PROGRAMS)
        .map(|number| decide(&set, folder, number))
        .collect();
    let (mut few, mut many, mut part, mut ours, mut ratio) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..args.repeats {
        let (base, few_answers) = runs(rules, false, folder)?;
        let (full, answers) = runs(rules, true, folder)?;
        ensure!(
            few_answers == expected,
            "sudo says {few_answers:?} and ours {expected:?}"
        );
        ensure!(
            answers == expected,
            "sudo says {answers:?} and ours {expected:?}"
        );
        let ns = ours_ns(&set, folder);
        let us = (full - base) * 1e3;
        few.push(base);
        many.push(full);
        part.push(us);
        ours.push(ns);
        ratio.push(us * 1e3 / ns);
    }
    let [few, many, part, ours, ratio] = [few, many, part, ours, ratio].map(Spread::of);
    say(format_args!(
        "| {rules} | {few} | {many} | {part} | {ours} | {ratio} |"
    ));
    Ok(())
}

/// Which of the rules denies.
fn denies(number: usize) -> bool {
    number % 5 == 4
}

/// The name that a rule is about. Those of programs that are run lie spread among all rules, two of them among the
/// denying ones.
fn name(number: usize, rules: usize) -> String {
    match program(number, rules) {
        Some(program) => format!("tool{program}"),
        None => format!("other{number}"),
    }
}

fn program(number: usize, rules: usize) -> Option<usize> {
    let step = rules / PROGRAMS;
    let program = number / step;
    (number % step == program % 5 && program < PROGRAMS).then_some(program)
}

/// All rules, or only those for programs that are run.
fn sudoers(rules: usize, all: bool, folder: &Path) -> anyhow::Result<String> {
    let mut text = String::from("Defaults !syslog\n");
    let folder = folder.display();
    for denying in [false, true] {
        for number in 0..rules {
            if denies(number) == denying && (all || program(number, rules).is_some()) {
                let no = if denying { "!" } else { "" };
                let name = name(number, rules);
                writeln!(text, "nobody ALL=(root) NOPASSWD: {no}{folder}/{name}")?;
            }
        }
    }
    Ok(text)
}

fn ours(rules: usize, folder: &Path) -> anyhow::Result<PolicySet> {
    let rule = |number: usize| Rule {
        id: format!("rule{number}").as_str().into(),
        name: format!("rule {number}"),
        elevation_type: match denies(number) {
            true => ElevationType::Deny,
            false => ElevationType::UserConfirmed,
        },
        detection: Detection {
            file_name: name(number, rules),
            file_path: Some(folder.display().to_string()),
            signature: SignatureSource::Package {
                name: "tools".to_owned(),
                origin: None,
            },
            ..Detection::default()
        },
        ..Rule::default()
    };
    let policies = Policies {
        settings: vec![SettingsPolicy {
            id: "settings".into(),
            name: "settings".to_owned(),
            assignment: Assignment::all_devices(),
            ..SettingsPolicy::default()
        }],
        rules: vec![RulesPolicy {
            id: "policy".into(),
            name: "policy".to_owned(),
            platform: Platform::Linux,
            assignment: Assignment::all_devices(),
            rules: (0..rules).map(rule).collect(),
            ..RulesPolicy::default()
        }],
        ..Policies::default()
    };
    Ok(PolicySet::new(policies)?)
}

fn decide(set: &PolicySet, folder: &Path, number: usize) -> bool {
    let path = folder.join(format!("tool{number}")).display().to_string();
    let mut request = Request::new(Platform::Linux, Trigger::RunWithElevatedAccess, &path);
    request.file.package = Some(PackageFacts {
        name: "tools",
        origin: None,
    });
    set.decide(&request).outcome.permissiveness() > 0
}

/// Nanoseconds of one of our decisions, path and request made anew each time.
fn ours_ns(set: &PolicySet, folder: &Path) -> f64 {
    const ROUNDS: usize = 2_000;
    let mut ns: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let start = std::time::Instant::now();
            std::hint::black_box(decide(set, folder, round % PROGRAMS));
            start.elapsed().as_nanos() as f64
        })
        .collect();
    crate::figures::quantile(&mut ns, 0.5)
}

/// CPU milliseconds of a run under these rules, and what sudo said to each program.
fn runs(rules: usize, all: bool, folder: &Path) -> anyhow::Result<(f64, Vec<bool>)> {
    let sudoers_path = folder.join("sudoers");
    let _ = fs::remove_file(&sudoers_path);
    fs::write(&sudoers_path, sudoers(rules, all, folder)?)?;
    fs::set_permissions(&sudoers_path, Permissions::from_mode(0o440))?;
    let inside = format!(
        "mount --bind {} /etc/sudoers && exec \"$@\"",
        sudoers_path.display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &inside, "sh"])
        .arg(std::env::current_exe()?)
        .args(["sudo-runs", "--folder"])
        .arg(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "sudo needs root to be measured: {said}"
    );
    let text = String::from_utf8(output.stdout)?;
    let (ms, answers) = text.trim().split_once(' ').context("a time and answers")?;
    Ok((
        ms.parse()?,
        answers.chars().map(|answer| answer == '1').collect(),
    ))
}

/// Runs each program once, and prints CPU milliseconds a run and a digit for each answer.
pub(crate) fn inside(args: &Inside) -> anyhow::Result<()> {
    let mut answers = String::new();
    let before = cpu(UsageWho::RUSAGE_CHILDREN)?;
    for number in 0..PROGRAMS {
        let status = Command::new("setpriv")
            .args([
                "--reuid=nobody",
                "--regid=nogroup",
                "--clear-groups",
                "sudo",
                "-n",
            ])
            .arg(args.folder.join(format!("tool{number}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        answers.push(if status.success() { '1' } else { '0' });
    }
    let ms = (cpu(UsageWho::RUSAGE_CHILDREN)? - before).as_secs_f64() * 1e3 / PROGRAMS as f64;
    say(format_args!("{ms} {answers}"));
    Ok(())
}
