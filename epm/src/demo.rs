//! `epm demo`: every role in one process and a simulated fleet that delivers to it as real agents do.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use epm_agent::sources::simulated::Fleet;
use epm_query_api::report_cli::width_of_stdout;
use epm_query_api::{DataStatus, ReportEngine, ReportRequest, format};
use jiff::Timestamp;

use crate::cli::DemoArgs;
use crate::cli::ReadAccess;
use crate::control::{self, ControlPlace};
use crate::data_folder::DataFolder;
use crate::event_log::{LogPlace, open_to_append};
use crate::failure::Failure;
use crate::fleet::{FleetRun, Progress};
use crate::listeners::bind;
use crate::server::{Reading, Server};
use crate::signals::stop_on_signals;
use crate::terminal::{note, refresh, say};

/// How often the line of figures changes.
const REFRESH: Duration = Duration::from_secs(1);
/// How often the first report is tried, and how long it waits for the whole history.
const POLL: Duration = Duration::from_millis(100);
const HISTORY_PATIENCE: Duration = Duration::from_secs(120);
/// How long the first report waits for silent devices to be known as such.
const SILENCE_PATIENCE: Duration = Duration::from_secs(8);
const DAY_US: i64 = 86_400_000_000;

/// Runs the demo until it is told to stop.
pub(crate) async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let (http, grpc) = (
        bind("--http", args.http).await?,
        bind("--grpc", args.grpc).await?,
    );
    let kept = args.data.is_some();
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(temporary_folder()?),
    };
    let root = args
        .data
        .clone()
        .or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
    let folder = DataFolder::open(&root.unwrap_or_default())?;
    let place = LogPlace::Folder(folder.log());
    let Some(log) = open_to_append(&place, &stop).await? else {
        return Ok(());
    };
    let control = ControlPlace::below(folder.root())?.open().await?;
    let reading = Reading {
        control: Some(control.clone()),
        access: ReadAccess::Open,
    };
    let mut server = Server::start(&folder, log, reading, http, grpc)?;
    say(format_args!(
        "EPM demo: {} simulated devices, {} days of history",
        args.devices, args.days
    ));
    say(format_args!("console  http://{}/", server.http));
    say(format_args!("agents   http://{}", server.grpc));
    control::introduce(&control).await?;
    say(format_args!(
        "data     {}{}",
        folder.root().display(),
        if kept { "" } else { " (removed at the end)" }
    ));
    say("");
    let engine = ReportEngine::open(&folder.tables().to_string_lossy())
        .map_err(|error| Failure::because("the tables cannot be opened", &error))?;
    let fleet = FleetRun::start(fleet(&args), server.grpc, &folder.root().join("devices"))?;
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        failure = server.failed() => Err(failure),
        shown = show(&engine, &fleet) => shown,
    };
    clear_line();
    note("stopping: delivering and folding what the devices hold (again to stop at once)");
    let recorded = fleet.finish().await;
    let finished = server.finish().await;
    if let Ok(status) = engine.status().await {
        let held = &status.completeness;
        say(format_args!(
            "devices recorded {recorded} elevations and exits; {} records are stored with heartbeats, {} are missing, {} lost",
            held.records, held.missing_records, held.lost_records
        ));
    }
    drop(folder);
    if let Some(folder) = temporary {
        folder
            .close()
            .map_err(|error| Failure::because("the temporary folder cannot be removed", &error))?;
    }
    ended.and(finished)
}

fn fleet(args: &DemoArgs) -> Fleet {
    let now_us = Timestamp::now().as_microsecond();
    let start_us = now_us - i64::from(args.days) * DAY_US;
    Fleet::new(args.seed, args.devices).with_programme(start_us, args.days)
}

fn temporary_folder() -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("epm-demo-")
        .tempdir()
        .map_err(|error| Failure::because("a temporary folder cannot be made", &error))
}

/// The first report, then a line of figures for as long as somebody looks.
async fn show(engine: &ReportEngine, fleet: &FleetRun) -> Result<(), Failure> {
    let began = Instant::now();
    let failed = |error: epm_query_api::QueryError| {
        Failure::because("the demo cannot read its tables", &error)
    };
    loop {
        let status = engine.status().await.map_err(failed)?;
        let progress = fleet.progress();
        // A silent device counts as one a few seconds after its last record; until then its last day would stand for
        // everybody's.
        let is_quiet =
            status.completeness.silent >= progress.silent || began.elapsed() > SILENCE_PATIENCE;
        let is_there =
            progress.history_done && is_quiet && status.completeness.records >= progress.recorded;
        if is_there || (began.elapsed() > HISTORY_PATIENCE && status.completeness.records > 0) {
            break;
        }
        line(&status, &progress, began);
        tokio::time::sleep(POLL).await;
    }
    clear_line();
    let mut request = ReportRequest::new("by-application");
    request.limit = Some(10);
    // What the systems do themselves is most of the traffic and none of the administrator's questions.
    request.filters = vec![("account_class".to_owned(), "person".to_owned())];
    let page = engine.run(&request).await.map_err(failed)?;
    say(format::table(&page, width_of_stdout()));
    say(format_args!(
        "first report {:.1} s after the start; live traffic goes on; Ctrl-C ends the demo",
        began.elapsed().as_secs_f64()
    ));
    loop {
        let status = engine.status().await.map_err(failed)?;
        line(&status, &fleet.progress(), began);
        tokio::time::sleep(REFRESH).await;
    }
}

fn line(status: &DataStatus, progress: &Progress, began: Instant) {
    if std::io::stderr().is_terminal() {
        let held = &status.completeness;
        refresh(format_args!(
            "{:>4} s  {} records stored of {} recorded  {} of {} devices reporting",
            began.elapsed().as_secs(),
            held.records,
            progress.recorded,
            held.reporting,
            held.devices
        ));
    }
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        refresh("");
    }
}
