//! `policy check`: whether a policy file can be used, and whether it is wise. It must not change the file or any state.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use epm_policy::file::{self, FileError, Format, Position};
use epm_policy::limits::MAX_POLICY_FILE_BYTES;
use epm_policy::lint::{self, Finding, Severity};
use epm_policy::{Policies, PolicySet};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::{ExitCode, Failure, with_causes};
use super::terminal::{self, plain};

/// What can be done with policy files.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say whether a policy file can be used, what is wrong with it, and what is unwise.
    Check(CheckArgs),
}

/// Options of `policy check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Policies as YAML, or as JSON where the name ends in .json.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
    /// End with code 7 where there is a finding of this severity or a worse one.
    #[arg(long, value_name = "SEVERITY", env = "EPM_FAIL_ON")]
    pub fail_on: Option<LeastSeverity>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LeastSeverity {
    /// Worth knowing.
    Note,
    /// Weaker than need be, or soon not working.
    Warning,
    /// Lets users elevate what was not meant, or does not do what it says.
    Error,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: String,
    usable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    settings_policies: usize,
    rules_policies: usize,
    rules: usize,
    certificate_groups: usize,
    mistakes: Vec<Mistake>,
    total_mistakes: usize,
    findings: Vec<ReportedFinding<'a>>,
}

/// Something that makes the file useless.
#[derive(Debug, Serialize)]
struct Mistake {
    #[serde(flatten)]
    position: Option<ReportedPosition>,
    message: String,
}

#[derive(Debug, Serialize)]
struct ReportedFinding<'a> {
    #[serde(flatten)]
    position: Option<ReportedPosition>,
    severity: &'static str,
    check: &'static str,
    place: String,
    reason: &'a str,
    remedy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_rule: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ReportedPosition {
    line: u64,
    column: u64,
}

pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let (bytes, read) = read(&args.file)?;
    let policies = match read {
        Ok(policies) => policies,
        Err(error) => {
            let (mistakes, total) = mistakes(&error);
            return unusable(args, mistakes, total);
        }
    };
    let findings = lint::lint(&policies, Timestamp::now().as_second());
    let places: Vec<_> = findings
        .iter()
        .map(|finding| finding.place.clone())
        .collect();
    let positions = match findings.is_empty() {
        true => Vec::new(),
        false => file::positions(&bytes, &places),
    };
    let report = Report {
        usable: true,
        findings: findings.iter().zip(positions).map(reported).collect(),
        ..Report::of(args, &policies)
    };
    say(args, &report);
    let worst = findings.iter().map(|finding| finding.severity).max();
    match args.fail_on.map(LeastSeverity::severity) {
        Some(least) if worst.is_some_and(|worst| worst >= least) => Err(Failure::new(
            ExitCode::Policy,
            format!(
                "{}: there are findings of severity {} or worse",
                args.file.display(),
                word(least)
            ),
            "Do what each finding says, or leave --fail-on out.",
        )),
        _ => Ok(()),
    }
}

/// The bytes of a policy file, and what they say.
fn read(path: &Path) -> Result<(Vec<u8>, Result<Policies, FileError>), Failure> {
    let bytes = super::bounded_read(path, MAX_POLICY_FILE_BYTES as u64).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::new(ExitCode::File, message, "")
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let read = file::read(Format::of(&name), &bytes);
    Ok((bytes, read))
}

/// The policies of a file, ready to decide.
pub(super) fn set(path: &Path) -> Result<PolicySet, Failure> {
    let useless = |error: &dyn std::error::Error| {
        let message = format!("{}: {}", path.display(), plain_lines(&with_causes(error)));
        let remedy = format!("`epm-agent policy check {}` tells more.", path.display());
        Failure::new(ExitCode::Policy, message, remedy)
    };
    let policies = read(path)?.1.map_err(|error| useless(&error))?;
    PolicySet::new(policies).map_err(|error| useless(&error))
}

/// Lines stay lines; everything else that moves the cursor is shown.
fn plain_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(plain).collect();
    lines.join("\n  ")
}

impl LeastSeverity {
    fn severity(self) -> Severity {
        match self {
            Self::Note => Severity::Note,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}

impl Report<'_> {
    fn of(args: &CheckArgs, policies: &Policies) -> Self {
        Self {
            file: args.file.to_string_lossy().into_owned(),
            usable: false,
            version: Some(policies.version.0),
            settings_policies: policies.settings.len(),
            rules_policies: policies.rules.len(),
            rules: policies.rules.iter().map(|policy| policy.rules.len()).sum(),
            certificate_groups: policies.certificate_groups.len(),
            mistakes: Vec::new(),
            total_mistakes: 0,
            findings: Vec::new(),
        }
    }
}

fn unusable(args: &CheckArgs, mistakes: Vec<Mistake>, total: usize) -> Result<(), Failure> {
    let report = Report {
        version: None,
        mistakes,
        total_mistakes: total,
        ..Report::of(args, &Policies::default())
    };
    say(args, &report);
    let message = format!("{} cannot be used", args.file.display());
    let remedy = "Mend what is listed; until then the last good policies stay in force.";
    Err(Failure::new(ExitCode::Policy, message, remedy))
}

fn mistakes(error: &FileError) -> (Vec<Mistake>, usize) {
    match error {
        FileError::Invalid { violations, total } => {
            let mistakes = violations.iter().map(|placed| Mistake {
                position: placed.position.map(position),
                message: placed.violation.to_string(),
            });
            (mistakes.collect(), *total)
        }
        FileError::Form {
            position: at,
            message,
        } => {
            let mistake = Mistake {
                position: at.map(position),
                message: message.clone(),
            };
            (vec![mistake], 1)
        }
        FileError::TooLarge { .. } | FileError::NotText { .. } => {
            let mistake = Mistake {
                position: None,
                message: error.to_string(),
            };
            (vec![mistake], 1)
        }
    }
}

fn position(position: Position) -> ReportedPosition {
    ReportedPosition {
        line: position.line,
        column: position.column,
    }
}

fn reported((finding, at): (&Finding, Option<Position>)) -> ReportedFinding<'_> {
    ReportedFinding {
        position: at.map(position),
        severity: word(finding.severity),
        check: finding.check.word(),
        place: finding.place.to_string(),
        reason: &finding.reason,
        remedy: finding.remedy(),
        other_rule: finding.other.as_ref().map(|other| other.as_str()),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn say(args: &CheckArgs, report: &Report<'_>) {
    if args.json {
        terminal::say(serde_json::to_string(report).unwrap_or_default());
        return;
    }
    let at = |position: Option<ReportedPosition>| match position {
        Some(ReportedPosition { line, column }) => format!("{}:{line}:{column}", report.file),
        None => report.file.clone(),
    };
    for mistake in &report.mistakes {
        let (at, message) = (at(mistake.position), plain(&mistake.message));
        terminal::say(format!("{}: mistake: {message}", plain(&at)));
    }
    let more = report.total_mistakes - report.mistakes.len();
    if more > 0 {
        terminal::say(format!("and {more} more mistakes"));
    }
    for finding in &report.findings {
        let (at, place, reason) = (
            at(finding.position),
            plain(&finding.place),
            plain(finding.reason),
        );
        terminal::say(format!(
            "{}: {}: {place}: {reason}",
            plain(&at),
            finding.severity
        ));
        terminal::say(format!("  {} ({})", finding.remedy, finding.check));
    }
    let Some(version) = report.version else {
        return;
    };
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let of = |severity| {
        report
            .findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    let found = [
        counted(of("error"), "error", "errors"),
        counted(of("warning"), "warning", "warnings"),
        counted(of("note"), "note", "notes"),
    ];
    terminal::say(format!(
        "{} can be used: version {version}, {}, {} in {}, {}; {}",
        plain(&report.file),
        counted(
            report.settings_policies,
            "settings policy",
            "settings policies"
        ),
        counted(report.rules, "rule", "rules"),
        counted(report.rules_policies, "policy", "policies"),
        counted(
            report.certificate_groups,
            "certificate group",
            "certificate groups"
        ),
        found.join(", ")
    ));
}
