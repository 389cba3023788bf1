//! The canonical form: what is written is accepted, and nothing else is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};

use super::{Deviation, check, write};

fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text).unwrap();
    text
}

fn refused(text: &str) -> (usize, Deviation) {
    check(text).unwrap_err()
}

#[test]
fn keys_come_by_their_utf_16_units_and_texts_have_the_shortest_escapes() {
    // U+1F600 is D83D DE00 in UTF-16, before U+FB33; in UTF-8 it comes after.
    let value = json!({
        "\u{fb33}": 1, "\u{1f600}": [true, false, null, {}, []], "b": "\u{8}\t\n\u{c}\r\u{1f}\u{7f}/\"\\é",
        "a": -9_007_199_254_740_991_i64, "": 9_007_199_254_740_991_u64,
    });
    let text = canonical(&value);
    let expected = concat!(
        r#"{"":9007199254740991,"a":-9007199254740991,"b":"\b\t\n\f\r\u001f"#,
        "\u{7f}",
        r#"/\"\\é","😀":[true,false,null,{},[]],""#,
        "\u{fb33}\":1}"
    );
    assert_eq!(text, expected);
    assert_eq!(check(&text), Ok(()));
}

#[test]
fn numbers_that_readers_of_json_read_differently_have_no_canonical_form() {
    for value in [
        json!(9_007_199_254_740_992_u64),
        json!(-9_007_199_254_740_992_i64),
        json!(0.5),
        json!([{"a": u64::MAX}]),
    ] {
        assert_eq!(write(&value, &mut String::new()), None, "{value}");
    }
    for text in ["01", "-0", "1.0", "1e2", "9007199254740992", "-", "00"] {
        assert_eq!(refused(text), (0, Deviation::Number), "{text}");
    }
}

#[test]
fn every_other_way_to_write_the_same_is_refused_where_it_begins() {
    for (text, at, deviation) in [
        (r#"{"a": 1}"#, 5, Deviation::Blank),
        ("[1,\n2]", 3, Deviation::Blank),
        (" 1", 0, Deviation::Blank),
        ("1\n", 1, Deviation::Trailing),
        ("1 2", 1, Deviation::Trailing),
        (r#"{"b":1,"a":2}"#, 7, Deviation::KeyOrder),
        (r#"{"a":1,"a":2}"#, 7, Deviation::KeyOrder),
        (r#"{"a":1,"\u0061":2}"#, 8, Deviation::Escape),
        (r#""\/""#, 1, Deviation::Escape),
        (r#""\u000a""#, 1, Deviation::Escape),
        (r#""\u001F""#, 1, Deviation::Escape),
        (r#""\u007f""#, 1, Deviation::Escape),
        (r#""\ud83d\ude00""#, 1, Deviation::Escape),
        ("\"a\nb\"", 2, Deviation::NotJson),
        ("\"a", 1, Deviation::NotJson),
        ("[1,]", 3, Deviation::NotJson),
        ("{\"a\"}", 4, Deviation::NotJson),
        ("truth", 0, Deviation::NotJson),
        ("", 0, Deviation::NotJson),
    ] {
        assert_eq!(refused(text), (at, deviation), "{text}");
    }
    assert_eq!(refused(&"[".repeat(100_000)).1, Deviation::Depth);
}

#[test]
fn a_text_is_accepted_exactly_where_it_is_what_would_be_written() {
    let value = json!({"a": [1, -20, "x\ny\u{1}", {"b": true, "é": null}], "z": {"k": "\"\\"}});
    let text = canonical(&value);
    let alphabet = b"{}[]:,\"\\ \n019-.eEunrtfabz\xc3";
    let mut accepted = 0;
    for at in 0..=text.len() {
        for byte in alphabet {
            for change in 0..3 {
                let mut bytes = text.clone().into_bytes();
                match change {
                    0 => bytes.insert(at, *byte),
                    1 if at < bytes.len() => bytes[at] = *byte,
                    _ if at < bytes.len() => drop(bytes.remove(at)),
                    _ => continue,
                }
                let Ok(changed) = String::from_utf8(bytes) else {
                    continue;
                };
                let written = serde_json::from_str(&changed).ok().and_then(|value| {
                    let mut text = String::new();
                    write(&value, &mut text).map(|()| text)
                });
                let same = written.is_some_and(|written| written == changed);
                assert_eq!(check(&changed).is_ok(), same, "{changed}");
                accepted += usize::from(same);
            }
        }
    }
    assert!(
        accepted > 100,
        "some changes only change what is said: {accepted}"
    );
}
