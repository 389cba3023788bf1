//! `epm-agent import`: files to observations to the spool to the collector, and what was counted on the way.

mod feed;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use super::failure::{ExitCode, Failure, with_causes};
use super::{ImportArgs, Place, SummaryFormat, summary_text, terminal};
use crate::import::summary::{Counter, Summary};
use crate::import::{ImportError, Options, read_file};
use crate::source::Readings;
use crate::spool::{SpoolLimits, WhenFull};
use crate::{Agent, AgentConfig};
use feed::Feed;

/// Longest wait between two tries to reach the collector: somebody watches.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

pub(super) fn dry_run(args: &ImportArgs) -> Result<(), Failure> {
    let options = options(args)?;
    let mut unread = 0;
    for file in &args.files {
        let mut counter = Counter::new(file);
        match read(file, &options, &mut counter) {
            Ok(()) => print(&counter.finish(), args.summary),
            Err(error) => unread += complain(&error),
        }
    }
    all_read(unread)
}

pub(super) async fn import(place: Place, args: ImportArgs) -> Result<(), Failure> {
    let options = options(&args)?;
    let state = place.state_dir()?;
    let config = AgentConfig {
        heartbeat_interval: None,
        longest_wait: LONGEST_WAIT,
        spool: SpoolLimits {
            when_full: WhenFull::Refuse,
            ..SpoolLimits::default()
        },
        ..AgentConfig::new(&state, &place.collector)
    };
    let agent = Agent::start(config).map_err(|error| Failure::of_agent(&state, &error))?;
    let agent = Arc::new(agent);
    let waited_before = agent.status().await.waiting.records;
    let mut unread = 0;
    let mut observed = 0;
    let mut stopped = None;
    for file in &args.files {
        let feed = Feed::new(Arc::clone(&agent), file, args.wait);
        let (path, options) = (file.clone(), options.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut feed = feed;
            let outcome = read(&path, &options, &mut feed);
            (feed.finish(), outcome)
        });
        let (fed, outcome) = reading
            .await
            .map_err(|error| Failure::because("reading stopped", &error))?;
        observed += fed.observed;
        match outcome {
            Ok(()) => print(&fed.summary, args.summary),
            Err(error) => unread += complain(&error),
        }
        if let Some(error) = fed.error {
            stopped = Some((file.clone(), error));
            break;
        }
    }
    let reached = stopped.is_none() && delivered(&agent, args.wait).await;
    let ended = agent.stop().await;
    let status = agent.status().await;
    let waiting = status.waiting.records;
    let delivered = (waited_before + observed).saturating_sub(waiting);
    tell(
        args.summary,
        format!("delivered {delivered}, waiting {waiting}"),
    );
    if status.rejected > 0 {
        tell(
            args.summary,
            format!("the collector refused {} of them for good", status.rejected),
        );
    }
    if let Some((file, error)) = stopped {
        return Err(feed::failure(&file, &state, &error));
    }
    ended.map_err(|error| Failure::of_agent(&state, &error))?;
    if !reached {
        let waiting = waits(&place, &state, waiting, status.last_error.as_deref());
        if unread == 0 {
            return Err(waiting);
        }
        terminal::complain(&waiting);
    }
    all_read(unread)
}

fn waits(place: &Place, state: &Path, waiting: u64, why: Option<&str>) -> Failure {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Failure::new(
        ExitCode::Waiting,
        format!(
            "{waiting} records were not delivered to {}{why}",
            place.collector
        ),
        format!(
            "They are safe in {}. `epm-agent run --state {} --collector {}` delivers them once the collector is there.",
            state.join("spool").display(),
            state.display(),
            place.collector
        ),
    )
}

/// Waits until everything is delivered, or the collector makes no progress for `patience`.
async fn delivered(agent: &Agent, patience: Duration) -> bool {
    let done = agent.wait_delivered();
    tokio::pin!(done);
    let mut before = feed::progress(agent).await;
    loop {
        tokio::select! {
            () = &mut done => return true,
            () = tokio::time::sleep(patience) => {
                let now = feed::progress(agent).await;
                if now == before {
                    return false;
                }
                before = now;
            }
        }
    }
}

fn options(args: &ImportArgs) -> Result<Options, Failure> {
    Ok(Options {
        zone: zone(args.zone.as_deref())?,
        reference_us: None,
    })
}

/// The time zone that was asked for.
pub(super) fn zone(name: Option<&str>) -> Result<Option<TimeZone>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    let zone = TimeZone::get(name).map_err(|_| {
        Failure::new(
            ExitCode::Usage,
            format!("--zone {name:?} is not a time zone that this device knows"),
            "Name one as the time zone database does, such as UTC or Europe/Berlin.",
        )
    })?;
    Ok(Some(zone))
}

fn read(file: &Path, options: &Options, into: &mut dyn Readings) -> Result<(), ImportError> {
    let bar = bar(file);
    let outcome = read_file(
        file,
        options,
        &mut |progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.done_bytes);
        },
        into,
    );
    bar.finish_and_clear();
    outcome.map(|_| ())
}

/// A bar for a person who watches; nothing in a pipe or a log.
fn bar(file: &Path) -> ProgressBar {
    if !terminal::is_watched() {
        return ProgressBar::hidden();
    }
    let name = file.file_name().unwrap_or(file.as_os_str());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_message(name.to_string_lossy().into_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(summary: &Summary, format: SummaryFormat) {
    match format {
        SummaryFormat::Json => terminal::say(summary.to_json()),
        SummaryFormat::Text => terminal::say(summary_text::text(summary)),
    }
}

/// Beside JSON, which a program reads, words go to standard error.
fn tell(format: SummaryFormat, line: String) {
    match format {
        SummaryFormat::Json => terminal::note(line),
        SummaryFormat::Text => terminal::say(line),
    }
}

fn complain(error: &ImportError) -> u64 {
    terminal::note(format!("error: {}", with_causes(error)));
    1
}

fn all_read(unread: u64) -> Result<(), Failure> {
    match unread {
        0 => Ok(()),
        1 => Err(Failure::new(ExitCode::File, "a file was not read", "")),
        many => Err(Failure::new(
            ExitCode::File,
            format!("{many} files were not read"),
            "",
        )),
    }
}
