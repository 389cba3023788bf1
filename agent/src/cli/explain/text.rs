//! An explanation in words: first what would happen, then why, then every rule that had a part in it, then what to do.
//! Texts from policies and files are shown without anything that moves the cursor.

use std::fmt::Write as _;
use std::path::Path;

use epm_policy::{Candidate, Decision, EffectiveSettings, NearMiss, Rule, RulesPolicy, Trigger};

use super::why;
use crate::cli::terminal::plain;
use crate::launch::Launch;

/// The explanation without a newline at the end.
pub(super) fn text(
    launch: &Launch,
    settings: &EffectiveSettings,
    decision: &Decision<'_>,
    policy_file: &Path,
) -> String {
    let mut text = format!("{}\n\n{}\n", why::outcome(&decision.outcome), asked(launch));
    section(&mut text, "why", &[why::step(decision, settings)]);
    if let Some(winner) = &decision.winner {
        section(&mut text, "rule", &winning(winner));
    }
    let losers = decision.losers.iter().map(|loser| {
        let rule = named(loser.candidate.policy, loser.candidate.rule);
        format!("{rule}: {}", why::loss(loser.reason))
    });
    section(&mut text, "also matched", &losers.collect::<Vec<_>>());
    let mut near: Vec<String> = Vec::new();
    for miss in &decision.near_misses.rules {
        near.push(named(miss.policy, miss.rule));
        near.push(format!("  {}", why::miss(miss, launch)));
    }
    if decision.near_misses.more {
        near.push("and more".to_owned());
    }
    section(&mut text, "nearly matched", &near);
    if let Some(monitored) = &decision.monitored {
        let rule = named(monitored.candidate.policy, monitored.candidate.rule);
        let outcome = why::outcome(&monitored.outcome);
        section(
            &mut text,
            "if it acted",
            &[format!("{rule} only reports: {outcome}")],
        );
    }
    section(&mut text, "what to do", &why::remedies(decision, launch));
    section(&mut text, "file", &file(launch));
    section(
        &mut text,
        "policies",
        &[format!(
            "version {} from {}",
            decision.policy_version.0,
            policy_file.display()
        )],
    );
    text.pop();
    text
}

fn asked(launch: &Launch) -> String {
    let mut line = format!("  {}", plain(&launch.file.path.to_string_lossy()));
    for argument in launch.arguments.as_deref().unwrap_or_default() {
        let quoted =
            argument.is_empty() || argument.contains(|c: char| c.is_whitespace() || c == '"');
        let argument = match quoted {
            true => format!("{argument:?}"),
            false => argument.clone(),
        };
        // Writing to a string cannot fail.
        let _ = write!(line, " {}", plain(&argument));
    }
    let person = &launch.person;
    let role = match person.local_administrator {
        true => "an administrator",
        false => "a standard user",
    };
    let how = match launch.trigger {
        Trigger::RunWithElevatedAccess => "asked to be elevated",
        Trigger::OrdinaryLaunch => "started as any other program",
        Trigger::Child(_) => "started by an elevated program",
    };
    let name = plain(&person.name);
    let _ = write!(line, "\n  {how}, for {name} ({}), {role}", person.id);
    line
}

/// A name and lines beside it; nothing where there are no lines.
fn section(text: &mut String, name: &str, lines: &[String]) {
    for (number, line) in lines.iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        let gap = if number == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}  {name:<15} {}", plain(line));
    }
}

fn named(policy: &RulesPolicy, rule: &Rule) -> String {
    let name = match rule.name == rule.id.as_str() {
        true => String::new(),
        false => format!(" {:?}", rule.name),
    };
    format!("{}{name} of policy {:?}", rule.id, policy.name)
}

fn winning(winner: &Candidate<'_>) -> Vec<String> {
    let deployed = match winner.target {
        epm_policy::precedence::Target::User => "the user",
        epm_policy::precedence::Target::Device => "the device",
    };
    let kind = why::elevation_type(winner.rule.elevation_type);
    let mut lines = vec![
        named(winner.policy, winner.rule),
        format!(
            "{kind}, deployed to {deployed}, {} attributes",
            winner.attribute_score
        ),
    ];
    if !winner.rule.description.is_empty() {
        lines.push(winner.rule.description.clone());
    }
    lines
}

fn file(launch: &Launch) -> Vec<String> {
    let facts = &launch.file;
    let mut lines = vec![format!("SHA-256 {}", facts.contents.sha256)];
    if let Some(package) = &facts.package {
        let state = match package.unchanged {
            Some(true) => "unchanged",
            Some(false) => "CHANGED SINCE",
            None => "not known whether it was changed",
        };
        lines.push(format!(
            "package {} {}, {state}",
            package.name, package.version
        ));
    }
    if let Some(signer) = facts
        .signature()
        .and_then(|signature| signature.signer.as_ref())
    {
        let status = crate::cli::attributes::status(facts.signature_status());
        lines.push(format!("signed by {}, {status}", signer.subject));
    }
    if let Some(version) = facts.version() {
        lines.push(format!("version {version}"));
    }
    lines
}

/// What a near miss is about, for whoever tells it.
pub(super) fn names_rule(miss: &NearMiss<'_>) -> String {
    named(miss.policy, miss.rule)
}
