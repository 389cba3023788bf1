//! The stage over time: small files are joined, and what is read does not change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use epm_event_log::PartitionId;
use epm_processor::{Config, run};
use epm_proto::v1::record::Body;
use epm_tables::schema::{ELEVATIONS_TABLE, USAGE_TABLE};
use epm_tables::write::TableWriter;
use tokio_util::sync::CancellationToken;

use crate::world::{START_US, Spool, World, elevation};

#[tokio::test]
async fn a_running_stage_shows_what_arrives_and_joins_small_files() {
    let (world, mut spool) = (World::new(), Spool::new(1));
    // A past of many small commits.
    for at in 0..20 {
        let body = Body::Elevation(elevation("a.exe", "ann"));
        world
            .append(&[spool.record(&[], START_US + at, body)])
            .await;
        world.fold().await;
    }
    let config = Config {
        commit_interval: Duration::from_millis(50),
        ..world.config()
    };
    let tables = config.tables.clone();
    let stop = CancellationToken::new();
    let registry = Arc::new(Mutex::new(Default::default()));
    let stage = tokio::spawn(run(config, Arc::clone(&world.log), registry, stop.clone()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let elevations = TableWriter::open(&tables, ELEVATIONS_TABLE)
            .await
            .expect("it opens");
        let usage = TableWriter::open(&tables, USAGE_TABLE)
            .await
            .expect("it opens");
        let rows: u64 = elevations.files().map(|file| file.rows).sum();
        assert_eq!(rows, 20);
        if elevations.files().count() == 1 && usage.files().count() == 1 {
            assert_eq!(usage.files().map(|file| file.rows).sum::<u64>(), 1);
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "small files were not joined"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let body = Body::Elevation(elevation("late.exe", "ann"));
    world
        .append(&[spool.record(&[], START_US + 99, body)])
        .await;
    stop.cancel();
    stage.await.expect("the stage ends").expect("it ends well");
    assert_eq!(
        world.elevations().await.len(),
        21,
        "what was durable before the end is folded"
    );
    let end = world.log.bounds(PartitionId(0)).await.expect("bounds").end;
    assert_eq!(end.0, 21);
}
