//! Upkeep moves and forgets rows; it must not change what the kept ones say.

use std::ops::Range;

use arrow::array::RecordBatch;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::displayable;
use epm_tables::write::COMPACT_FROM_FILES;
use epm_tables::{Change, TableWriter};

use crate::rows::{MONDAY, Tables, pairs, rows};

async fn add(writer: &mut TableWriter, day: i32, offsets: Range<i64>) {
    writer
        .commit(Change {
            add: vec![(Some(day), rows(day, offsets))],
            positions: vec![("log-0".into(), 1)],
            ..Change::default()
        })
        .await
        .expect("the commit");
}

#[tokio::test]
async fn joining_files_keeps_every_row_and_position() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    let count = COMPACT_FROM_FILES as i64;
    for round in 0..count {
        assert_eq!(writer.compaction_candidates(), None);
        add(&mut writer, MONDAY, round * 2..round * 2 + 2).await;
    }
    add(&mut writer, MONDAY + 1, 0..1).await;
    let before = tables.seen().await;
    let (day, files) = writer.compaction_candidates().expect("files to join");
    assert_eq!((day, files.len()), (Some(MONDAY), COMPACT_FROM_FILES));
    let done = writer.compact(day, files).await.expect("the files join");
    assert_eq!(done.removed, COMPACT_FROM_FILES);
    assert_eq!(done.file.rows, 2 * COMPACT_FROM_FILES as u64);
    assert_eq!(writer.files_of(Some(MONDAY)), [done.file]);
    assert_eq!(tables.seen().await, before);
    assert_eq!(writer.position("log-0").await.expect("a position"), Some(1));
    assert_eq!(writer.compaction_candidates(), None);
}

#[tokio::test]
async fn old_days_are_forgotten_and_the_first_kept_one_is_not() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    for day in 0..3 {
        add(&mut writer, MONDAY + day, 0..2).await;
    }
    assert_eq!(
        writer
            .forget_before(MONDAY + 2, i64::MAX)
            .await
            .expect("it forgets"),
        4
    );
    assert_eq!(tables.seen().await, [(MONDAY + 2, 0), (MONDAY + 2, 1)]);
    let version = writer.version();
    assert_eq!(
        writer
            .forget_before(MONDAY + 2, i64::MAX)
            .await
            .expect("nothing to do"),
        0
    );
    assert_eq!(writer.version(), version, "nothing to forget is no commit");
}

// Old records that were imported lately stay as long as new ones.
#[tokio::test]
async fn an_old_day_that_was_written_lately_is_kept() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    add(&mut writer, MONDAY, 0..2).await;
    let written = writer.files_of(Some(MONDAY))[0].written_at_ms;
    let forgotten = writer.forget_before(MONDAY + 1, written).await;
    assert_eq!(forgotten.expect("nothing to do"), 0);
    let forgotten = writer.forget_before(MONDAY + 1, written + 1).await;
    assert_eq!(forgotten.expect("it forgets"), 2);
    assert_eq!(tables.seen().await, []);
}

#[tokio::test]
async fn vacuum_leaves_what_kept_versions_need() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    add(&mut writer, MONDAY, 0..2).await;
    add(&mut writer, MONDAY + 1, 0..2).await;
    writer
        .forget_before(MONDAY + 1, i64::MAX)
        .await
        .expect("it forgets");
    let before = tables.reader.at_version(1).await.expect("a version");
    assert_eq!(writer.vacuum().await.expect("it tidies"), 0);
    assert_eq!(pairs(&crate::rows::rows_of(&before).await).len(), 2);
    add(&mut writer, MONDAY + 1, 2..3).await;
    assert_eq!(tables.seen().await.len(), 3);
}

async fn asked(tables: &Tables, condition: &str) -> (Vec<RecordBatch>, String) {
    let session = SessionContext::new();
    let snapshot = tables.reader.newest().await.expect("the newest version");
    snapshot.register(&session).expect("the table is named");
    let query = format!("SELECT log_offset, received_date FROM dead_letters WHERE {condition}");
    let frame = session.sql(&query).await.expect("the query is understood");
    let plan = frame.clone().create_physical_plan().await.expect("a plan");
    let plan = displayable(plan.as_ref()).indent(true).to_string();
    (frame.collect().await.expect("the rows"), plan)
}

fn offsets(batches: &[RecordBatch]) -> Vec<(i32, i64)> {
    batches.iter().flat_map(pairs).collect()
}

#[tokio::test]
async fn a_reader_skips_files_by_day_and_by_time() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    add(&mut writer, MONDAY, 0..2).await;
    add(&mut writer, MONDAY + 1, 0..2).await;
    // A second file of the same day, seconds later: only its statistics tell it apart.
    add(&mut writer, MONDAY + 1, 10_000..10_001).await;
    let path = |file: &epm_tables::DataFile| file.path.clone();
    let monday: Vec<_> = writer.files_of(Some(MONDAY)).iter().map(path).collect();

    let (found, plan) = asked(&tables, "received_date = DATE '2026-01-06'").await;
    assert_eq!(offsets(&found).len(), 3);
    assert!(!plan.contains(&monday[0]), "the other day is read: {plan}");

    let window = "received_at >= TIMESTAMP '2026-01-06T00:00:14Z'";
    let (found, plan) = asked(&tables, window).await;
    assert_eq!(offsets(&found), [(MONDAY + 1, 10_000)]);
    assert_eq!(
        plan.matches(".parquet").count(),
        1,
        "one file is enough: {plan}"
    );
}

// Statistics hold milliseconds, so a bound inside one must not hide a row.
#[tokio::test]
async fn a_window_that_ends_inside_a_millisecond_finds_its_row() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    add(&mut writer, MONDAY, 1..2).await;
    for condition in [
        "received_at >= TIMESTAMP '2026-01-05T00:00:00.0015Z'",
        "received_at <= TIMESTAMP '2026-01-05T00:00:00.0015Z'",
        "received_at = TIMESTAMP '2026-01-05T00:00:00.0015Z'",
    ] {
        let (found, _) = asked(&tables, condition).await;
        assert_eq!(offsets(&found), [(MONDAY, 1)], "{condition}");
    }
}
