//! How long after its acknowledgement a record is visible, under a steady load.
//!
//! Overstated rather than understated: a batch counts as visible only when everything that was sent before its
//! acknowledgement is, and the clock stops at the next look.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::sync::mpsc;

use super::{Args, LOOK, PATIENCE};
use crate::child::Server;
use crate::delivery::Open;
use crate::figures::quantile;
use crate::place;
use crate::prepared::{Prepared, Stream};
use crate::terminal::say;

/// A batch that is acknowledged: when, and how many records were sent until then.
type Acknowledged = (Instant, u64);

pub(super) async fn run(data: &Path, args: &Args) -> anyhow::Result<()> {
    let prepared = Prepared::new(&args.shared, args.rate * args.freshness_seconds, 3)?;
    let pause = Duration::from_secs_f64(
        (args.shared.batch * args.shared.connections) as f64 / args.rate as f64,
    );
    let server = Server::start(data, true).await?;
    let sent = Arc::new(AtomicU64::new(0));
    let (acknowledged, waiting) = mpsc::unbounded_channel();
    let cpu = (server.cpu()?, Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for (number, stream) in prepared.streams.iter().enumerate() {
        let open = Open::connect(&server.grpc, stream.agent_id).await?;
        let (sent, acknowledged) = (Arc::clone(&sent), acknowledged.clone());
        // Spread over the pause, so that the load is even.
        let offset = pause.mul_f64(number as f64 / args.shared.connections as f64);
        let stream = stream.clone();
        let batch = args.shared.batch as u64;
        tasks.spawn(paced(
            open,
            stream,
            pause,
            offset,
            batch,
            sent,
            acknowledged,
        ));
    }
    drop(acknowledged);
    let mut visible = watch(&server, waiting).await?;
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let spent = server.cpu()?.saturating_sub(cpu.0);
    say(format_args!(
        "freshness at {} records/s, {} batches, acknowledged to visible: p50 {:.0} ms, p99 {:.0} ms, most {:.0} ms; server CPU {:.0} % of one core, peak RSS {} MB (load average now {})",
        args.rate,
        visible.len(),
        quantile(&mut visible, 0.5).as_secs_f64() * 1e3,
        quantile(&mut visible, 0.99).as_secs_f64() * 1e3,
        quantile(&mut visible, 1.0).as_secs_f64() * 1e3,
        100.0 * spent.as_secs_f64() / cpu.1.elapsed().as_secs_f64(),
        server.peak_bytes()? >> 20,
        place::load_average(),
    ));
    server.stop().await
}

async fn paced(
    mut open: Open,
    stream: Stream,
    pause: Duration,
    offset: Duration,
    records: u64,
    sent: Arc<AtomicU64>,
    acknowledged: mpsc::UnboundedSender<Acknowledged>,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, pause);
    for (batch, next) in &stream.batches {
        ticks.tick().await;
        sent.fetch_add(records, Ordering::SeqCst);
        open.send(batch).await?;
        while open.durable_before().await? < *next {}
        acknowledged.send((Instant::now(), sent.load(Ordering::SeqCst)))?;
    }
    Ok(())
}

/// Looks at the position of the tables until every batch is visible.
async fn watch(
    server: &Server,
    mut waiting: mpsc::UnboundedReceiver<Acknowledged>,
) -> anyhow::Result<Vec<Duration>> {
    let mut visible = Vec::new();
    while let Some((at, needed)) = waiting.recv().await {
        while server.metric("epm_processor_position").await? < needed {
            ensure!(at.elapsed() < PATIENCE, "a batch did not become visible");
            tokio::time::sleep(LOOK).await;
        }
        visible.push(at.elapsed());
    }
    Ok(visible)
}
