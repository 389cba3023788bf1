//! The commands that run one role, or all of them, until they are told to stop.

use std::sync::Arc;

use epm_event_log::{EmbeddedLog, EventLog, LogError};
use tokio_util::sync::CancellationToken;

use crate::cli::{CollectorArgs, ProcessorArgs, QueryApiArgs, ServeArgs};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::listeners::bind;
use crate::server::{
    Role, Server, collector, folder_url, log_failure, new_registry, open_log, query_api,
};
use crate::signals::stop_on_signals;
use crate::terminal::{note, say};

/// `epm serve`.
pub(crate) async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let folder = DataFolder::open(&args.data)?;
    let http = bind("--http", args.http).await?;
    let grpc = bind("--grpc", args.grpc).await?;
    let mut server = Server::start(&folder, http, grpc)?;
    say(format_args!("console  http://{}/", server.http));
    say(format_args!("agents   http://{}", server.grpc));
    say(format_args!("data     {}", folder.root().display()));
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        failure = server.failed() => Some(failure),
    };
    if failure.is_none() {
        note("stopping: folding what was received (again to stop at once)");
    }
    let finished = server.finish().await;
    failure.map_or(finished, Err)
}

/// `epm collector`.
pub(crate) async fn collect(args: CollectorArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let grpc = bind("--grpc", args.grpc).await?;
    let log = open_log(&args.log)?;
    say_address("agents   http://", &grpc);
    collector(grpc, log, new_registry()).until(stop).await
}

/// `epm processor`: follows the log of a collector in another process, or has it alone.
pub(crate) async fn process(args: ProcessorArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let tables = folder_url(&args.tables)?;
    // One processor at a time writes the tables.
    let _lock = crate::data_folder::lock_tables(&args.tables)?;
    let log = wait_for_log(&args, &stop).await?;
    let Some(log) = log else { return Ok(()) };
    let config = epm_processor::Config::new(tables);
    say(format_args!(
        "folding  {} into {}",
        args.log.display(),
        args.tables.display()
    ));
    let role = Role::start("processor", |stop| {
        epm_processor::run(config, log, new_registry(), stop)
    });
    role.until(stop).await
}

/// The log for reading; a collector that starts at the same time may not have made it yet. `None` where the wait was
/// ended.
async fn wait_for_log(
    args: &ProcessorArgs,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    const INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);
    let mut is_told = false;
    loop {
        match EmbeddedLog::open_read_only(&args.log) {
            Ok(log) => return Ok(Some(Arc::new(log))),
            Err(error @ (LogError::Io { .. } | LogError::Format { .. }))
                if !args.log.join("partitions").exists() =>
            {
                if !is_told {
                    is_told = true;
                    note(format_args!(
                        "waiting for a collector to make the log: {error}"
                    ));
                }
            }
            Err(error) => return Err(log_failure(&error)),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// `epm query-api`.
pub(crate) async fn query(args: QueryApiArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let http = bind("--http", args.http).await?;
    let tables = folder_url(&args.tables)?;
    say_address("console  http://", &http);
    query_api(&tables, http, &new_registry()).until(stop).await
}

fn say_address(what: &str, listener: &tokio::net::TcpListener) {
    if let Ok(address) = listener.local_addr() {
        say(format_args!("{what}{address}"));
    }
}
