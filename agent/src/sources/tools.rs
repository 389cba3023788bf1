//! su, pkexec and doas in a system log: several lines tell of one run, and one record is made of them.
//!
//! A run is told by the tool's own line and by PAM, which says when the session opened and closed and whether a password
//! was wrong, in an order that differs from tool to tool. What PAM says is held until the tool's own line comes, which
//! then stands for the run; where none comes, what PAM said is the record. The end of the session is the end of the run.

pub(crate) mod doas;
mod pam;
pub(crate) mod pkexec;
mod request;
pub(crate) mod su;

use std::collections::VecDeque;
use std::ops::ControlFlow;

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Observation, Readings, Verdict};

use super::format::Flow;
use super::programs::{Entry, Log};
use super::runs::{Occurrences, Start, Starts};
use super::unmanaged::{Seen, exit_of, reading_of};
pub(crate) use request::{Line, Request, Said};

/// How far the lines of one run lie apart: a wrong password costs some seconds, and some modules of PAM start programs.
const RUN_WINDOW_US: i64 = 10_000_000;
/// Runs, and lines of PAM, remembered at once: parallel runs whose lines interleave. The oldest goes when more come.
const REMEMBERED: usize = 64;

/// A program that runs others with more rights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// Its name in source keys, which never changes.
    name: &'static str,
    sensor: v1::SensorKind,
    trigger: v1::Trigger,
    parse: fn(&str) -> Said,
    /// Whether the process that writes the tool's own line is the one that PAM writes for.
    is_one_process: bool,
    /// Whether the process that writes the tool's own line becomes the program.
    becomes_program: bool,
}

// A line of PAM that may be part of a run that another line tells better.
#[derive(Debug)]
struct Held {
    host: String,
    tag: Vec<u8>,
    key: SourceKey,
    observed_at_us: i64,
    request: Request,
    is_refusal: bool,
    repeat_count: u32,
}

// A run that was handed on.
#[derive(Debug)]
struct Told {
    host: String,
    tag: Vec<u8>,
    user: String,
    target: Option<String>,
    observed_at_us: i64,
    is_refusal: bool,
    // Each kind of line is written once a run.
    lines: Vec<Line>,
}

/// Reads one tool's messages in a system log.
#[derive(Debug)]
pub(crate) struct ToolLines {
    tool: Tool,
    log: Log,
    occurrences: Occurrences,
    starts: Starts,
    held: VecDeque<Held>,
    told: VecDeque<Told>,
}

impl ToolLines {
    pub(crate) fn new(tool: Tool, log: Log) -> Self {
        Self {
            tool,
            log,
            occurrences: Occurrences::default(),
            starts: Starts::default(),
            held: VecDeque::new(),
            told: VecDeque::new(),
        }
    }

    /// Hands on what `entry` says, or keeps it until other lines show what it is part of.
    pub(crate) fn entry(&mut self, entry: Entry<'_>, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(entry.message);
        let said = pam::parse(&text).unwrap_or_else(|| (self.tool.parse)(text.trim()));
        let Some(now_us) = entry.observed_at_us else {
            return into.unreadable("a record whose stamp is no moment");
        };
        self.release_before(now_us.saturating_sub(RUN_WINDOW_US), into)?;
        match said {
            Said::Nothing(reason) => into.skipped(reason),
            Said::Broken(detail) => into.unreadable(detail),
            Said::Closed { target } => self.closed(&entry, now_us, &target, into),
            Said::Session(request) => self.of_pam(&entry, now_us, request, false, into),
            Said::WrongPassword(request) => self.of_pam(&entry, now_us, request, true, into),
            Said::Ran(line, request) => self.own_line(&entry, now_us, line, request, false, into),
            Said::Refused(line, request) => {
                self.own_line(&entry, now_us, line, request, true, into)
            }
        }
    }

    /// Nothing more came for a while: what is held stands for itself.
    pub(crate) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.release_before(i64::MAX, into)
    }

    fn own_line(
        &mut self,
        entry: &Entry<'_>,
        now_us: i64,
        line: Line,
        mut request: Request,
        is_refusal: bool,
        into: &mut dyn Readings,
    ) -> Flow {
        let key = self.key(entry);
        let is_other_line = |told: &&mut Told| {
            told.is_of(entry, now_us)
                && told.is_refusal == is_refusal
                && told.user == request.user
                && told.target == request.target
                && !told.lines.contains(&line)
        };
        if let Some(told) = self.told.iter_mut().rev().find(is_other_line) {
            told.lines.push(line);
            return into.skipped("same_run");
        }
        let mut lines = vec![line];
        let mut session_tag = entry.tag.to_vec();
        while let Some(at) = self.held_of(entry, &request, is_refusal) {
            let Some(held) = self.held.remove(at) else {
                break;
            };
            if !held.is_refusal {
                lines.push(Line::Session);
                request.user_id = held.request.user_id;
                request.tool_pid = held.request.tool_pid;
                session_tag = held.tag;
            }
            into.skipped("session")?;
        }
        remember(
            &mut self.told,
            Told {
                host: entry.host.to_lowercase(),
                tag: entry.tag.to_vec(),
                user: request.user.clone(),
                target: request.target.clone(),
                observed_at_us: now_us,
                is_refusal,
                lines,
            },
        );
        if self.tool.becomes_program {
            request.pid = entry.pid;
        } else {
            request.tool_pid = entry.pid;
        }
        let held = Held {
            host: entry.host.to_owned(),
            tag: session_tag,
            key,
            observed_at_us: now_us,
            request,
            is_refusal,
            repeat_count: entry.repeat_count,
        };
        self.hand_on(held, into)
    }

    // What PAM said is part of a run that was told, or held until it is.
    fn of_pam(
        &mut self,
        entry: &Entry<'_>,
        now_us: i64,
        mut request: Request,
        is_refusal: bool,
        into: &mut dyn Readings,
    ) -> Flow {
        let key = self.key(entry);
        let is_one_process = self.tool.is_one_process;
        let is_its_session = |told: &&mut Told| {
            !is_refusal
                && !told.is_refusal
                && told.is_of_host(entry, now_us)
                && (told.tag == entry.tag || !is_one_process)
                && told.target == request.target
                && !told.lines.contains(&Line::Session)
        };
        if let Some(told) = self.told.iter_mut().rev().find(is_its_session) {
            told.lines.push(Line::Session);
            return into.skipped("session");
        }
        // Tried again: one refusal is the end of it.
        let again = self.held.iter().position(|held| {
            is_refusal && held.is_refusal && held.tag == entry.tag && held.is_on(entry.host)
        });
        if let Some(again) = again {
            self.held.remove(again);
            into.skipped("session")?;
        }
        request.tool_pid = entry.pid;
        if self.held.len() == REMEMBERED {
            self.release(0, into)?;
        }
        self.held.push_back(Held {
            host: entry.host.to_owned(),
            tag: entry.tag.to_vec(),
            key,
            observed_at_us: now_us,
            request,
            is_refusal,
            repeat_count: entry.repeat_count,
        });
        ControlFlow::Continue(())
    }

    fn closed(
        &mut self,
        entry: &Entry<'_>,
        now_us: i64,
        target: &str,
        into: &mut dyn Readings,
    ) -> Flow {
        let is_its_session = |held: &Held| {
            !held.is_refusal
                && held.tag == entry.tag
                && held.is_on(entry.host)
                && held.request.target.as_deref() == Some(target)
        };
        if let Some(at) = self.held.iter().position(is_its_session) {
            self.release(at, into)?;
        }
        let host = entry.host.to_lowercase();
        let Some(start) = self
            .starts
            .close(&[host.as_bytes(), entry.tag, target.as_bytes()])
        else {
            return into.skipped("session");
        };
        let source_key = self.key(entry);
        let lasted = now_us.saturating_sub(start.observed_at_us);
        let observation = start.is_stored.then(|| Observation {
            observed_at_us: now_us,
            source_key: Some(source_key),
            class: v1::RecordClass::Unmanaged,
            body: v1::record::Body::ElevationExit(v1::ElevationExit {
                start_key: start.source_key.as_bytes().to_vec(),
                start_observed_at_us: start.observed_at_us,
                duration_ms: u64::try_from(lasted).ok().map(|us| us / 1_000),
                ..v1::ElevationExit::default()
            }),
        });
        into.reading(exit_of(self.tool.sensor, observation))
    }

    // A line of PAM that belongs to the run of `request`.
    fn held_of(&self, entry: &Entry<'_>, request: &Request, is_refusal: bool) -> Option<usize> {
        self.held.iter().position(|held| {
            let is_same_process = held.tag == entry.tag;
            let is_same_target = held.request.target == request.target || request.target.is_none();
            held.is_on(entry.host)
                && match (held.is_refusal, is_refusal) {
                    // A wrong password, or another module's no, before it worked.
                    (true, _) => is_same_process,
                    (false, true) => false,
                    (false, false) => {
                        is_same_target && (is_same_process || !self.tool.is_one_process)
                    }
                }
        })
    }

    fn release_before(&mut self, time_us: i64, into: &mut dyn Readings) -> Flow {
        while self
            .held
            .front()
            .is_some_and(|held| held.observed_at_us < time_us)
        {
            self.release(0, into)?;
        }
        ControlFlow::Continue(())
    }

    fn release(&mut self, at: usize, into: &mut dyn Readings) -> Flow {
        match self.held.remove(at) {
            Some(held) => self.hand_on(held, into),
            None => ControlFlow::Continue(()),
        }
    }

    fn hand_on(&mut self, run: Held, into: &mut dyn Readings) -> Flow {
        let verdict = match run.request.target.as_deref() {
            _ if run.is_refusal => Verdict::Denied,
            Some("root") => Verdict::Elevated,
            Some(_) => Verdict::NotElevated,
            None => Verdict::Undecided,
        };
        if verdict != Verdict::Denied {
            let host = run.host.to_lowercase();
            let target = run.request.target.clone().unwrap_or_default();
            self.starts.open(
                &[host.as_bytes(), &run.tag, target.as_bytes()],
                Start {
                    source_key: run.key,
                    observed_at_us: run.observed_at_us,
                    is_stored: verdict != Verdict::NotElevated,
                },
            );
        }
        let seen = Seen {
            sensor: self.tool.sensor,
            trigger: self.tool.trigger,
            account: v1::AccountClass::Person,
        };
        let mut elevation = run.request.elevation(self.tool.name, &run.host);
        elevation.repeat_count = run.repeat_count;
        into.reading(reading_of(
            verdict,
            seen,
            run.observed_at_us,
            run.key,
            elevation,
        ))
    }

    fn key(&mut self, entry: &Entry<'_>) -> SourceKey {
        let host = entry.host.to_lowercase();
        let message = entry.message.trim_ascii();
        let line = [host.as_bytes(), entry.tag, message];
        let occurrence = self.occurrences.next(entry.stamp, &line);
        SourceKey::derive(&[
            self.tool.name.as_bytes(),
            self.log.name().as_bytes(),
            host.as_bytes(),
            entry.stamp,
            entry.tag,
            message,
            &occurrence.to_le_bytes(),
        ])
    }
}

impl Told {
    fn is_of_host(&self, entry: &Entry<'_>, now_us: i64) -> bool {
        now_us.abs_diff(self.observed_at_us) <= RUN_WINDOW_US.unsigned_abs()
            && self.host == entry.host.to_lowercase()
    }

    fn is_of(&self, entry: &Entry<'_>, now_us: i64) -> bool {
        self.tag == entry.tag && self.is_of_host(entry, now_us)
    }
}

impl Held {
    fn is_on(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }
}

fn remember(told: &mut VecDeque<Told>, run: Told) {
    if told.len() == REMEMBERED {
        told.pop_front();
    }
    told.push_back(run);
}

#[cfg(test)]
mod tests;
