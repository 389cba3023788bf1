//! A crash between two of the commits of one transaction: the tables behind are brought up, and nothing counts twice.

use std::path::Path;

use bytes::Bytes;
use epm_processor::ProcessorError;
use epm_proto::v1::{SensorKind, record::Body};

use crate::world::{START_US, Spool, World, elevation, exit, process_start};

/// Takes the newest commit of a table back: what a crash before it would have left.
fn undo_newest_commit(tables: &Path, table: &str) {
    let log = tables.join(table).join("_delta_log");
    let newest = std::fs::read_dir(&log)
        .expect("the table has a log")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .max()
        .expect("the table has commits");
    std::fs::remove_file(newest).expect("a commit can be removed");
}

fn history() -> Vec<Vec<Bytes>> {
    let (mut one, mut other) = (Spool::new(1), Spool::new(2));
    let plain = |spool: &mut Spool, at| {
        spool.record(
            &[],
            START_US + at,
            Body::Elevation(elevation("a.exe", "ann")),
        )
    };
    let seen = |sensor| Body::Elevation(process_start(sensor, "b.exe", 5));
    vec![
        vec![
            plain(&mut one, 1),
            one.record(&[1; 16], START_US, seen(SensorKind::Security4688)),
            one.record(
                &[7; 16],
                START_US,
                Body::Elevation(elevation("c.exe", "bob")),
            ),
            Bytes::from_static(b"not a record"),
        ],
        vec![
            plain(&mut other, 2),
            other.record(&[2; 16], START_US + 10, seen(SensorKind::Sysmon1)),
            other.record(&[], START_US + 99, exit(&[7; 16], START_US, 4)),
            one.record(
                &[7; 16],
                START_US,
                Body::Elevation(elevation("c.exe", "bob")),
            ),
            Bytes::from_static(b"nor this"),
            plain(&mut one, 86_400_000_000),
        ],
    ]
}

#[tokio::test]
async fn a_crash_between_any_two_commits_changes_nothing() {
    let history = history();
    let expected = {
        let world = World::new();
        world.append(&history.concat()).await;
        world.fold().await;
        world.canonical().await
    };
    let order = ["dead_letters", "elevations", "usage", "devices"];
    for first_undone in 0..order.len() {
        let world = World::new();
        for part in &history {
            world.append(part).await;
            world.fold().await;
        }
        for table in &order[first_undone..] {
            undo_newest_commit(&world.tables(), table);
        }
        world.fold().await;
        assert_eq!(
            world.canonical().await,
            expected,
            "after a crash before {}",
            order[first_undone]
        );
        let sound = epm_processor::verify(world.config(), &*world.log)
            .await
            .expect("it verifies");
        assert!(sound.is_sound(), "{sound:?}");
    }
}

#[tokio::test]
async fn a_table_that_was_deleted_alone_is_refused_with_the_remedy_and_rebuild_helps() {
    let world = World::new();
    world.append(&history().concat()).await;
    world.fold().await;
    let expected = world.canonical().await;
    std::fs::remove_dir_all(world.tables().join("elevations")).expect("a table can be deleted");
    let refused = world
        .try_fold(1 << 20)
        .await
        .expect_err("the tables do not agree");
    assert!(
        matches!(
            refused,
            ProcessorError::Inconsistent {
                table: "elevations",
                ..
            }
        ),
        "{refused}"
    );
    assert!(refused.to_string().contains("epm rebuild"));
    epm_processor::rebuild(world.config(), &*world.log)
        .await
        .expect("it rebuilds");
    assert_eq!(world.canonical().await, expected);
    world.fold().await;
    assert_eq!(world.canonical().await, expected);
}

#[tokio::test]
async fn verify_finds_a_row_that_the_log_does_not_have() {
    let world = World::new();
    world.append(&history().concat()).await;
    world.fold().await;
    // Somebody copies another server's rows over ours.
    let other = World::new();
    let mut spool = Spool::new(9);
    let stranger = spool.record(&[], START_US, Body::Elevation(elevation("x.exe", "eve")));
    other.append(&[stranger]).await;
    other.fold().await;
    std::fs::remove_dir_all(world.tables().join("elevations")).expect("a table can be deleted");
    copy(
        &other.tables().join("elevations"),
        &world.tables().join("elevations"),
    );
    undo_all_but_elevations(&world);
    let found = epm_processor::verify(world.config(), &*world.log).await;
    assert!(found.is_err() || found.is_ok_and(|found| !found.is_sound()));
}

fn undo_all_but_elevations(world: &World) {
    for table in ["usage", "devices"] {
        std::fs::remove_dir_all(world.tables().join(table)).expect("a table can be deleted");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
