//! Keeps `docs/elevate.md` and `docs/threats.md` true: every test that they name exists, every row names one, and every
//! test of this folder is named or is about something else than behaviour and threats.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const BEHAVIOUR: &str = include_str!("../../../../docs/elevate.md");
const THREATS: &str = include_str!("../../../../docs/threats.md");

/// Names of the tests in a file of this suite.
fn tests_of(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/{file}.rs"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines() {
        let line = line.trim_start_matches("async ");
        let name = line
            .strip_prefix("fn ")
            .and_then(|rest| rest.split_once('('));
        if let Some((name, _)) = name.filter(|_| std::mem::take(&mut is_test)) {
            names.insert(name.to_owned());
        }
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    }
    names
}

/// Rows of all tables that say what shows each row, without their heads.
fn rows(list: &str) -> Vec<&str> {
    let (mut rows, mut before, mut shown) = (Vec::new(), "", false);
    for line in list.lines() {
        match (before.starts_with('|'), line.starts_with("| ")) {
            (false, true) => shown = line.ends_with("| shown by |"),
            (true, true) if shown => rows.push(line),
            _ => {}
        }
        before = line;
    }
    rows
}

/// The tests that a row names, by file.
fn named(row: &str) -> Vec<(String, &str)> {
    let quoted = row.split('`').skip(1).step_by(2);
    let names = quoted.filter_map(|name| name.rsplit_once("::"));
    names
        .map(|(file, test)| (file.replace("::", "/"), test))
        .collect()
}

#[test]
fn every_row_names_a_test_that_exists() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for row in rows(BEHAVIOUR).into_iter().chain(rows(THREATS)) {
        let names = named(row);
        assert!(!names.is_empty(), "no test: {row}");
        for (file, test) in names {
            let tests = known.entry(file.clone()).or_insert_with(|| tests_of(&file));
            assert!(tests.contains(test), "there is no {file}::{test}: {row}");
            count += 1;
        }
    }
    assert!(count > 60, "the lists were read: {count}");
}

#[test]
fn every_test_of_a_behaviour_or_a_threat_is_in_a_list() {
    for file in [
        "behaviour",
        "authentication",
        "approvals",
        "certificates",
        "children",
        "kills",
        "threats/files",
        "threats/input",
        "threats/sockets",
    ] {
        let file = format!("elevate/{file}");
        for test in tests_of(&file) {
            let name = format!("`{}::{test}`", file.replace('/', "::"));
            let listed = [BEHAVIOUR, THREATS].iter().any(|list| list.contains(&name));
            assert!(listed, "{name} is in no list");
        }
    }
}
