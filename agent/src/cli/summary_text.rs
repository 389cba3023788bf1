//! What a file holds, in words.

use std::fmt::Write as _;

use crate::import::summary::{ProcessStarts, Summary};

/// A few lines about one file, without a newline at the end.
pub(super) fn text(summary: &Summary) -> String {
    let mut text = summary.file.clone();
    // Writing to a string cannot fail.
    let mut line = |line: String| {
        let _ = write!(text, "\n  {line}");
    };
    if let Some(starts) = &summary.security_4688 {
        line(of_starts("Security 4688", starts));
    }
    if let Some(starts) = &summary.sysmon_1 {
        line(of_starts("Sysmon 1", starts));
    }
    let runs = [
        ("sudo", &summary.sudo),
        ("pkexec", &summary.pkexec),
        ("su", &summary.su),
        ("doas", &summary.doas),
        ("sudo in the audit log", &summary.audit_user_cmd),
    ];
    for (name, runs) in runs {
        if let Some(runs) = runs {
            line(format!(
                "{name}: {} commands, {} as root, {} denied",
                runs.records, runs.elevations, runs.denied
            ));
        }
    }
    if let Some(starts) = &summary.audit {
        // The kernel refuses nothing here: what did not start is of no interest.
        line(format!(
            "audit log: {} program starts, {} as root by somebody who logged in",
            starts.records, starts.elevations
        ));
    }
    let products = [
        ("Microsoft Intune", &summary.intune),
        ("SAP Privileges", &summary.privileges),
        ("Santa", &summary.santa),
    ];
    for (name, runs) in products {
        if let Some(runs) = runs {
            line(format!(
                "{name}: {} records, {} elevations, {} denied",
                runs.records, runs.elevations, runs.denied
            ));
        }
    }
    if summary.same_process > 0 {
        line(format!(
            "{} elevated processes were seen by both sensors",
            summary.same_process
        ));
    }
    if summary.unreadable > 0 {
        line(format!(
            "{} stretches could not be read",
            summary.unreadable
        ));
    }
    if !summary.skipped.is_empty() {
        let reasons: Vec<String> = summary
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.replace('_', " ")))
            .collect();
        line(format!("of no interest: {}", reasons.join(", ")));
    }
    text
}

fn of_starts(name: &str, starts: &ProcessStarts) -> String {
    format!(
        "{name}: {} process starts, {} elevated ({} by people, {} by services), {} undecided",
        starts.records, starts.elevations, starts.by_user, starts.by_service, starts.undecided
    )
}
