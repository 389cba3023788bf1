//! Opening a store: new, again, by many, or from another program's hands.

use epm_control::{Advice, ControlStore, Sequence, StoreError, Version};

use crate::place::{NOW, Place, actor, changed, stream};

pub(crate) async fn a_newer_schema_is_refused_and_left_alone(place: &Place) {
    let store = place.open().await;
    store
        .append(&stream(1), Version(0), vec![changed("{}")], actor(), NOW)
        .await
        .unwrap();
    store.close().await;
    let mut raw = place.raw().await;
    let known: i64 = sqlx::query_scalar("SELECT version FROM schema_version")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    sqlx::query("UPDATE schema_version SET version = 99")
        .execute(&mut raw)
        .await
        .unwrap();
    let refused = ControlStore::open(&place.address).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 99, .. }),
        "{refused}"
    );
    assert_eq!(refused.advice(), Advice::Stop);
    assert!(refused.to_string().contains("start the newer program"));
    let version: i64 = sqlx::query_scalar("SELECT version FROM schema_version")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(version, 99);
    sqlx::query("UPDATE schema_version SET version = $1")
        .bind(known)
        .execute(&mut raw)
        .await
        .unwrap();
    let again = place.open().await;
    assert_eq!(again.head().await.unwrap().sequence, Sequence(1));
}

pub(crate) async fn many_nodes_may_make_the_tables_at_once(place: &Place) {
    let opened = (0..4).map(|_| {
        let address = place.address.clone();
        tokio::spawn(async move { ControlStore::open(&address).await })
    });
    for node in opened.collect::<Vec<_>>() {
        let head = node.await.unwrap().unwrap().head().await.unwrap();
        assert_eq!(head.sequence, Sequence(0));
    }
}

#[tokio::test]
async fn an_address_that_names_no_store_is_refused_without_its_password() {
    for address in [
        "mysql://root:geheim@db/epm",
        "sqlite://",
        "sqlite://:memory:",
        "control.db",
    ] {
        let refused = ControlStore::open(address).await.unwrap_err();
        assert!(matches!(refused, StoreError::Address(_)), "{refused}");
        assert!(!refused.to_string().contains("geheim"), "{refused}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control.db");
    let store = ControlStore::open(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    store
        .append(&stream(1), Version(0), vec![changed("{}")], actor(), NOW)
        .await
        .unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.path());
    }
    let elsewhere = format!("sqlite://{}/no/folder.db", folder.path().display());
    let refused = ControlStore::open(&elsewhere).await.unwrap_err();
    assert!(matches!(refused, StoreError::File { .. }), "{refused}");
}

#[tokio::test]
async fn a_store_lies_where_its_address_says_whatever_the_folder_is_called() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain", "a b", "50%", "what?", "#1", "münchen", "a+b&c=d"] {
        let below = folder.path().join(name);
        std::fs::create_dir(&below).unwrap();
        let file = below.join("control.db");
        let address = ControlStore::address_of_file(&file);
        ControlStore::check_address(&address).unwrap();
        let store = ControlStore::open(&address).await.unwrap();
        store
            .append(&stream(1), Version(0), vec![changed("{}")], actor(), NOW)
            .await
            .unwrap();
        store.close().await;
        assert!(file.metadata().unwrap().len() > 0, "{}", file.display());
        let again = ControlStore::open(&address).await.unwrap();
        assert_eq!(again.head().await.unwrap().sequence, Sequence(1));
    }
    let made = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 7, "nothing else was made");
}
