//! Keeps `docs/policy-conformance.md` true: every test that it names exists, and every statement has one or says whose
//! work it is. Whether a test shows its statement is for a reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LIST: &str = include_str!("../../../docs/policy-conformance.md");

/// Names of the tests in a file of this suite.
fn tests_of(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/{file}.rs"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let after = text.split("#[test]\nfn ").skip(1);
    let names = after.filter_map(|rest| rest.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Each statement with what stands beside it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let cells = LIST
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.filter_map(|line| line.rsplit_once(" | "));
    rows.filter(|(statement, _)| *statement != "statement")
        .collect()
}

/// The tests that a cell names.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.split_once("::")).collect()
}

#[test]
fn every_test_that_the_list_names_exists() {
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for (statement, cell) in rows() {
        for (file, test) in named(cell) {
            let tests = known.entry(file).or_insert_with(|| tests_of(file));
            assert!(
                tests.contains(test),
                "{statement}: there is no {file}::{test}"
            );
            count += 1;
        }
    }
    assert!(count > 100, "the list was read: {count}");
}

#[test]
fn every_statement_has_a_test_or_says_whose_work_it_is() {
    let mut elsewhere = 0;
    for (statement, cell) in rows() {
        let shown = cell
            .split(", ")
            .all(|name| name.starts_with('`') && !named(name).is_empty());
        if !shown {
            assert!(
                named(cell).is_empty(),
                "{statement}: tests or words, not both"
            );
            assert!(cell.split(' ').count() > 3, "{statement}: {cell}");
            elsewhere += 1;
        }
    }
    assert!(
        elsewhere < 12,
        "the engine's own statements are tested: {elsewhere}"
    );
}

#[test]
fn all_eleven_decisions_about_gaps_in_the_sources_are_in_the_list() {
    let decisions = tests_of("decisions");
    assert_eq!(decisions.len(), 11);
    for decision in decisions {
        assert!(
            LIST.contains(&format!("`decisions::{decision}`")),
            "{decision}"
        );
    }
}
