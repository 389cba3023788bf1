//! The commands that run one role, or all of them, until they are told to stop.

use crate::cli::{CollectorArgs, ProcessorArgs, QueryApiArgs, ServeArgs};
use crate::control::ControlPlace;
use crate::data_folder::DataFolder;
use crate::event_log::{LogPlace, open_to_append, open_to_follow};
use crate::failure::Failure;
use crate::listeners::bind;
use crate::server::{Role, Server, collector, folder_url, new_registry, query_api};
use crate::signals::stop_on_signals;
use crate::terminal::{note, say};

/// `epm serve`.
pub(crate) async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let folder = DataFolder::open(&args.data)?;
    let http = bind("--http", args.http).await?;
    let grpc = bind("--grpc", args.grpc).await?;
    let place = args.log.unwrap_or_else(|| LogPlace::Folder(folder.log()));
    let Some(log) = open_to_append(&place, &stop).await? else {
        return Ok(());
    };
    let control = match args.control {
        Some(place) => place,
        None => ControlPlace::below(folder.root())?,
    };
    let control = control.open().await?;
    let mut server = Server::start(&folder, log, control, http, grpc)?;
    say(format_args!("console  http://{}/", server.http));
    say(format_args!("agents   http://{}", server.grpc));
    say(format_args!("data     {}", folder.root().display()));
    if let LogPlace::Kafka(address) = &place {
        say(format_args!("log      {address}"));
    }
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
    let Some(log) = open_to_append(&args.log, &stop).await? else {
        return Ok(());
    };
    say_address("agents   http://", &grpc);
    collector(grpc, log, new_registry()).until(stop).await
}

/// `epm processor`: follows the log of a collector in another process, or has it alone.
pub(crate) async fn process(args: ProcessorArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let tables = folder_url(&args.tables)?;
    // One processor at a time writes the tables.
    let _lock = crate::data_folder::lock_tables(&args.tables)?;
    let Some(log) = open_to_follow(&args.log, &stop).await? else {
        return Ok(());
    };
    let config = epm_processor::Config::new(tables);
    say(format_args!(
        "folding  {} into {}",
        args.log,
        args.tables.display()
    ));
    let role = Role::start("processor", |stop| {
        epm_processor::run(config, log, new_registry(), stop)
    });
    role.until(stop).await
}

/// `epm query-api`.
pub(crate) async fn query(args: QueryApiArgs) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let http = bind("--http", args.http).await?;
    let tables = folder_url(&args.tables)?;
    let control = match args.control {
        Some(place) => Some(place.open().await?),
        None => None,
    };
    say_address("console  http://", &http);
    query_api(&tables, control, http, &new_registry())
        .until(stop)
        .await
}

fn say_address(what: &str, listener: &tokio::net::TcpListener) {
    if let Ok(address) = listener.local_addr() {
        say(format_args!("{what}{address}"));
    }
}
