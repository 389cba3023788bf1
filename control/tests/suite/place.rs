//! A place for a store, and what every test of the contract writes.

use std::collections::BTreeSet;

use epm_control::{
    Actor, ControlStore, FileAsked, NewEvent, RequestCommand, Reviewer, StreamId, Submission,
    Terms, TimeUs,
};
use epm_policy::{DeviceId, RuleId, Sha256, UserId};
use epm_test_components::Postgres;
use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const NOW: TimeUs = TimeUs(1_700_000_000_000_000);

/// Where a store is kept: stores opened at one place are nodes with pools of their own.
pub(crate) struct Place {
    pub(crate) address: String,
    _folder: Option<TempDir>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            address: format!("sqlite://{}", folder.path().join("control.db").display()),
            _folder: Some(folder),
        }
    }

    pub(crate) fn postgres() -> Option<Self> {
        Some(Self {
            address: Postgres::shared()?.database(),
            _folder: None,
        })
    }

    pub(crate) async fn open(&self) -> ControlStore {
        ControlStore::open(&self.address).await.unwrap()
    }

    /// A connection for what no store would do.
    pub(crate) async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.address).await.unwrap();
        let hurry = if self.address.starts_with("sqlite") {
            "PRAGMA synchronous = OFF"
        } else {
            "SET synchronous_commit = off"
        };
        sqlx::query(hurry).execute(&mut connection).await.unwrap();
        connection
    }
}

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn stream(number: u128) -> StreamId {
    StreamId::new("thing", id(number))
}

pub(crate) fn changed(body: &str) -> NewEvent {
    NewEvent {
        name: "changed".to_owned(),
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) fn actor() -> Actor {
    Actor::Principal(id(7))
}

pub(crate) fn submission(reviewers_needed: u8) -> Submission {
    Submission {
        requester: UserId::from("S-1-5-21-1-2-3-1001"),
        requester_principal: Some(id(1)),
        device: DeviceId::from("laptop-17"),
        file: FileAsked {
            sha256: Sha256([9; 32]),
            path: r"C:\Tools\disk.exe".to_owned(),
            publisher: Some("Example Tools".to_owned()),
            version: Some("4.2.0.0".to_owned()),
        },
        justification: "replace the failing disk".to_owned(),
        rule: Some(RuleId::from("disk-tools")),
        rule_authors: BTreeSet::from([id(2)]),
        reviewers_needed,
    }
}

pub(crate) fn reviewer(number: u128) -> Reviewer {
    Reviewer {
        principal: id(number),
        users: BTreeSet::new(),
    }
}

pub(crate) fn approve(number: u128, terms: Terms) -> RequestCommand {
    RequestCommand::Approve {
        reviewer: reviewer(number),
        terms,
        reason: String::new(),
    }
}
