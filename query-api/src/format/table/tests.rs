//! How a page looks on a terminal.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr as _;

use super::{Width, shortened, table, thousands};
use crate::engine::shape::schema_of;
use crate::{DataStatus, ReportPage, Window, catalogue};

fn page() -> ReportPage {
    let report = catalogue::find("by-publisher").expect("a report");
    let wanted = ["publisher", "elevation_type", "total"];
    let columns: Vec<_> = report
        .columns
        .iter()
        .filter(|column| wanted.contains(&column.name))
        .copied()
        .collect();
    let publishers = [
        "Contoso",
        "A very long publisher name that does not fit anywhere",
        "漢字\u{202e}x",
    ];
    let cells: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(publishers.to_vec())),
        Arc::new(StringArray::from(vec![
            Some("automatic"),
            Some("unmanaged"),
            None,
        ])),
        Arc::new(Int64Array::from(vec![1_234_567, 42, 7])),
    ];
    let batch = RecordBatch::try_new(schema_of(&columns), cells).expect("a batch");
    ReportPage {
        report,
        window: Window::default(),
        columns,
        batches: vec![batch],
        total_rows: Some(3),
        next_cursor: None,
        status: DataStatus::default(),
    }
}

#[test]
fn every_line_fits_the_terminal() {
    for columns in [20, 30, 40, 60, 80, 200] {
        let text = table(&page(), Width::Columns(columns));
        for line in text.lines().take(5) {
            assert!(line.width() <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn numbers_end_where_their_title_ends() {
    let text = table(&page(), Width::Columns(80));
    let ends: Vec<usize> = text
        .lines()
        .take(5)
        .filter(|line| !line.starts_with('─'))
        .map(|line| line.width())
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{text}");
    assert!(text.contains("1,234,567"), "{text}");
}

#[test]
fn characters_that_act_reach_no_terminal() {
    assert!(!table(&page(), Width::Free).contains('\u{202e}'));
}

#[test]
fn an_empty_page_still_shows_its_columns_and_the_reason() {
    let mut empty = page();
    empty.batches = vec![];
    empty.status.empty_reason = Some("No elevation happened in this window.".to_owned());
    let text = table(&empty, Width::Columns(80));
    assert!(
        text.contains("Publisher") && text.contains("No elevation happened"),
        "{text}"
    );
}

#[test]
fn long_texts_keep_both_ends() {
    assert_eq!(shortened("C:\\Program Files\\tool.exe", 11), "C:\\Pr…l.exe");
    assert_eq!(shortened("short", 5), "short");
    assert_eq!(thousands("-1234"), "-1,234");
    assert_eq!(thousands("-123"), "-123");
}
