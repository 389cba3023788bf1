//! What will do and what will not, by the table of the product, and how a device tells how it is joined.

use super::*;

fn windows(version: &str) -> Facts {
    Facts {
        system: "windows".into(),
        version: version.into(),
        architecture: "x86_64".into(),
        join_type: "entra".into(),
        management_authority: "intune".into(),
        session_kind: "single".into(),
    }
}

fn reason(facts: Facts) -> Option<String> {
    let judged = facts.judged(&Minimums::built_in());
    assert_eq!(judged.is_applicable(), judged.reason.is_none());
    judged.reason.map(|reason| reason.to_string())
}

#[test]
fn each_release_of_windows_has_its_least_update() {
    for (applicable, too_old, update) in [
        ("22631.2506", "22631.2505", "KB5031455"),
        ("22621.2215", "22621.1344", "KB5029351"),
        ("22000.2713", "22000.1761", "KB5034121"),
        ("19045.3393", "19045.2788", "KB5030211"),
        ("19044.3393", "19044.3392", "KB5030211"),
    ] {
        assert_eq!(reason(windows(applicable)), None, "{applicable}");
        let why = reason(windows(too_old)).expect("it is too old");
        assert!(why.contains(update) && why.contains(too_old), "{why}");
    }
    assert_eq!(reason(windows("26100.1")), None, "24H2 as it came out");
    assert_eq!(reason(windows("26200.5000")), None, "later than the list");
}

#[test]
fn releases_that_were_dropped_and_versions_that_are_none_say_so() {
    for dropped in ["19042.2788", "17763.1", "10240"] {
        let why = reason(windows(dropped)).expect("it was dropped");
        assert!(why.contains("no longer supported"), "{why}");
    }
    for none in ["", "Windows 11", "."] {
        let why = reason(windows(none)).expect("it is none");
        assert!(why.contains("cannot be read"), "{none:?}: {why}");
    }
}

#[test]
fn a_device_must_be_joined_managed_64_bit_and_one_persons() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = windows("22631.2506");
        change(&mut facts);
        reason(facts)
    };
    assert_eq!(with(|facts| facts.join_type = "entra_hybrid".into()), None);
    assert_eq!(with(|facts| facts.architecture = "aarch64".into()), None);
    assert_eq!(
        with(|facts| facts.management_authority = "co_managed".into()),
        None
    );
    for change in [
        (|facts| facts.join_type = "workplace".into()) as fn(&mut Facts),
        |facts| facts.join_type = "none".into(),
        |facts| facts.architecture = "x86".into(),
        |facts| facts.management_authority = "none".into(),
        |facts| facts.session_kind = "multi_session".into(),
        |facts| facts.system = "plan9".into(),
    ] {
        assert!(with(change).is_some());
    }
}

#[test]
fn linux_needs_a_kernel_and_no_directory() {
    let with = |version: &str| Facts {
        system: "linux".into(),
        version: version.into(),
        architecture: "x86_64".into(),
        join_type: "none".into(),
        ..Facts::default()
    };
    assert_eq!(reason(with("6.5.0-41-generic")), None);
    assert_eq!(reason(with("6.18.0+deb13")), None);
    let why = reason(with("6.1.0-18-amd64")).expect("too old");
    assert!(
        why.contains("6.5") && why.contains("6.1.0-18-amd64"),
        "{why}"
    );
}

#[test]
fn a_device_reports_how_it_is_joined() {
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, "").expect("written");
    };
    let join_type = || Facts::of_this_device(root.path(), "policy_file").join_type;
    assert_eq!(join_type(), "none");
    put("etc/krb5.keytab");
    assert_eq!(join_type(), "none", "a key alone may be a service's");
    put("etc/sssd/sssd.conf");
    assert_eq!(join_type(), "active_directory");
    put("etc/himmelblau/himmelblau.conf");
    assert_eq!(join_type(), "entra");
}
