//! Policies on disk under faults: what was accepted is in force after whatever happens, and never gets older.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epm_agent::disk::Disk;
use epm_agent::policies::store::{Accepted, Finding, PolicyStore, PolicyStoreError};
use epm_policy::bundle::{Bundle, BundleError, SigningKey, Terms, TrustedKeys};
use epm_policy::{
    Assignment, Audience, DeviceFacts, Policies, PolicyVersion, SettingsPolicy, UserFacts,
};

use crate::disks::{FailingDisk, QuickDisk};

const NOW_S: i64 = 1_767_787_200;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn trusting(seeds: &[u8]) -> TrustedKeys {
    let keys = seeds.iter().map(|seed| key(*seed).public());
    TrustedKeys::new(keys.collect()).expect("a few keys")
}

fn terms(keys: &TrustedKeys) -> Terms<'_> {
    Terms {
        keys,
        device: DeviceFacts::default(),
        user: UserFacts::default(),
        now_s: NOW_S,
    }
}

fn sealed_by(version: u64, keys: &[&SigningKey]) -> Vec<u8> {
    let bundle = Bundle {
        audience: Audience::AllDevices,
        not_before_s: NOW_S - 60,
        expires_s: NOW_S + 60,
        policies: Policies {
            version: PolicyVersion(version),
            settings: vec![SettingsPolicy {
                id: "settings".into(),
                name: "Settings".to_owned(),
                assignment: Assignment::all_devices(),
                ..SettingsPolicy::default()
            }],
            ..Policies::default()
        },
    };
    bundle.seal(keys).expect("it can be sealed").into_bytes()
}

fn sealed(version: u64) -> Vec<u8> {
    sealed_by(version, &[&key(1)])
}

fn open_on(disk: Arc<dyn Disk>, state: &Path) -> (PolicyStore, Vec<Finding>) {
    let keys = trusting(&[1]);
    PolicyStore::open_on(disk, state, &terms(&keys)).expect("a store always opens")
}

fn open(state: &Path) -> (PolicyStore, Vec<Finding>) {
    open_on(Arc::new(QuickDisk), state)
}

/// A store that was opened without findings.
fn sound(state: &Path) -> PolicyStore {
    let (store, findings) = open(state);
    assert!(findings.is_empty(), "{findings:?}");
    store
}

fn offer(store: &mut PolicyStore, version: u64) -> Result<Accepted, PolicyStoreError> {
    let keys = trusting(&[1]);
    store.offer(&sealed(version), &terms(&keys))
}

/// The version in force.
fn version(store: &PolicyStore) -> Option<u64> {
    let set = store.last_good().in_force(NOW_S).ok()?;
    Some(set.policies().version.0)
}

fn highest(store: &PolicyStore) -> Option<u64> {
    Some(store.last_good().highest()?.version.0)
}

fn is_rollback(result: Result<Accepted, PolicyStoreError>) -> bool {
    matches!(
        result,
        Err(PolicyStoreError::Refused(BundleError::Rollback { .. }))
    )
}

/// A state folder in which this version was accepted.
fn holding(version: u64) -> tempfile::TempDir {
    let state = tempfile::tempdir().expect("a folder");
    let mut store = sound(state.path());
    let accepted = offer(&mut store, version).expect("it is good");
    assert_eq!(accepted, Accepted::New);
    state
}

fn copies(state: &Path) -> [PathBuf; 2] {
    ["bundle", "bundle-second"].map(|name| state.join("policy").join(name))
}

fn notes(state: &Path) -> [PathBuf; 2] {
    ["highest", "highest-second"].map(|name| state.join("policy").join(name))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("it can be read")
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).expect("it can be written");
}

#[test]
fn what_was_accepted_is_in_force_after_a_restart() {
    let state = holding(7);
    let mut store = sound(state.path());
    assert_eq!(version(&store), Some(7));
    assert_eq!(offer(&mut store, 7).expect("it is held"), Accepted::Held);
    assert!(is_rollback(offer(&mut store, 6)));
    assert_eq!(offer(&mut store, 8).expect("it is newer"), Accepted::New);
    assert_eq!(version(&sound(state.path())), Some(8));
}

#[test]
fn a_refused_bundle_changes_nothing_on_disk() {
    let state = holding(7);
    let files = || [copies(state.path()), notes(state.path())].concat();
    let before: Vec<Vec<u8>> = files().iter().map(|path| read(path)).collect();
    let mut store = sound(state.path());
    let keys = trusting(&[1]);
    for bad in [
        Vec::new(),
        sealed(6),
        sealed_by(8, &[&key(2)]),
        sealed(8)[..300].to_vec(),
    ] {
        let refused = store.offer(&bad, &terms(&keys));
        assert!(matches!(refused, Err(PolicyStoreError::Refused(_))));
    }
    let after: Vec<Vec<u8>> = files().iter().map(|path| read(path)).collect();
    assert_eq!(before, after);
    assert_eq!(version(&store), Some(7));
}

#[test]
fn wherever_writing_stops_the_old_or_the_new_policies_are_in_force_and_none_gets_older() {
    for (torn, restart) in [(false, true), (true, true), (false, false), (true, false)] {
        for fail_at in 0.. {
            let state = holding(7);
            let operations = Arc::new(AtomicU64::new(0));
            let disk = FailingDisk {
                operations: Arc::clone(&operations),
                fail_at,
                torn,
            };
            let context = format!("operation {fail_at}, torn {torn}");
            let (mut store, findings) = open_on(Arc::new(disk), state.path());
            assert!(findings.is_empty(), "{context}: {findings:?}");
            let accepted = offer(&mut store, 8);
            let failed = accepted.is_err();
            assert!(
                !matches!(accepted, Err(PolicyStoreError::Refused(_))),
                "{context}"
            );
            let expected = if failed { 7 } else { 8 };
            assert_eq!(version(&store), Some(expected), "{context}");
            if restart {
                drop(store);
                (store, _) = open(state.path());
                let found = version(&store).expect("something is in force");
                assert!(found == 8 || (failed && found == 7), "{context}: {found}");
                assert_eq!(highest(&store), Some(found), "{context}");
            }
            assert!(is_rollback(offer(&mut store, 6)), "{context}");
            offer(&mut store, 8).expect("the disk works again");
            assert_eq!(version(&store), Some(8), "{context}");
            drop(store);
            let mut store = sound(state.path());
            assert_eq!(version(&store), Some(8), "{context}");
            assert!(is_rollback(offer(&mut store, 7)), "{context}");
            if !failed {
                assert!(operations.load(Ordering::SeqCst) <= fail_at, "{context}");
                break;
            }
        }
    }
}

#[test]
fn whichever_byte_of_a_copy_flips_the_other_is_in_force_and_both_are_whole_again() {
    let state = holding(7);
    let whole = read(&copies(state.path())[0]);
    let mut harmless = 0;
    for place in 0..2 {
        for at in (0..whole.len()).step_by(3) {
            for path in copies(state.path()) {
                write(&path, &whole);
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0x11;
            write(&copies(state.path())[place], &bytes);
            let (store, findings) = open(state.path());
            assert_eq!(version(&store), Some(7), "copy {place}, byte {at}");
            let [first, second] = copies(state.path()).map(|path| read(&path));
            assert_eq!(first, second, "copy {place}, byte {at}");
            // What names the key is not signed: without it the envelope is as good, and stays as it is.
            let as_good = place == 0 && first == bytes;
            assert!(first == whole || as_good, "copy {place}, byte {at}");
            assert_eq!(findings.is_empty(), place == 1 || as_good, "{findings:?}");
            harmless += usize::from(as_good);
        }
    }
    assert!(harmless < 10, "{harmless} of {} bytes", whole.len() / 3);
}

#[test]
fn where_both_copies_are_damaged_they_are_set_aside_and_the_version_stays_known() {
    let state = holding(7);
    for path in copies(state.path()) {
        write(&path, "{");
    }
    let (mut store, findings) = open(state.path());
    assert_eq!(version(&store), None);
    let damaged = |finding: &Finding| matches!(finding, Finding::Damaged { .. });
    assert!(
        findings.len() == 2 && findings.iter().all(damaged),
        "{findings:?}"
    );
    for path in copies(state.path()) {
        assert!(!path.exists());
        assert_eq!(read(&path.with_extension("quarantine")), b"{");
    }
    assert!(is_rollback(offer(&mut store, 6)));
    assert_eq!(
        offer(&mut store, 7).expect("it is the same again"),
        Accepted::New
    );
}

#[test]
fn the_highest_version_stays_known_where_the_bundle_is_deleted() {
    let state = holding(7);
    for path in copies(state.path()) {
        std::fs::remove_file(path).expect("it was there");
    }
    let mut store = sound(state.path());
    assert_eq!((version(&store), highest(&store)), (None, Some(7)));
    assert!(is_rollback(offer(&mut store, 6)));
    // An older bundle in its place is no way round.
    for path in copies(state.path()) {
        write(&path, sealed(6));
    }
    let (store, findings) = open(state.path());
    assert_eq!(version(&store), None);
    let unused = |finding: &Finding| matches!(finding, Finding::NotUsed { .. });
    assert!(
        findings.len() == 2 && findings.iter().all(unused),
        "{findings:?}"
    );
}

#[test]
fn damaged_or_deleted_notes_of_the_version_are_made_again() {
    let state = holding(7);
    let whole = read(&notes(state.path())[0]);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        write(&notes(state.path())[0], bytes);
        let (mut store, findings) = open(state.path());
        assert_eq!(findings.len(), 1, "byte {at}: {findings:?}");
        assert!(is_rollback(offer(&mut store, 6)), "byte {at}");
        assert_eq!(read(&notes(state.path())[0]), whole, "byte {at}");
    }
    for path in notes(state.path()) {
        std::fs::remove_file(path).expect("it was there");
    }
    assert_eq!(highest(&sound(state.path())), Some(7));
    assert!(notes(state.path()).iter().all(|path| read(path) == whole));
}

#[test]
fn a_bundle_that_was_signed_anew_replaces_the_old_one_before_the_old_key_goes() {
    let state = holding(7);
    let (old, both, new) = (trusting(&[1]), trusting(&[1, 2]), trusting(&[2]));
    let again = sealed_by(7, &[&key(1), &key(2)]);
    let mut store = sound(state.path());
    let accepted = store.offer(&again, &terms(&both)).expect("it is the same");
    assert_eq!(accepted, Accepted::Held);
    drop(store);
    for keys in [&old, &both, &new] {
        let opened = PolicyStore::open(state.path(), &terms(keys));
        let (store, findings) = opened.expect("it opens");
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(version(&store), Some(7));
    }
    // By nobody that the device trusts: not in force, and not thrown away.
    let others = trusting(&[3]);
    let (store, findings) = PolicyStore::open(state.path(), &terms(&others)).expect("it opens");
    assert_eq!((version(&store), findings.len()), (None, 2));
    assert_eq!(version(&sound(state.path())), Some(7));
}

#[test]
fn a_file_of_a_gigabyte_in_place_of_the_bundle_is_set_aside() {
    let state = holding(7);
    let [first, _] = copies(state.path());
    let file = std::fs::OpenOptions::new().write(true).open(&first);
    file.expect("it is there")
        .set_len(1 << 30)
        .expect("a file with holes");
    let (store, findings) = open(state.path());
    assert_eq!(version(&store), Some(7));
    let too_large = |finding: &Finding| {
        let damaged = matches!(
            finding,
            Finding::Damaged {
                error: BundleError::TooLarge { .. },
                ..
            }
        );
        damaged && finding.to_string().contains("split the policies")
    };
    assert!(
        findings.len() == 1 && too_large(&findings[0]),
        "{findings:?}"
    );
}
