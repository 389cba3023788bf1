//! Puts the parts of the HTTP interface together: REST, health, console.

use axum::Router;
use epm_control::ControlStore;

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
    /// Counts requests.
    pub metrics: HttpMetrics,
}

impl AppState {
    /// Answers from `engine` and `control`, counting in the process's metrics.
    #[must_use]
    pub fn new(
        engine: ReportEngine,
        control: Option<ControlStore>,
        registry: SharedRegistry,
    ) -> Self {
        Self {
            engine,
            control,
            metrics: HttpMetrics::register(registry),
        }
    }
}

/// Every route of the HTTP interface.
pub fn router(state: AppState) -> Router {
    let metrics = state.metrics.clone();
    guarded(routes().merge(console::routes()).with_state(state), metrics)
}
