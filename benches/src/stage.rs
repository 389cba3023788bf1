//! The stages under test as the server runs them, in this process, until standard input ends. It must not measure.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use epm_collector::SharedRegistry;
use epm_event_log::{EmbeddedConfig, EmbeddedLog, EventLog};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::terminal::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for log and tables.
    #[arg(long)]
    data: PathBuf,
    /// Processor and query API too, as `epm serve` has them.
    #[arg(long)]
    whole: bool,
}

/// Says the addresses in one line, and serves.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let log = EmbeddedLog::open(&args.data.join("log"), EmbeddedConfig::default())?;
    let log: Arc<dyn EventLog> = Arc::new(log);
    let registry = SharedRegistry::default();
    let stop = CancellationToken::new();
    let grpc = TcpListener::bind("127.0.0.1:0").await?;
    let http = TcpListener::bind("127.0.0.1:0").await?;
    say(format_args!(
        "{} {}",
        grpc.local_addr()?,
        http.local_addr()?
    ));
    let mut stages = tokio::task::JoinSet::new();
    if args.whole {
        let tables = args.data.join("tables");
        std::fs::create_dir_all(&tables)?;
        let address = url::Url::from_directory_path(&tables)
            .ok()
            .context("the folder has no address")?;
        let config = epm_processor::Config::new(address);
        let processor = epm_processor::run(
            config,
            Arc::clone(&log),
            Arc::clone(&registry),
            stop.clone(),
        );
        stages.spawn(async move { anyhow::Ok(processor.await?) });
        let config = epm_query_api::Config {
            tables: tables.display().to_string(),
            control: None,
            access: epm_query_api::ReadAccess::Open,
        };
        let query = epm_query_api::run(config, http, Arc::clone(&registry), stop.clone());
        stages.spawn(async move { anyhow::Ok(query.await?) });
    }
    let config = epm_collector::Config::default();
    let collector = epm_collector::run(config, grpc, log, registry, stop.clone());
    stages.spawn(async move { anyhow::Ok(collector.await?) });
    let asked_to_stop = tokio::task::spawn_blocking(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    });
    tokio::select! {
        _ = asked_to_stop => {}
        Some(ended) = stages.join_next() => ended??,
    }
    stop.cancel();
    while let Some(ended) = stages.join_next().await {
        ended??;
    }
    Ok(())
}
