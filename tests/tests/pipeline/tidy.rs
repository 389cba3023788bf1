//! Keeps what can be measured of the house style. It must not judge what only a reader can.
//!
//! Limits that are exceeded on purpose stand in a list here with their reason, so that adding one is a visible act.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A production file longer than this is two things.
const MAX_PRODUCTION_LINES: usize = 500;
/// A function longer than this is two functions.
const MAX_FUNCTION_LINES: usize = 70;
/// Names that say nothing about what is inside.
const BANNED_FILE_NAMES: [&str; 8] = [
    "mod", "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

/// Which of our crates each crate may depend on (design: arrows of the house). `epm`, `tests` and `benches` see all.
const ALLOWED_ARROWS: [(&str, &[&str]); 9] = [
    ("epm-proto", &[]),
    ("epm-event-log", &[]),
    ("epm-tables", &[]),
    ("epm-control", &["epm-policy"]),
    ("epm-agent", &["epm-proto", "epm-policy"]),
    (
        "epm-collector",
        &["epm-proto", "epm-event-log", "epm-control"],
    ),
    (
        "epm-processor",
        &["epm-proto", "epm-event-log", "epm-tables"],
    ),
    (
        "epm-query-api",
        &["epm-tables", "epm-policy", "epm-control"],
    ),
    ("epm-policy", &[]),
];

/// Licences that may be linked into the programs.
const ALLOWED_LICENCES: [&str; 17] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "MIT-0",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "MPL-2.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "OpenSSL",
    "bzip2-1.0.6",
];

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn source_files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(workspace_root())
        .output()
        .expect("git lists the sources");
    assert!(output.status.success(), "git ls-files failed");
    let files: Vec<PathBuf> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| workspace_root().join(line))
        .filter(|path| path.exists())
        .collect();
    assert!(!files.is_empty(), "no source file found");
    files
}

fn is_test_file(path: &Path) -> bool {
    let relative = path.strip_prefix(workspace_root()).unwrap();
    let mut parts = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    parts.any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

/// The lines before an inline test module.
fn production_lines(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| !line.trim_start().starts_with("#[cfg(test)]"))
        .collect()
}

fn report(title: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{title}:\n  {}", found.join("\n  "));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let found = source_files()
        .into_iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            !text.lines().next().unwrap_or_default().starts_with("//!")
        })
        .map(|path| path.display().to_string())
        .collect();
    report("files whose first line is not //!", found);
}

#[test]
fn no_file_name_is_a_drawer_for_everything() {
    let found = source_files()
        .into_iter()
        .filter(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy().to_string();
            BANNED_FILE_NAMES.contains(&stem.as_str()) || stem.contains("_v2")
        })
        .map(|path| path.display().to_string())
        .collect();
    report("files with a name that says nothing", found);
}

#[test]
fn production_files_stay_short() {
    let found = source_files()
        .into_iter()
        .filter(|path| !is_test_file(path))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = production_lines(&text).len();
            (lines > MAX_PRODUCTION_LINES).then(|| format!("{} ({lines} lines)", path.display()))
        })
        .collect();
    report("files over 500 production lines", found);
}

#[test]
fn production_functions_stay_short() {
    let mut found = Vec::new();
    for path in source_files()
        .into_iter()
        .filter(|path| !is_test_file(path))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut open: Option<(usize, String, usize)> = None;
        for (number, line) in production_lines(&text).into_iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim_start();
            let opens = trimmed.starts_with("fn ")
                || trimmed.contains(" fn ") && trimmed.starts_with("pub")
                || trimmed.starts_with("async fn ")
                || trimmed.starts_with("const fn ");
            if opens && open.is_none() {
                open = Some((indent, trimmed.to_owned(), number));
            } else if let Some((depth, name, start)) = &open {
                // rustfmt puts the closing brace of a function at the indentation of its first line.
                if indent == *depth
                    && (trimmed == "}" || trimmed.ends_with("{}") || trimmed.ends_with(';'))
                {
                    let length = number - start + 1;
                    if length > MAX_FUNCTION_LINES {
                        found.push(format!(
                            "{}:{} ({length} lines) {name}",
                            path.display(),
                            start + 1
                        ));
                    }
                    open = None;
                }
            }
        }
    }
    report("functions over 70 lines", found);
}

#[test]
fn nothing_is_left_open() {
    let mut found = Vec::new();
    for path in source_files() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            if ["TODO", "FIXME", "XXX", "#[ignore"]
                .iter()
                .any(|mark| line.contains(mark))
            {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    report("work left open in the sources", found);
}

#[test]
fn unsafe_code_stays_on_the_platform() {
    let found = source_files()
        .into_iter()
        .filter(|path| !path.starts_with(workspace_root().join("agent/src/platform")))
        .filter(|path| !path.ends_with("tidy.rs"))
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code")
        })
        .map(|path| path.display().to_string())
        .collect();
    report("unsafe code outside agent/src/platform", found);
}

fn host_triple() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc says where it runs");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .expect("rustc -vV names its host")
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            &host_triple(),
        ])
        .current_dir(workspace_root())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal dependencies of each package id: (name, id).
fn normal_dependencies(metadata: &serde_json::Value) -> BTreeMap<String, Vec<String>> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| {
            let dependencies = node["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| {
                    dependency["dep_kinds"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|kind| kind["kind"].is_null())
                })
                .map(|dependency| dependency["pkg"].as_str().unwrap().to_owned())
                .collect();
            (node["id"].as_str().unwrap().to_owned(), dependencies)
        })
        .collect()
}

fn names_by_id(metadata: &serde_json::Value) -> BTreeMap<String, String> {
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            (
                package["id"].as_str().unwrap().to_owned(),
                package["name"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn crates_depend_only_along_the_arrows_of_the_house() {
    let metadata = metadata();
    let names = names_by_id(&metadata);
    let dependencies = normal_dependencies(&metadata);
    let mut found = Vec::new();
    for (id, name) in &names {
        let Some((_, allowed)) = ALLOWED_ARROWS.iter().find(|(known, _)| known == name) else {
            continue;
        };
        for dependency in &dependencies[id] {
            let target = &names[dependency];
            if (target == "epm" || target.starts_with("epm-"))
                && !allowed.contains(&target.as_str())
            {
                found.push(format!("{name} -> {target}"));
            }
        }
    }
    report("arrows that the house does not have", found);
}

#[test]
fn the_agent_never_links_arrow() {
    let metadata = metadata();
    let names = names_by_id(&metadata);
    let dependencies = normal_dependencies(&metadata);
    let agent = names
        .iter()
        .find(|(_, name)| *name == "epm-agent")
        .unwrap()
        .0
        .clone();
    let mut seen = BTreeSet::new();
    let mut queue = vec![agent];
    while let Some(id) = queue.pop() {
        if seen.insert(id.clone()) {
            queue.extend(dependencies[&id].iter().cloned());
        }
    }
    let found = seen
        .iter()
        .map(|id| names[id].clone())
        .filter(|name| {
            name.starts_with("arrow")
                || name.starts_with("datafusion")
                || name.starts_with("parquet")
        })
        .collect();
    report("column engines linked into the agent", found);
}

#[test]
fn every_dependency_has_a_licence_that_may_be_linked() {
    let metadata = metadata();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        // One of the alternatives must be allowed; all of the parts of it.
        let acceptable =
            licence
                .split(" OR ")
                .flat_map(|part| part.split('/'))
                .any(|alternative| {
                    alternative.split(" AND ").all(|part| {
                        ALLOWED_LICENCES
                            .contains(&part.trim_matches(|c| c == '(' || c == ')' || c == ' '))
                    })
                });
        if !acceptable {
            found.push(format!("{name}: {licence:?}"));
        }
    }
    report("licences that were not allowed", found);
}

/// One engine of each kind: two versions of these in one program would not understand each other's values.
#[test]
fn there_is_one_version_of_each_engine() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        versions
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .insert(package["version"].as_str().unwrap());
    }
    let single = [
        "arrow",
        "parquet",
        "datafusion",
        "deltalake",
        "object_store",
        "tonic",
        "prost",
        "tokio",
        "axum",
        "hyper",
        "rustls",
        "jiff",
    ];
    let found = single
        .iter()
        .filter_map(|name| {
            let held = versions.get(name)?;
            (held.len() > 1).then(|| format!("{name}: {held:?}"))
        })
        .collect();
    report("engines in more than one version", found);
}
