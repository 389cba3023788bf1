//! Objects in every form in which programs write them, and damage between them.

use super::super::recorded::{Recorded, time};
use super::*;

// Hands every object on as unreadable, so that it can be looked at beside what is damaged.
#[derive(Debug)]
struct Echo;

impl ObjectReader for Echo {
    fn object(&mut self, object: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        let value: serde_json::Value = serde_json::from_slice(object).expect("an object");
        into.unreadable(&value.to_string())
    }
}

fn read(text: &str) -> Vec<String> {
    let whole = read_in_pieces(text, text.len().max(1));
    for piece in [1, 2, 3, 7] {
        assert_eq!(read_in_pieces(text, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn read_in_pieces(text: &str, piece: usize) -> Vec<String> {
    let mut recorded = Recorded::default();
    let mut objects = Objects::new(Echo);
    for piece in text.as_bytes().chunks(piece) {
        let _ = objects.bytes(piece, &time(), &mut recorded);
    }
    let _ = objects.finish(&time(), &mut recorded);
    recorded.unreadable
}

const TWO: [&str; 2] = ["{\"a\":1}", "{\"b\":{\"c\":[2,{}]}}"];

#[test]
fn objects_are_found_however_they_stand() {
    for text in [
        "{\"a\":1}\n{\"b\":{\"c\":[2,{}]}}\n",
        "{\"a\":1}{\"b\":{\"c\":[2,{}]}}",
        "[{\"a\":1},\n {\"b\":{\"c\":[2,{}]}}]",
        "\u{feff}{\n  \"a\": 1\n}\n{\n  \"b\": {\n    \"c\": [2, {}]\n  }\n}\n",
        "{\"@odata.context\":\"x[{\",\"value\":[{\"a\":1},{\"b\":{\"c\":[2,{}]}}],\"n\":3}",
        "{\"value\":[{\"a\":1}]}\n{\"records\":[{\"b\":{\"c\":[2,{}]}}],\"s\":\"]}\\\"\"}",
    ] {
        assert_eq!(read(text), TWO, "{text}");
    }
}

#[test]
fn braces_and_quotes_inside_a_text_mean_nothing() {
    let text = "{\"a\":\"}{ \\\" ]\",\"value\":\"[\"}";
    assert_eq!(read(text), ["{\"a\":\"}{ \\\" ]\",\"value\":\"[\"}"]);
}

#[test]
fn damage_costs_the_object_that_it_hits() {
    assert_eq!(
        read("{\"a\":1}\n{\"x\": \"cut\n{\"b\":2}\nrubbish {\n{\"c\":3}\n{\"d\":"),
        [
            "{\"a\":1}",
            "a JSON object cut inside a text",
            "{\"b\":2}",
            "text that is no JSON object",
            "{\"c\":3}",
            CUT,
        ]
    );
    assert_eq!(
        read("{\n \"a\": {\n{\"b\":2}\n"),
        ["a JSON object cut before the next one", "{\"b\":2}"]
    );
}

#[test]
fn an_object_beyond_the_limit_is_passed_over() {
    let text = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}", "x".repeat(OBJECT_LIMIT));
    assert_eq!(read_in_pieces(&text, 65_536), [TOO_LONG, "{\"b\":2}"]);
}

#[test]
fn the_first_object_of_a_head_is_found_in_a_list() {
    let head = Head::new(b" [ {\"a\": 1}, {\"b\"");
    assert_eq!(first_object(&head), Some(serde_json::json!({"a": 1})));
    assert_eq!(first_object(&Head::new(b"{\"a\": ")), None);
    assert_eq!(first_object(&Head::new(b"text")), None);
}
