//! A commit carries rows and positions, all or nothing.

use arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;
use epm_tables::schema::{DEAD_LETTERS_TABLE, Table};
use epm_tables::write::{Cell, RowsBuilder, read_cells};
use epm_tables::{Change, TableReader, TableWriter, WriteError};

use crate::rows::{MONDAY, Tables, pairs, rows, rows_of};

fn added(day: i32, offsets: std::ops::Range<i64>) -> Change {
    Change {
        add: vec![(Some(day), rows(day, offsets))],
        ..Change::default()
    }
}

#[tokio::test]
async fn a_table_that_does_not_exist_reads_as_empty() {
    let tables = Tables::new();
    assert_eq!(tables.seen().await, []);
    let snapshot = tables.reader.newest().await.expect("a version");
    assert_eq!(snapshot.version(), None);
}

#[tokio::test]
async fn a_commit_shows_its_rows_and_its_positions_together() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    assert_eq!(writer.position("log-0").await.expect("a position"), None);
    writer
        .commit(Change {
            add: vec![
                (Some(MONDAY), rows(MONDAY, 0..2)),
                (Some(MONDAY + 1), rows(MONDAY + 1, 2..3)),
            ],
            positions: vec![("log-0".into(), 3), ("log-1".into(), 9)],
            ..Change::default()
        })
        .await
        .expect("the commit");
    let seen = [(MONDAY, 0), (MONDAY, 1), (MONDAY + 1, 2)];
    assert_eq!(tables.seen().await, seen);
    for writer in [writer, tables.writer().await] {
        assert_eq!(writer.position("log-0").await.expect("a position"), Some(3));
        assert_eq!(writer.position("log-1").await.expect("a position"), Some(9));
        assert_eq!(writer.position("log-2").await.expect("a position"), None);
        assert_eq!(writer.files_of(Some(MONDAY)).len(), 1);
        assert_eq!(writer.files().map(|file| file.rows).sum::<u64>(), 3);
    }
}

#[tokio::test]
async fn positions_alone_can_be_committed() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    let positions = vec![("log-0".to_owned(), 7)];
    writer
        .commit(Change {
            positions,
            ..Change::default()
        })
        .await
        .expect("the commit");
    let position = tables.writer().await.position("log-0").await;
    assert_eq!(position.expect("a position"), Some(7));
    assert_eq!(tables.seen().await, []);
}

#[tokio::test]
async fn rows_are_replaced_in_one_version() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    writer
        .commit(added(MONDAY, 0..3))
        .await
        .expect("the commit");
    let before = writer.version();
    let remove = writer.files_of(Some(MONDAY));
    writer
        .commit(Change {
            add: vec![(Some(MONDAY), rows(MONDAY, 10..12))],
            remove,
            ..Change::default()
        })
        .await
        .expect("the commit");
    assert_eq!(writer.version(), before + 1);
    assert_eq!(tables.seen().await, [(MONDAY, 10), (MONDAY, 11)]);
    // The version before still shows what it showed.
    let past = tables.reader.at_version(before).await.expect("a version");
    let offsets = [(MONDAY, 0), (MONDAY, 1), (MONDAY, 2)];
    assert_eq!(pairs(&rows_of(&past).await), offsets);
}

#[tokio::test]
async fn a_commit_that_fails_shows_nothing_and_keeps_the_position() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    writer
        .commit(Change {
            positions: vec![("log-0".into(), 2)],
            ..added(MONDAY, 0..2)
        })
        .await
        .expect("the commit");
    // A file where the next day's folder should be: the second file of the change cannot be written.
    let blocked = tables
        .folder
        .path()
        .join("dead_letters/received_date=2026-01-06");
    std::fs::write(&blocked, b"in the way").expect("a file in the way");
    let change = Change {
        add: vec![
            (Some(MONDAY), rows(MONDAY, 2..4)),
            (Some(MONDAY + 1), rows(MONDAY + 1, 4..5)),
        ],
        positions: vec![("log-0".into(), 5)],
        ..Change::default()
    };
    let refused = writer.commit(change).await;
    assert!(
        matches!(refused, Err(WriteError::Rows { .. })),
        "{refused:?}"
    );
    assert_eq!(tables.seen().await, [(MONDAY, 0), (MONDAY, 1)]);
    assert_eq!(writer.position("log-0").await.expect("a position"), Some(2));
    // The same writer goes on once the cause is gone.
    std::fs::remove_file(&blocked).expect("the way is free");
    writer
        .commit(Change {
            positions: vec![("log-0".into(), 5)],
            ..added(MONDAY + 1, 4..5)
        })
        .await
        .expect("the commit");
    let seen = [(MONDAY, 0), (MONDAY, 1), (MONDAY + 1, 4)];
    assert_eq!(tables.seen().await, seen);
}

#[tokio::test]
async fn a_reopened_writer_goes_on_where_the_last_one_stopped() {
    let tables = Tables::new();
    for round in 0..3 {
        let mut writer = tables.writer().await;
        writer
            .commit(Change {
                positions: vec![("log-0".into(), round + 1)],
                ..added(MONDAY, round..round + 1)
            })
            .await
            .expect("the commit");
    }
    let writer = tables.writer().await;
    assert_eq!(writer.position("log-0").await.expect("a position"), Some(3));
    assert_eq!(writer.files_of(Some(MONDAY)).len(), 3);
    let seen = [(MONDAY, 0), (MONDAY, 1), (MONDAY, 2)];
    assert_eq!(tables.seen().await, seen);
}

#[tokio::test]
async fn a_file_reads_back_with_the_columns_that_were_asked_for() {
    let tables = Tables::new();
    let mut writer = tables.writer().await;
    let written = rows(MONDAY, 0..4);
    writer
        .commit(Change {
            add: vec![(Some(MONDAY), written.clone())],
            ..Change::default()
        })
        .await
        .expect("the commit");
    let files = writer.files_of(Some(MONDAY));
    let whole = writer.read_file(&files[0], None).await.expect("the rows");
    assert_eq!(whole, written);
    let some = writer
        .read_file(&files[0], Some(&["log_offset", "received_date"]))
        .await
        .expect("the rows");
    assert_eq!(some.num_columns(), 2);
    assert_eq!(pairs(&some), pairs(&written));
}

#[tokio::test]
async fn a_table_of_an_earlier_version_gets_the_columns_that_it_lacks_and_keeps_its_rows() {
    let tables = Tables::new();
    let mut earlier = DEAD_LETTERS_TABLE;
    earlier.columns = &DEAD_LETTERS_TABLE.columns[..6];
    // Partitioned by a column that is there.
    earlier.partition = None;
    let mut later = DEAD_LETTERS_TABLE;
    later.partition = None;
    let rows = |table: Table, offset: i64| {
        let mut rows = RowsBuilder::new(table);
        rows.time("received_at", Some(1));
        rows.int("partition", Some(0));
        rows.long("log_offset", Some(offset));
        rows.text("agent_id", "a");
        rows.long("epoch", None);
        rows.long("sequence", None);
        if table.columns.len() > 6 {
            rows.text("code", "undecodable");
            rows.text("detail", "");
            rows.binary("record", None);
            rows.long("record_bytes", Some(7));
            rows.date("received_date", Some(1));
        }
        rows.end_row();
        rows.finish()
    };
    let change = |rows, position| Change {
        add: vec![(None, rows)],
        positions: vec![("log".to_owned(), position)],
        ..Change::default()
    };
    let mut writer = TableWriter::open(&tables.url, earlier).await.expect("made");
    let committed = writer.commit(change(rows(earlier, 1), 1)).await;
    committed.expect("committed");
    let mut writer = TableWriter::open(&tables.url, later)
        .await
        .expect("it opens");
    assert_eq!(writer.position("log").await.expect("read"), Some(1));
    let committed = writer.commit(change(rows(later, 2), 2)).await;
    committed.expect("committed");
    let mut read = Vec::new();
    for file in writer.files() {
        let rows = writer.read_file(file, None).await.expect("the rows");
        assert_eq!(rows.schema(), later.schema());
        let cells = read_cells(&rows, 0);
        let cell = |name| cells[later.index(name)].clone();
        read.push((cell("log_offset"), cell("record_bytes")));
    }
    read.sort_by_key(|(offset, _)| matches!(offset, Cell::Long(2)));
    let expected = [(Cell::Long(1), Cell::Null), (Cell::Long(2), Cell::Long(7))];
    assert_eq!(read, expected);
    let reader = TableReader::open(tables.url.as_str(), "dead_letters", later.schema());
    let newest = reader.expect("an address").newest().await.expect("read");
    let session = SessionContext::new();
    let rows = newest.frame(&session).expect("a frame").collect().await;
    let counted: usize = rows.expect("rows").iter().map(RecordBatch::num_rows).sum();
    assert_eq!(counted, 2);
    drop(TableWriter::open(&tables.url, later).await.expect("again"));
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_with_the_remedy() {
    let tables = Tables::new();
    drop(tables.writer().await);
    let mut other = DEAD_LETTERS_TABLE;
    other.columns = &DEAD_LETTERS_TABLE.columns[1..];
    let refused = TableWriter::open(&tables.url, other)
        .await
        .expect_err("it has a column more");
    let said = refused.to_string();
    assert!(
        said.contains("received_at") && said.contains("epm rebuild"),
        "{said}"
    );
}
