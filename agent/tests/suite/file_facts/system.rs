//! Files of the system that the tests run on, and of small systems made here: where they came from and who may change
//! them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use epm_agent::file_facts::package::{PackageManager, Packages};
use epm_agent::file_facts::{self, FactsError, Kind, Witnesses};
use md5::{Digest as _, Md5};

use super::facts;
use crate::components::{present, program, run};

/// A system with one package `tool`, which has one file.
fn small_system(listed: &str, contents: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let database = root.path().join("var/lib/dpkg");
    fs::create_dir_all(database.join("info")).expect("a folder");
    let write = |name: &str, text: String| fs::write(database.join(name), text).expect("written");
    let sum: String = Md5::digest(contents)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write(
        "info/tool:amd64.list",
        format!("/.\n{listed}\n{listed}.conf\n"),
    );
    write(
        "info/tool:amd64.md5sums",
        format!("{sum}  {}\n", &listed[1..]),
    );
    let status = format!(
        "Package: other\nArchitecture: amd64\nVersion: 9\nOrigin: Elsewhere\n\n\
         Package: tool\nArchitecture: i386\nVersion: 1.0-i386\n\n\
         Package: tool\nStatus: install ok installed\nArchitecture: amd64\nOrigin: Example\nVersion: 1.0-2\n\
         Conffiles:\n {listed}.conf {sum}\n\n"
    );
    write("status", status);
    root
}

#[test]
fn a_file_is_known_by_its_package_until_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = fs::canonicalize(folder.path()).expect("it is there");
    fs::create_dir_all(&folder).expect("a folder");
    let tool = folder.join("tool");
    fs::write(&tool, "#!/bin/sh\n").expect("written");
    fs::write(folder.join("tool.conf"), "#!/bin/sh\n").expect("written");
    let system = small_system(tool.to_str().expect("text"), b"#!/bin/sh\n");
    let witnesses = Witnesses {
        packages: Packages::below(system.path()),
        ..Witnesses::default()
    };
    for name in ["tool", "tool.conf"] {
        let known = facts(&folder.join(name), &witnesses);
        let package = known.package.as_ref().expect("it has a package");
        assert_eq!(package.manager, PackageManager::Dpkg);
        assert_eq!((&*package.name, &*package.version), ("tool", "1.0-2"));
        assert_eq!(package.origin.as_deref(), Some("Example"));
        assert_eq!(package.unchanged, Some(true));
        let policy = known.as_policy().package.expect("rules see it");
        assert_eq!((policy.name, policy.origin), ("tool", Some("Example")));
    }
    fs::write(&tool, "#!/bin/sh\nid\n").expect("written");
    let changed = facts(&tool, &witnesses);
    assert_eq!(
        changed.package.as_ref().expect("a package").unchanged,
        Some(false)
    );
    assert_eq!(changed.as_policy().package, None, "rules do not see it");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_repository_names_the_origin_that_a_package_does_not() {
    if present(program("apt-get")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tool = fs::canonicalize(folder.path())
        .expect("it is there")
        .join("tool");
    fs::write(&tool, "x").expect("written");
    let system = small_system(tool.to_str().expect("text"), b"x");
    let status = system.path().join("var/lib/dpkg/status");
    let text = fs::read_to_string(&status).expect("it is there");
    fs::write(&status, text.replace("Origin: Example\n", "")).expect("written");
    let lists = system.path().join("var/lib/apt/lists");
    let apt = system.path().join("usr/lib/apt");
    for folder in [&lists, &apt] {
        fs::create_dir_all(folder).expect("a folder");
    }
    symlink("/usr/lib/apt/apt-helper", apt.join("apt-helper")).expect("a link");
    let repository = |host: &str, origin: &str, version: &str| {
        let name = |end: &str| lists.join(format!("{host}_dists_x_{end}"));
        let release =
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: {origin}\n");
        fs::write(name("InRelease"), release).expect("written");
        let packages = format!(
            "Package: other\nArchitecture: amd64\nVersion: 1.0-2\n\n\
             Package: tool\nArchitecture: amd64\nVersion: {version}\nDescription: x\n"
        );
        fs::write(name("updates_main_binary-amd64_Packages"), packages).expect("written");
    };
    let origin = |packages: Packages| {
        let witnesses = Witnesses {
            packages,
            ..Witnesses::default()
        };
        facts(&tool, &witnesses).package.expect("a package").origin
    };
    let asked = || origin(Packages::below(system.path()).with_repositories());
    repository("old.example", "Elsewhere", "0.9");
    assert_eq!(asked(), None, "another version");
    repository("one.example", "Example", "1.0-2");
    assert_eq!(asked().as_deref(), Some("Example"));
    assert_eq!(origin(Packages::below(system.path())), None, "nobody asked");
    repository("mirror.example", "Example", "1.0-2");
    assert_eq!(asked().as_deref(), Some("Example"));
    repository("other.example", "Somebody", "1.0-2");
    assert_eq!(asked(), None, "they disagree");
}

#[test]
fn sudo_came_with_its_package() {
    let asked = program("sudo").and_then(|()| program("dpkg-query"));
    let Some(()) = present(asked) else {
        return;
    };
    let sudo = fs::canonicalize("/usr/bin/sudo").expect("it is there");
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${Version} ${Architecture}", "sudo"]);
    let theirs = run(&mut query).expect("sudo is a package");
    let facts = facts(&sudo, &Witnesses::default());
    let package = facts.package.as_ref().expect("it has a package");
    let ours = format!(
        "{} {} {}",
        package.name, package.version, package.architecture
    );
    assert_eq!(ours, theirs);
    assert_eq!(package.unchanged, Some(true));
    assert_eq!(facts.contents.kind, Kind::Elf);
    let place = facts.place.as_ref().expect("a place");
    assert!(place.file().expect("a file").is_set_uid());
    assert_eq!(place.changeable_by_others(), None);
}

#[test]
fn every_link_is_followed_to_the_file_that_was_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = fs::canonicalize(folder.path()).expect("it is there");
    fs::create_dir(real.join("a")).expect("a folder");
    fs::write(real.join("a/tool"), "x").expect("written");
    symlink("a", real.join("b")).expect("a link");
    symlink("../b/tool", real.join("a/link")).expect("a link");
    let facts = facts(&real.join("b/../a/./link"), &Witnesses::default());
    assert_eq!(facts.path, real.join("a/tool"));
    let place = facts.place.as_ref().expect("a place");
    let parts: Vec<&Path> = place.parts.iter().map(|part| &*part.path).collect();
    let mut expected: Vec<&Path> = facts.path.ancestors().collect();
    expected.reverse();
    assert_eq!(parts, expected);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    run(Command::new("mkfifo").arg(&pipe)).expect("a pipe");
    for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
        let refused = file_facts::open(path).expect_err("no file");
        assert!(matches!(refused, FactsError::NotAFile { .. }), "{refused}");
    }
    let absent = file_facts::open(&folder.path().join("absent")).expect_err("no file");
    assert!(matches!(absent, FactsError::Open { .. }), "{absent}");
}

#[test]
fn a_name_that_moved_to_another_file_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tool, other) = (folder.path().join("tool"), folder.path().join("other"));
    fs::write(&tool, "judged").expect("written");
    fs::write(&other, "another").expect("written");
    let open = file_facts::open(&tool).expect("it opens");
    fs::rename(&other, &tool).expect("renamed");
    let depth = file_facts::contents::Depth::Rules;
    let looked = file_facts::look(&open, &tool, depth, &Witnesses::default(), super::NOW_S);
    assert!(matches!(looked, Err(FactsError::Read { .. })), "{looked:?}");
}

#[test]
fn who_may_change_a_folder_may_change_what_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    let tool = inner.join("tool");
    fs::write(&tool, "x").expect("written");
    let open = |mode| {
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).expect("set");
        let facts = facts(&tool, &Witnesses::default());
        let place = facts.place.expect("a place");
        let account = file_facts::place::Account {
            uid: 54_321,
            gids: &[],
        };
        place.changeable_by(account).map(|part| part.path.clone())
    };
    let inner_plain = fs::canonicalize(&inner).expect("it is there");
    assert_eq!(open(0o755), None);
    assert_eq!(open(0o777), Some(inner_plain));
    assert_eq!(open(0o1777), None);
}
