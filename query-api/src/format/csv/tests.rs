//! What a hostile value looks like in a spreadsheet.

use super::push_cell;
use crate::ColumnKind;

fn cell(value: &str) -> String {
    let mut out = String::new();
    push_cell(ColumnKind::Text, value, &mut out);
    out
}

#[test]
fn no_text_begins_a_formula() {
    for (value, written) in [
        (
            "=HYPERLINK(\"http://x\",\"y\")",
            "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"",
        ),
        ("+1", "\"'+1\""),
        ("-rf", "\"'-rf\""),
        ("@SUM(A1)", "\"'@SUM(A1)\""),
        (" =1", "\"' =1\""),
        ("＝1", "\"'＝1\""),
    ] {
        assert_eq!(cell(value), written);
    }
}

#[test]
fn tabs_and_line_ends_cannot_start_a_cell_or_a_row() {
    assert_eq!(cell("\t=1"), "\\u{9}=1");
    assert_eq!(cell("a\r\nb"), "a\\u{d}\\u{a}b");
}

#[test]
fn characters_that_act_are_written_out() {
    assert_eq!(cell("cod\u{202e}gpj.exe"), "cod\\u{202e}gpj.exe");
    assert_eq!(
        cell("a\u{0}b\u{1b}[31m\u{200b}"),
        "a\\u{0}b\\u{1b}[31m\\u{200b}"
    );
}

#[test]
fn quotes_and_commas_follow_the_rfc() {
    assert_eq!(cell("Contoso, \"Ltd\""), "\"Contoso, \"\"Ltd\"\"\"");
    assert_eq!(cell("Zürich 漢字"), "Zürich 漢字");
}

#[test]
fn negative_numbers_stay_numbers() {
    let mut out = String::new();
    push_cell(ColumnKind::Number, "-1073741510", &mut out);
    assert_eq!(out, "-1073741510");
}
