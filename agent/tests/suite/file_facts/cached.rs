//! Facts from the cache are the facts of the file as it is now.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use epm_agent::file_facts::package::Packages;
use epm_agent::file_facts::{self, Facts, FactsCache, FactsError, Witnesses};
use sha2::{Digest as _, Sha256};

use super::NOW_S;
use crate::components::present;

fn witnesses(folder: &Path) -> Witnesses {
    Witnesses {
        packages: Packages::below(folder),
        ..Witnesses::default()
    }
}

fn look(cache: &FactsCache, path: &Path, witnesses: &Witnesses) -> Result<Facts, FactsError> {
    let file = file_facts::open(path)?;
    file_facts::look_again(&file, path, witnesses, NOW_S, cache)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Looks until the cache has the file: a fresh one is not kept until its change lies some ticks back.
fn settle(cache: &FactsCache, path: &Path, witnesses: &Witnesses) {
    while cache.usage().hits == 0 {
        look(cache, path, witnesses).expect("it is readable");
    }
}

#[test]
fn a_file_of_root_is_read_once_and_its_surroundings_each_time() {
    let root = rustix::process::geteuid().is_root().then_some(());
    let Some(()) = present(root.ok_or_else(|| "only files of root are kept".to_owned())) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool");
    fs::write(&path, "one").expect("written");
    let (cache, witnesses) = (FactsCache::default(), witnesses(folder.path()));
    settle(&cache, &path, &witnesses);
    let before = cache.usage();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("set");
    let facts = look(&cache, &path, &witnesses).expect("it is readable");
    assert_eq!(facts.contents.sha256.0, sha256(b"one"));
    assert_eq!(cache.usage().hits, before.hits + 1);
    let place = facts.place.expect("a place");
    let changeable = place
        .changeable_by_others()
        .expect("the folder is open now");
    assert_eq!(
        changeable.path,
        fs::canonicalize(folder.path()).expect("it is there")
    );
    // The same bytes under another name are asked for by that name.
    let other = folder.path().join("tool.ps1");
    fs::hard_link(&path, &other).expect("linked");
    let facts = look(&cache, &other, &witnesses).expect("it is readable");
    assert_eq!(facts.contents.kind.word(), "powershell");
}

#[test]
fn a_changed_file_is_never_served_from_the_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool");
    let (cache, witnesses) = (FactsCache::default(), witnesses(folder.path()));
    for round in 0..2_000 {
        // The same length, and the times of before: only the change time tells.
        let text = format!("{round:08}");
        let times = fs::metadata(&path)
            .and_then(|before| before.modified())
            .ok();
        match round % 3 {
            0 => fs::write(&path, &text).expect("written"),
            1 => {
                let other = folder.path().join("other");
                fs::write(&other, &text).expect("written");
                fs::rename(&other, &path).expect("renamed");
            }
            _ => {
                let mut open = fs::OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .expect("it opens");
                open.write_all(text.as_bytes()).expect("written");
            }
        }
        if let Some(modified) = times {
            let open = fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .expect("it opens");
            open.set_modified(modified).expect("set back");
        }
        for _ in 0..2 {
            let facts = look(&cache, &path, &witnesses).expect("it is readable");
            assert_eq!(
                facts.contents.sha256.0,
                sha256(text.as_bytes()),
                "round {round}"
            );
        }
    }
}

#[test]
fn what_others_may_write_to_is_read_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool");
    fs::write(&path, "one").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("set");
    let (cache, witnesses) = (FactsCache::default(), witnesses(folder.path()));
    for _ in 0..2_000 {
        look(&cache, &path, &witnesses).expect("it is readable");
    }
    let usage = cache.usage();
    assert_eq!((usage.hits, usage.files), (0, 0));
}

#[test]
fn a_file_that_is_written_to_meanwhile_has_no_facts_or_those_of_one_state() {
    const BYTES: usize = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool");
    fs::write(&path, vec![0; BYTES]).expect("written");
    let known: Vec<_> = (0..=255).map(|byte| sha256(&vec![byte; BYTES])).collect();
    let done = AtomicBool::new(false);
    let (cache, witnesses) = (FactsCache::default(), witnesses(folder.path()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1_u32.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                fs::write(&path, vec![(round % 256) as u8; BYTES]).expect("written");
            }
        });
        let (mut changed, mut read) = (0, 0);
        // As many as it takes for both threads to run at once, and some more.
        while changed < 3 && read + changed < 100_000 {
            match look(&cache, &path, &witnesses) {
                Ok(facts) if facts.contents.size == BYTES as u64 => {
                    assert!(
                        known.contains(&facts.contents.sha256.0),
                        "a mixture was served"
                    );
                    read += 1;
                }
                // The writer empties the file first.
                Ok(_) => read += 1,
                Err(FactsError::Changed { .. }) => changed += 1,
                Err(error) => panic!("{error}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(
            changed > 0,
            "{read} were read, and the writer was never noticed"
        );
    });
}
