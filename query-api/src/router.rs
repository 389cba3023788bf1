//! Puts the parts of the HTTP interface together: REST, health, console.

use axum::Router;
use epm_control::ControlStore;

use crate::access::{self, ReadAccess};
use crate::http::metrics::{HttpMetrics, SharedRegistry};
use crate::http::{guarded, routes};
use crate::{ReportEngine, console};

/// What every handler may use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Answers reports.
    pub engine: ReportEngine,
    /// Who may read, and everything that people change. None: whoever reaches the address may read.
    pub control: Option<ControlStore>,
    /// Whether reports can be read without signing in.
    pub access: ReadAccess,
    /// Counts requests.
    pub metrics: HttpMetrics,
}

impl AppState {
    /// Answers from `engine` and `control`, counting in the process's metrics.
    #[must_use]
    pub fn new(
        engine: ReportEngine,
        control: Option<ControlStore>,
        access: ReadAccess,
        registry: SharedRegistry,
    ) -> Self {
        Self {
            engine,
            control,
            access,
            metrics: HttpMetrics::register(registry),
        }
    }
}

/// Every route of the HTTP interface.
pub fn router(state: AppState) -> Router {
    let metrics = state.metrics.clone();
    let routes = routes().merge(console::routes()).with_state(state.clone());
    guarded(access::guarded(routes, state), metrics)
}
