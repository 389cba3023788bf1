//! The engine as a caller may use it: narrowed to the devices of the caller's scope, with the reading itself on record
//! before anything is read.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;
use epm_control::{ActivityEvent, Actor, Caller, ControlStore, PrincipalKind, Right, StoreError};
use uuid::Uuid;

use super::guard::{forbidden, now};
use crate::http::problem::Problem;
use crate::{AppState, ReportEngine};

/// Characters of a query that are recorded; longer ones are cut.
const MAX_QUERY_CHARS: usize = 2_048;

/// Reports, for whoever asks.
#[derive(Debug)]
pub(crate) struct Reports {
    engine: ReportEngine,
    /// Nobody where reading is open and no token was presented.
    caller: Option<(Caller, ControlStore)>,
    query: String,
    address: String,
}

impl FromRequestParts<AppState> for Reports {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            engine: state.engine.clone(),
            caller: caller.zip(state.control.clone()),
            query: query.chars().take(MAX_QUERY_CHARS).collect(),
            address: address_of(&parts.extensions),
        })
    }
}

impl Reports {
    /// The engine to read `report` with.
    pub(crate) async fn to_read(&self, report: &str) -> Result<ReportEngine, Problem> {
        let what = ActivityEvent::ReportRead {
            report: report.to_owned(),
            query: self.query.clone(),
            address: self.address.clone(),
        };
        let engine = self.narrowed().await?;
        self.record(what, PrincipalKind::Person).await?;
        Ok(engine)
    }

    /// The engine to take all rows of `report` out with: the caller needs the right to, on the same devices.
    pub(crate) async fn to_export(
        &self,
        report: &str,
        format: &str,
    ) -> Result<ReportEngine, Problem> {
        let engine = self
            .limited_by(&[Right::ReportsView, Right::TelemetryExport])
            .await?;
        let what = ActivityEvent::ReportExported {
            report: report.to_owned(),
            query: self.query.clone(),
            format: format.to_owned(),
            address: self.address.clone(),
        };
        self.record(what, PrincipalKind::Service).await?;
        Ok(engine)
    }

    /// The engine for what is not a report: it shows the same devices, and is not put on record.
    pub(crate) async fn narrowed(&self) -> Result<ReportEngine, Problem> {
        self.limited_by(&[Right::ReportsView]).await
    }

    async fn limited_by(&self, rights: &[Right]) -> Result<ReportEngine, Problem> {
        let Some((caller, store)) = &self.caller else {
            return Ok(self.engine.clone());
        };
        let is_lacking = |right: &&Right| caller.access.reach(**right).is_nowhere();
        if let Some(right) = rights.iter().find(is_lacking) {
            return Err(forbidden(*right, ""));
        }
        Ok(match devices_with(caller, store, rights).await? {
            None => self.engine.clone(),
            Some(agents) => self.engine.within(agents.iter().map(Uuid::to_string)),
        })
    }

    /// Puts on record what a person does, and what a service does where `least` is one.
    async fn record(&self, what: ActivityEvent, least: PrincipalKind) -> Result<(), Problem> {
        let Some((caller, store)) = &self.caller else {
            return Ok(());
        };
        if caller.kind == PrincipalKind::Service && least == PrincipalKind::Person {
            return Ok(());
        }
        let actor = Actor::Principal(caller.principal);
        Ok(store.note(Uuid::now_v7(), &what, actor, now()).await?)
    }
}

/// The devices on which a caller has all of these rights; nothing where that is every device.
pub(crate) async fn devices_with(
    caller: &Caller,
    store: &ControlStore,
    rights: &[Right],
) -> Result<Option<BTreeSet<Uuid>>, StoreError> {
    let mut devices: Option<BTreeSet<Uuid>> = None;
    for right in rights {
        let reach = caller.access.reach(*right);
        devices = match (devices, store.agents_within(&reach).await?) {
            (Some(one), Some(two)) => Some(one.intersection(&two).copied().collect()),
            (one, two) => one.or(two),
        };
    }
    Ok(devices)
}

/// Where a request came from, as far as the connection says.
pub(crate) fn address_of(extensions: &Extensions) -> String {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or_else(
        || "unknown".to_owned(),
        |ConnectInfo(address)| address.ip().to_string(),
    )
}
