//! Members of whole, cut and damaged files.

use proptest::prelude::*;

use super::*;

fn steps(text: &[u8]) -> Vec<String> {
    let mut members = Members::new(text);
    let mut steps = Vec::new();
    while let Some(member) = members.next().expect("memory reads") {
        steps.push(match member {
            Member::Value { key, value } => format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            ),
            Member::Damaged(why) => format!("! {why}"),
        });
    }
    steps
}

#[test]
fn repeated_keys_are_all_handed_on() {
    let text = br#"{ "accept": {"a": "}\""}, "accept": {"b": [1, {}]}, "exit": 3 }"#;
    assert_eq!(
        steps(text),
        [
            r#"accept={"a": "}\""}"#,
            r#"accept={"b": [1, {}]}"#,
            "exit=3 "
        ]
    );
}

#[test]
fn an_object_a_line_reads_like_one_object() {
    let text = b"{\"accept\":{\"a\":1}}\n{\"exit\":{\"b\":2}}\n";
    assert_eq!(steps(text), [r#"accept={"a":1}"#, r#"exit={"b":2}"#]);
}

#[test]
fn a_cut_record_costs_only_itself() {
    let cut = b"{\n\"accept\": {\"a\": 1,\n\"accept\": {\"b\": 2},\n\"exit\": {\"c\": 3}\n}\n";
    assert_eq!(
        steps(cut),
        [
            "! a record cut before the next one",
            r#"accept={"b": 2}"#,
            r#"exit={"c": 3}"#
        ]
    );
    let in_text = b"{\"accept\":{\"a\":\"xy\n{\"accept\":{\"b\":2}}\n{\"exit\":{\"c\":3}}\n";
    assert_eq!(
        steps(in_text),
        [
            "! a record cut inside a text",
            r#"accept={"b":2}"#,
            r#"exit={"c":3}"#
        ]
    );
    let noise = b"{\"accept\": {\"a\":1}, \x00\x00 {{ \"reject\" : {\"b\":2}}";
    assert_eq!(
        steps(noise),
        [
            r#"accept={"a":1}"#,
            "! text that is no JSON",
            r#"reject={"b":2}"#
        ]
    );
}

#[test]
fn a_cut_file_is_read_as_far_as_it_goes() {
    let text = br#"{"accept": {"a": 1}, "exit": {"b": "#;
    assert_eq!(
        steps(text),
        [r#"accept={"a": 1}"#, "! the file ends inside a record"]
    );
}

#[test]
fn a_record_beyond_the_limit_is_passed_over() {
    let mut text = br#"{"accept": {"a": ""#.to_vec();
    text.resize(RECORD_LIMIT + 10, b'x');
    text.extend_from_slice(br#""}, "exit": {"b": 1}}"#);
    assert_eq!(
        steps(&text),
        ["! a record longer than 8 MiB", r#"exit={"b": 1}"#]
    );
}

#[test]
fn keys_of_a_cut_head_include_the_one_that_is_cut() {
    assert_eq!(
        top_level_keys(br#" {"a": {"x": 1}, "b": ["y", "#),
        ["a", "b"]
    );
    assert!(top_level_keys(b"text").is_empty());
}

proptest! {
    #[test]
    fn any_text_ends_without_a_panic(text in "(\"accept\": |[{}\\[\\]\",:\\\\\n 1a]){0,60}") {
        steps(text.as_bytes());
    }
}
