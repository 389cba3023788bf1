//! Policy files: what is written is read again, and every mistake is told with its line and column.

use epm_policy::file::{FileError, Format, Position, read, schema, write};
use epm_policy::limits::MAX_POLICY_FILE_BYTES;
use epm_policy::{Field, Outcome, Policies, PolicySet, Problem, SignatureStatus};
use serde_json::Value;

use crate::dice::Dice;
use crate::draw;
use crate::world::Launch;

/// The example of the documentation.
fn example() -> String {
    let page = include_str!("../../../docs/policy.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn yaml(text: &str) -> Result<Policies, FileError> {
    read(Format::Yaml, text.as_bytes())
}

/// Line and column, and message, of a text of the wrong form.
fn form(format: Format, text: &str) -> (Option<(u64, u64)>, String) {
    match read(format, text.as_bytes()) {
        Err(FileError::Form { position, message }) => {
            (position.map(|at| (at.line, at.column)), message)
        }
        other => panic!("{other:?}"),
    }
}

/// Line of a text in which `old` was replaced, and the message.
fn spoiled(old: &str, new: &str) -> (u64, String) {
    let example = example();
    assert!(example.contains(old), "{old}");
    let (position, message) = form(Format::Yaml, &example.replacen(old, new, 1));
    (position.unwrap().0, message)
}

#[test]
fn the_example_of_the_documentation_is_read_and_decides() {
    let policies = yaml(&example()).unwrap();
    let set = PolicySet::new(policies).unwrap();
    let mut launch = Launch::new();
    launch.path = "C:\\Program Files\\Contoso\\bin\\NetTool-3.exe".to_owned();
    launch.status = SignatureStatus::Valid;
    launch.user_groups = vec!["engineers".into()];
    launch.product = Some("Contoso Network Tool".to_owned());
    launch.version = Some(epm_policy::FileVersion([3, 2, 0, 0]));
    launch.publisher.subject = Some("CN=Contoso Ltd, O=Contoso Ltd, C=GB".to_owned());
    let near = launch.with(|request| set.decide(request).near_misses.rules[0].attribute);
    assert_eq!(
        near,
        epm_policy::RuleAttribute::Signature,
        "the thumbprint is another one"
    );
    let thumbprint =
        epm_policy::Thumbprint::parse("5f0e2a7c9b1d4e6f8a0b2c4d6e8f1a3b5c7d9e0f").unwrap();
    let outcome = launch.with(|request| {
        let mut request = *request;
        request.file.signature.publisher.sha1 = thumbprint.bytes().try_into().ok();
        set.decide(&request).outcome
    });
    assert!(matches!(outcome, Outcome::Confirm(..)), "{outcome:?}");
}

#[test]
fn what_is_written_is_read_again_in_both_forms() {
    for seed in 0..300 {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        for format in [Format::Yaml, Format::Json] {
            let text = write(format, &policies).unwrap();
            let read = read(format, text.as_bytes())
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
            assert_eq!(read, policies, "seed {seed}: {text}");
            assert_eq!(write(format, &read).unwrap(), text);
        }
    }
}

#[test]
fn the_form_is_known_by_the_files_name() {
    assert_eq!(Format::of("a/policies.JSON"), Format::Json);
    assert_eq!(Format::of("policies.yaml"), Format::Yaml);
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    for (old, new) in [
        ("version: 7", "versoin: 7"),
        ("default_response:", "default_respons:"),
        ("  exclude:", "  excluded:"),
        ("elevation_type: deny", "elevationtype: deny"),
        ("business_justification:", "justification:"),
        ("file_path: /usr/bin", "filepath: /usr/bin"),
        ("group: contoso,", "groups: contoso,"),
        ("subject: CN=", "subjects: CN="),
        ("from_minute:", "from_minutes:"),
        ("parent_path:", "parent:"),
        ("reusable:", "re-usable:"),
    ] {
        let example = example();
        let line = example[..example.find(old).unwrap()].lines().count() as u64;
        let (found, message) = spoiled(old, new);
        // The position of an unknown key is its own line, or that of the value around it.
        assert!(
            found == line || found + 1 == line || found == line + 1,
            "{new}: {found} for {line}: {message}"
        );
        let key = new.trim().split(':').next().unwrap();
        assert!(message.contains(key), "{new}: {message}");
    }
}

#[test]
fn a_value_of_another_kind_is_refused_with_its_line() {
    for (old, new, said) in [
        ("version: 7", "version: seven", "u64"),
        ("elevation_type: deny", "elevation_type: denied", "denied"),
        ("platform: linux", "platform: solaris", "solaris"),
        (
            "business_justification: true",
            "business_justification: yes",
            "bool",
        ),
        (
            "minimum_version: 3.1.0.0",
            "minimum_version: 3.1",
            "1.2.3.4",
        ),
        ("9f86d081", "9f86d08", "64 hexadecimal digits"),
        ("5f0e2a7c", "5f0e2a7x", "'x'"),
        ("monday", "mon", "mon"),
        ("signature: not_configured", "signature: none", "none"),
    ] {
        let (line, message) = spoiled(old, new);
        let example = example();
        let expected = example[..example.find(old).unwrap()].lines().count() as u64;
        assert!(
            line.abs_diff(expected) <= 1,
            "{new}: {line} for {expected}: {message}"
        );
        assert!(message.contains(said), "{new}: {message}");
    }
}

#[test]
fn mandatory_keys_are_missed() {
    for (old, key) in [
        ("        name: Network tool\n", "name"),
        ("          file_name: setup.exe\n", "file_name"),
        ("          signature: not_configured\n", "signature"),
        ("    name: Engineering\n", "name"),
    ] {
        let (_, message) = spoiled(old, "");
        assert!(
            message.contains("missing") && message.contains(key),
            "{message}"
        );
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_in_both_forms() {
    let (_, message) = spoiled("version: 7", "version: 7\nversion: 8");
    assert!(message.contains("version"), "{message}");
    let (position, message) = form(Format::Json, "{\n  \"version\": 1,\n  \"version\": 2\n}");
    assert_eq!(position.unwrap().0, 3);
    assert!(message.contains("duplicate field `version`"), "{message}");
}

#[test]
fn mistakes_in_what_is_said_have_the_line_of_their_field() {
    let text = example()
        .replace("file_name: setup.exe", "file_name: setup.bat")
        .replace("group: contoso,", "group: fabrikam,")
        .replace("file_path: /usr/bin", "file_path: usr/bin")
        .replace("from_minute: 480", "from_minute: 1500");
    let Err(error) = yaml(&text) else {
        panic!("the text has mistakes");
    };
    let FileError::Invalid { violations, total } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*total, 4);
    let expected = [
        (Field::Signature, "signature: {reusable"),
        (Field::FileName, "file_name: setup.bat"),
        (Field::FilePath, "file_path: usr/bin"),
        (Field::Time, "time: {days"),
    ];
    for (placed, (field, written)) in violations.iter().zip(expected) {
        let line = text[..text.find(written).unwrap()].lines().count() as u64;
        assert_eq!(placed.violation.field, field);
        assert_eq!(placed.position.unwrap().line, line, "{field}");
    }
    let first = error.to_string();
    let first = first.lines().next().unwrap();
    assert!(first.starts_with("line 29, column 22: "), "{first}");
    let problem = Problem::UnknownGroup("fabrikam".to_owned());
    assert_eq!(violations[0].violation.problem, problem);
    // The same text as JSON has its places too.
    let text = "{\"version\": 1, \"rules\": [{\"id\": \"p\", \"name\": \"p\",\n \"rules\": []}]}";
    let Err(FileError::Invalid { violations, .. }) = read(Format::Json, text.as_bytes()) else {
        panic!("a policy without rules");
    };
    assert_eq!(violations[0].position.unwrap().line, 2);
}

#[test]
fn a_field_that_is_missing_has_the_line_of_its_rule() {
    let text = example()
        .replace("elevation_type: deny", "elevation_type: automatic")
        .replace("file_hash: 9f", "# ");
    let Err(FileError::Invalid { violations, .. }) = yaml(&text) else {
        panic!("an automatic rule without a hash");
    };
    let rule = text[..text.find("file_name: setup.exe").unwrap()]
        .lines()
        .count() as u64;
    let Position { line, .. } = violations[0].position.unwrap();
    assert!(line.abs_diff(rule) <= 1, "{line} for {rule}");
}

#[test]
fn broken_texts_are_refused_with_a_position() {
    assert!(form(Format::Yaml, "rules: [").0.is_some());
    assert!(form(Format::Yaml, "rules: {a: b").0.is_some());
    assert!(form(Format::Yaml, "rules: []\n  - a").0.is_some());
    assert_eq!(form(Format::Json, "{\n \"rules\": [}").0.unwrap().0, 2);
    assert!(form(Format::Json, "").0.is_some());
    assert!(yaml("--- {}\n--- {}\n").is_err(), "two documents");
    for nothing in ["", "{}", "[]", "~", "# rules follow\n"] {
        assert!(yaml(nothing).is_err(), "{nothing:?}");
    }
    let Err(FileError::NotText { valid_bytes }) = read(Format::Yaml, b"version: 1 # \xff") else {
        panic!("not UTF-8");
    };
    assert_eq!(valid_bytes, 13);
}

#[test]
fn a_text_that_is_too_long_is_refused_before_it_is_read() {
    let bytes = vec![b' '; MAX_POLICY_FILE_BYTES + 1];
    for format in [Format::Yaml, Format::Json] {
        assert!(matches!(
            read(format, &bytes),
            Err(FileError::TooLarge { .. })
        ));
    }
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let reference = format!("*a{}", level - 1);
        let list = vec![reference; 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{list}]\n");
    }
    let deep_yaml = "[".repeat(100_000);
    let deep_json = format!("{{\"version\": 1, \"rules\":{}", "[".repeat(100_000));
    let long_key = format!("{}: 1", "k".repeat(1 << 20));
    let rules = "version: 1\nrules: &r\n  - id: a\n    name: a\n    rules: *r\n";
    for text in [laughs.as_str(), &deep_yaml, &long_key, rules] {
        assert!(yaml(text).is_err());
    }
    assert!(read(Format::Json, deep_json.as_bytes()).is_err());
}

#[test]
fn references_of_yaml_repeat_what_people_write_once() {
    let text = example()
        .replace(
            "include: [{user_group: engineers}]",
            "include: &who [{user_group: engineers}]",
        )
        .replace(
            "    assignment: {include: [all_devices]}\n    rules:",
            "    assignment: {include: *who}\n    rules:",
        );
    let policies = yaml(&text).unwrap();
    let [one, other] = &policies.rules[..] else {
        panic!("two policies");
    };
    assert_eq!(one.assignment.include, other.assignment.include);
}

#[test]
fn whatever_is_changed_in_a_text_it_is_read_or_refused_and_nothing_breaks() {
    let example = example();
    for seed in 0..3_000 {
        let dice = &mut Dice::new(seed);
        let mut bytes = example.clone().into_bytes();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, dice.choose(b"{}[]:,-#&*!|>'\"%@` \n\t")),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Err(error) = read(Format::Yaml, &bytes) {
            assert!(!error.to_string().is_empty());
        }
        let _ = read(Format::Json, &bytes);
    }
}

/// Whether a value is what the schema says, for the words that the schema uses.
fn fits(schema: &Value, root: &Value, value: &Value) -> Result<(), String> {
    for (word, said) in schema.as_object().unwrap() {
        let holds = match word.as_str() {
            "$ref" => {
                let name = said.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                fits(&root["$defs"][name], root, value)?;
                true
            }
            "anyOf" => said
                .as_array()
                .unwrap()
                .iter()
                .any(|s| fits(s, root, value).is_ok()),
            "oneOf" => {
                said.as_array()
                    .unwrap()
                    .iter()
                    .filter(|s| fits(s, root, value).is_ok())
                    .count()
                    == 1
            }
            "type" => is_of(said, value),
            "const" => said == value,
            "enum" => said.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|v| v >= said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|v| v <= said.as_f64().unwrap()),
            "required" => {
                let keys = said.as_array().unwrap().iter();
                value
                    .as_object()
                    .is_none_or(|v| keys.clone().all(|k| v.contains_key(k.as_str().unwrap())))
            }
            "items" => {
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|v| fits(said, root, v))?;
                true
            }
            "properties" => {
                for (key, schema) in said.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        fits(schema, root, value)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .is_none_or(|v| v.keys().all(|key| known.contains_key(key)))
            }
            "$schema" | "$defs" | "title" | "description" | "default" | "format" | "pattern" => {
                true
            }
            other => panic!("the schema says {other:?}"),
        };
        if !holds {
            return Err(format!("{value} is not {word}: {said}"));
        }
    }
    Ok(())
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema says {other:?}"),
    };
    match kinds {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        other => panic!("the schema says {other}"),
    }
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_unknown_keys() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for seed in 0..300 {
        let policies = draw::policies(&mut Dice::new(seed));
        let text = write(Format::Json, &policies).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        fits(&schema, &schema, &value).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        value["rules"][0]["rules"][0]["unheard_of"] = Value::Bool(true);
        assert!(fits(&schema, &schema, &value).is_err());
    }
}
