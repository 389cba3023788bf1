//! `doctor`: whether everything is there that the agent needs, and what to do about what is not. It must not change
//! anything.

mod device;
mod handshake;
mod inspection;
mod link;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::{ExitCode, Failure};
use super::terminal::{self, plain};
use super::{Place, on_runtime, status};
use crate::clock::now_us;

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Authority that issues the collector's certificate, PEM [default: those that this device trusts].
    #[arg(long, value_name = "FILE", env = "EPM_COLLECTOR_CA")]
    pub collector_ca: Option<PathBuf>,
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// What was found about one thing that the agent needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    reason: String,
    /// What to do; empty where all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

impl Check {
    fn ok(check: &'static str, reason: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            reason: reason.into(),
            remedy: String::new(),
        }
    }

    fn warning(check: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            remedy: remedy.into(),
            ..Self::ok(check, reason)
        }
    }

    fn failed(check: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Failed,
            ..Self::warning(check, reason, remedy)
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    verdict: Verdict,
    checks: Vec<Check>,
}

pub(super) fn doctor(place: &Place, args: &DoctorArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let live = status::live(&state)?.filter(|live| live.is_running());
    let live = live.as_ref();
    let now_us = now_us();
    let mut checks = vec![
        device::state(&state),
        device::agent(live, &state, now_us),
        device::spool(&state, live, now_us),
    ];
    on_runtime(async {
        checks.push(link::collector(place, live).await);
        let url = live.map_or(&place.collector, |live| &live.setup.collector);
        let authority = args.collector_ca.as_deref();
        checks.extend(inspection::inspection(url, authority, now_us).await);
        Ok(())
    })?;
    checks.push(link::clock(live));
    checks.extend(link::certificate(live, now_us));
    checks.extend(device::sensors(live));
    checks.push(device::policy(live, now_us));
    checks.extend(device::management(live));
    let verdict = checks.iter().map(|check| check.verdict).max();
    let report = Report {
        verdict: verdict.unwrap_or(Verdict::Ok),
        checks,
    };
    match args.json {
        true => terminal::say(serde_json::to_string(&report).unwrap_or_default()),
        false => report.checks.iter().for_each(tell),
    }
    match report.verdict {
        Verdict::Failed => Err(Failure::new(
            ExitCode::Unwell,
            "something that the agent needs is not there",
            "",
        )),
        Verdict::Ok | Verdict::Warning => Ok(()),
    }
}

fn tell(check: &Check) {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed => "FAILED",
    };
    terminal::say(format!(
        "{verdict:<8}  {:<12}  {}",
        check.check,
        plain(&check.reason)
    ));
    if !check.remedy.is_empty() {
        terminal::say(format!("{:<24}{}", "", plain(&check.remedy)));
    }
}
