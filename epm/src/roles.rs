//! The commands that run one role, or all of them, until they are told to stop.

use crate::cli::{CollectorArgs, ProcessorArgs, QueryApiArgs, ReadAccess, ServeArgs};
use crate::control::{self, ControlPlace};
use crate::data_folder::DataFolder;
use crate::event_log::{LogPlace, open_to_append, open_to_follow};
use crate::failure::{ExitCode, Failure};
use crate::listeners::bind;
use crate::server::{Reading, Role, Server, collector, folder_url, new_registry, query_api};
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
    let store = match args.control {
        Some(store) => store,
        None => ControlPlace::below(folder.root())?,
    };
    let control = store.open().await?;
    control::introduce(&control).await?;
    let reading = Reading {
        control: Some(control),
        access: args.access,
    };
    let mut server = Server::start(&folder, log, reading, http, grpc)?;
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
    if control.is_none() && args.access == ReadAccess::Required {
        return Err(Failure::new(
            ExitCode::Usage,
            "--access required: without a control store nobody can have a token",
            "Name the store of the server with --control.",
        ));
    }
    let reading = Reading {
        control,
        access: args.access,
    };
    say_address("console  http://", &http);
    query_api(&tables, reading, http, &new_registry())
        .until(stop)
        .await
}

fn say_address(what: &str, listener: &tokio::net::TcpListener) {
    if let Ok(address) = listener.local_addr() {
        say(format_args!("{what}{address}"));
    }
}
