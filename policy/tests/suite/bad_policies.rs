//! Policies that nobody can use: each mistake is one clear error, hostile texts cost little memory, and what was good stays.

use std::io::{Read as _, Write as _};
use std::process::Command;

use epm_policy::bundle::{Bundle, BundleError, LastGood, Offer};
use epm_policy::file::{FileError, Format, read};
use epm_policy::limits::MAX_POLICY_FILE_BYTES;
use epm_policy::{Field, Policies};

use crate::bundle::{NOW_S, bundle, key, raw, terms, trusting};

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const SUBJECT: &str = "{uploaded: {certificate_type: publisher, certificate: {subject: CN=A}}}";

/// A policy file with one rule of this type, and what else is in it.
fn file(elevation_type: &str, name: &str, rest: &str) -> String {
    format!(
        "version: 8\nsettings:\n  - {{id: s, name: s, assignment: {{include: [all_devices]}}}}\nrules:\n  - id: p\n    name: P\n    rules:\n      - id: a\n        name: A\n        elevation_type: {elevation_type}\n        detection:\n          file_name: {name}\n{rest}"
    )
}

fn detection(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| format!("          {line}\n"))
        .collect()
}

/// Every mandatory combination violated, and names that come twice.
fn mistakes() -> Vec<(String, Field, &'static str)> {
    let hashed = format!("file_hash: {HASH}");
    let with = |signature: &str| format!("signature: {signature}");
    let unsigned = with("not_configured");
    let nothing = detection(&[&unsigned]);
    let by_hash = detection(&[&unsigned, &hashed]);
    let mut mistakes = Vec::new();
    for elevation_type in ["user_confirmed", "current_user", "support_approved", "deny"] {
        let text = file(elevation_type, "a.exe", &nothing);
        mistakes.push((
            text,
            Field::FileHash,
            "give the file's SHA-256, or a signature",
        ));
    }
    let automatic = "give the file's SHA-256, or choose another elevation type";
    let signed = detection(&[&with(SUBJECT)]);
    for rest in [&nothing, &signed] {
        mistakes.push((file("automatic", "a.exe", rest), Field::FileHash, automatic));
    }
    let wildcard = "write the text out, or choose another elevation type";
    mistakes.push((
        file("automatic", "a*.exe", &by_hash),
        Field::FileName,
        wildcard,
    ));
    let folder = format!("{by_hash}          file_path: 'C:\\*'\n");
    mistakes.push((
        file("automatic", "a.exe", &folder),
        Field::FilePath,
        wildcard,
    ));
    for (signature, remedy) in [
        (
            "{reusable: {certificate_type: publisher}}",
            "name one, or set source",
        ),
        (
            "{reusable: {group: g, certificate_type: publisher}}",
            "add the group",
        ),
        (
            "{uploaded: {certificate_type: publisher}}",
            "give one, or set source",
        ),
        (
            "{uploaded: {certificate: {subject: CN=A}}}",
            "set certificate_type",
        ),
    ] {
        let rest = detection(&[&with(signature)]);
        mistakes.push((file("deny", "a.exe", &rest), Field::Signature, remedy));
    }
    let validated = format!("{by_hash}        validation: {{authentication: true}}\n");
    for elevation_type in ["current_user", "support_approved", "automatic", "deny"] {
        let remedy = "take the validation out, or choose user_confirmed";
        mistakes.push((
            file(elevation_type, "a.exe", &validated),
            Field::Validation,
            remedy,
        ));
    }
    let second = format!(
        "{by_hash}      - id: b\n        name: A\n        detection: {{file_name: b.exe, file_hash: {HASH}, signature: not_configured}}\n"
    );
    let named_twice = file("deny", "a.exe", &second);
    let id_twice = named_twice.replace("id: b\n        name: A", "id: a\n        name: B");
    mistakes.push((named_twice, Field::Name, "give each its own"));
    mistakes.push((id_twice, Field::Id, "give each its own"));
    mistakes
}

#[test]
fn each_mistake_in_a_file_is_one_clear_error_and_the_last_good_policies_stay() {
    let keys = trusting(&[1]);
    let terms = terms(&keys, NOW_S);
    let mut last_good = LastGood::default();
    let good = bundle(7).seal(&[&key(1)]).unwrap();
    if let Offer::New(verified) = last_good.judge(good.as_bytes(), &terms).unwrap() {
        last_good.keep(*verified);
    }
    for (text, field, remedy) in mistakes() {
        let Err(error) = read(Format::Yaml, text.as_bytes()) else {
            panic!("taken:\n{text}");
        };
        let FileError::Invalid { violations, total } = &error else {
            panic!("{error}\n{text}");
        };
        assert_eq!(
            (*total, violations[0].violation.field),
            (1, field),
            "{error}"
        );
        assert!(violations[0].position.is_some(), "{error}");
        let said = error.to_string();
        assert!(said.starts_with("line ") && said.contains(remedy), "{said}");
        // The same policies, signed all the same by whoever does not check.
        let policies: Policies = unchecked(&text);
        let bad = Bundle {
            policies,
            ..bundle(8)
        };
        let envelope = raw(bad.canonical_json().unwrap().as_bytes());
        let refused = last_good.judge(envelope.as_bytes(), &terms);
        assert!(
            matches!(refused, Err(BundleError::Policies(_))),
            "{refused:?}"
        );
        let held = last_good.in_force(NOW_S).unwrap();
        assert_eq!(held.policies().version.0, 7);
    }
}

/// The policies of a text without asking whether they can be used: what a program does that only has the model.
fn unchecked(text: &str) -> Policies {
    serde_saphyr::from_str(text).unwrap()
}

/// Set for the process that reads one hostile text, and says what that cost.
const CASE: &str = "EPM_BAD_POLICY";

/// Hostile texts, and what is said of each.
const HOSTILE: [(&str, &str); 9] = [
    ("a gigabyte", "bytes or more"),
    ("aliases that multiply", ""),
    ("aliases of a large list", ""),
    ("deep flow", ""),
    ("deep blocks", ""),
    ("a huge text", "characters"),
    ("a huge key", ""),
    ("a million keys", ""),
    ("deep JSON", "expected a string"),
];

/// More than the text itself that reading it may take.
const MOST_EXTRA_BYTES: u64 = 200 << 20;

fn hostile(case: &str) -> (Format, Vec<u8>) {
    let text = match case {
        "a gigabyte" => {
            // As an agent reads: one byte more than is allowed, of whatever is there.
            let mut bytes = Vec::with_capacity(MAX_POLICY_FILE_BYTES + 1);
            let gigabyte = std::io::repeat(b'#').take(1 << 30);
            let most = MAX_POLICY_FILE_BYTES as u64 + 1;
            gigabyte.take(most).read_to_end(&mut bytes).unwrap();
            return (Format::Yaml, bytes);
        }
        "aliases that multiply" => {
            let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for level in 1..12 {
                let list = vec![format!("*a{}", level - 1); 10].join(", ");
                text += &format!("a{level}: &a{level} [{list}]\n");
            }
            format!("version: 1\nrules:\n  - &r {{id: p, name: p, rules: [*a11]}}\n{text}")
        }
        "aliases of a large list" => {
            let groups = (0..1_000).map(|n| format!("{{user_group: g{n}}}"));
            let groups = groups.collect::<Vec<_>>().join(",");
            let mut text = format!(
                "version: 1\nsettings:\n  - {{id: s, name: s, assignment: {{include: &g [{groups}]}}}}\n"
            );
            for number in 0..9_000 {
                text += &format!(
                    "  - {{id: s{number}, name: s{number}, assignment: {{include: *g}}}}\n"
                );
            }
            text
        }
        "deep flow" => "[".repeat(MAX_POLICY_FILE_BYTES),
        "deep blocks" => (0..9_000)
            .map(|depth| format!("{}- a:\n", "  ".repeat(depth)))
            .collect(),
        "a huge text" => format!(
            "version: 1\nrules: [{{id: p, name: {}, rules: []}}]",
            "x".repeat(MAX_POLICY_FILE_BYTES - 100)
        ),
        "a huge key" => format!("{}: 1", "k".repeat(MAX_POLICY_FILE_BYTES - 100)),
        "a million keys" => (0..1_000_000)
            .map(|number| format!("k{number}: 1\n"))
            .collect(),
        "deep JSON" => {
            let text = format!("{{\"version\":1,\"rules\":{}", "[".repeat(10_000_000));
            return (Format::Json, text.into_bytes());
        }
        other => panic!("there is no {other}"),
    };
    (Format::Yaml, text.into_bytes())
}

fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn hostile_texts_are_refused_and_cost_little_memory() {
    const NAME: &str = "bad_policies::hostile_texts_are_refused_and_cost_little_memory";
    if let Ok(case) = std::env::var(CASE) {
        let (format, bytes) = hostile(&case);
        let before = memory("VmRSS:");
        let error = read(format, &bytes).unwrap_err().to_string();
        let line: String = error
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(300)
            .collect();
        let cost = memory("VmHWM:").saturating_sub(before);
        let told = std::io::stderr().write_all(format!("\ncost {cost} {line}\n").as_bytes());
        return told.unwrap();
    }
    for (case, expected) in HOSTILE {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(CASE, case)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find_map(|line| line.strip_prefix("cost "));
        let line = line.unwrap_or_else(|| panic!("{case}: it did not end: {said}"));
        let (extra, message) = line.split_once(' ').unwrap();
        let extra: u64 = extra.parse().unwrap();
        assert!(
            message.contains(expected) && !message.is_empty(),
            "{case}: {message}"
        );
        assert!(
            extra < MOST_EXTRA_BYTES,
            "{case}: {} MiB: {message}",
            extra >> 20
        );
    }
}
