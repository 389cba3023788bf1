//! The stage over time: small files are joined, and what is read does not change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use epm_event_log::PartitionId;
use epm_processor::{Config, ProcessorError, run};
use epm_proto::v1::record::Body;
use epm_tables::schema::{DEAD_LETTERS_TABLE, DEVICES_TABLE, ELEVATIONS_TABLE, USAGE_TABLE};
use epm_tables::write::{Cell, TableWriter};
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

/// A world whose log was trimmed after everything in it was folded; returns how many elevations there were.
async fn trimmed() -> (World, usize) {
    let (world, mut spool) = (World::new(), Spool::new(1));
    let count = 40;
    for at in 0..count {
        let mut body = elevation("a.exe", "ann");
        if let Some(file) = &mut body.file {
            file.arguments = "x".repeat(100_000);
        }
        let record = spool.record(&[], START_US + at, Body::Elevation(body));
        world.append(&[record]).await;
    }
    world.fold().await;
    let partition = PartitionId(0);
    let end = world.log.bounds(partition).await.expect("bounds").end;
    let kept = world.log.trim(partition, end).await.expect("it trims");
    assert!(kept.start.0 > 0, "whole segments went");
    (world, count as usize)
}

#[tokio::test]
async fn a_trimmed_log_and_lost_counts_are_made_whole_from_elevations() {
    let (world, count) = trimmed().await;
    std::fs::remove_dir_all(world.tables().join("usage")).expect("a table can be deleted");
    let rebuilt = epm_processor::rebuild(world.config(), &*world.log)
        .await
        .expect("it rebuilds");
    assert!(rebuilt.kept_history && rebuilt.is_trimmed);
    world.fold().await;
    assert_eq!(world.elevations().await.len(), count);
    let counted = world.rows(USAGE_TABLE).await;
    assert_eq!(
        counted[0][USAGE_TABLE.index("elevations")],
        Cell::Long(count as i64)
    );
}

#[tokio::test]
async fn a_trimmed_log_never_takes_older_rows_away() {
    let (world, count) = trimmed().await;
    std::fs::remove_dir_all(world.tables().join("devices")).expect("a table can be deleted");
    let refused = epm_processor::rebuild(world.config(), &*world.log)
        .await
        .expect_err("it refuses");
    assert!(
        matches!(
            refused,
            ProcessorError::Irreplaceable {
                table: "devices",
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(world.elevations().await.len(), count);
}

#[tokio::test]
async fn what_the_log_let_go_before_it_was_folded_is_told_once_and_folding_goes_on() {
    let (world, count) = trimmed().await;
    std::fs::remove_dir_all(world.tables()).expect("the tables can be deleted");
    let start = world
        .log
        .bounds(PartitionId(0))
        .await
        .expect("bounds")
        .start;
    for _ in 0..2 {
        world.fold().await;
        let dead = world.rows(DEAD_LETTERS_TABLE).await;
        let cells = |name| &dead[0][DEAD_LETTERS_TABLE.index(name)];
        assert_eq!(dead.len(), 1);
        assert_eq!(cells("code").text(), Some("trimmed"));
        let detail = cells("detail").text().unwrap_or_default();
        let words = format!("offsets 0 to {} ", start.0 - 1);
        assert!(detail.contains(&words), "{detail}");
        assert_eq!(
            world.elevations().await.len(),
            count - start.0 as usize,
            "what is left is folded"
        );
        let devices = world.rows(DEVICES_TABLE).await;
        assert_eq!(
            devices[0][DEVICES_TABLE.index("missing")],
            Cell::Long(start.0 as i64),
            "the agent's sequences show what is gone"
        );
    }
    let verified = epm_processor::verify(world.config(), &*world.log)
        .await
        .expect("it verifies");
    assert!(verified.is_sound(), "{verified:?}");
}

#[tokio::test]
async fn a_trimmed_log_without_tables_is_folded_from_where_it_begins() {
    let (world, count) = trimmed().await;
    std::fs::remove_dir_all(world.tables()).expect("the tables can be deleted");
    let rebuilt = epm_processor::rebuild(world.config(), &*world.log)
        .await
        .expect("it rebuilds");
    assert!(!rebuilt.kept_history && rebuilt.is_trimmed);
    let left = world.elevations().await.len();
    assert!(0 < left && left < count, "{left} of {count}");
    world.fold().await;
    assert_eq!(world.elevations().await.len(), left);
}
