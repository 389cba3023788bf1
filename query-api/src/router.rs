//! Puts the parts of the HTTP interface together: REST, health, console.

use axum::Router;

use crate::ReportEngine;

/// What every handler may use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Answers reports.
    pub engine: ReportEngine,
}

/// Every route of the HTTP interface.
pub fn router(state: AppState) -> Router {
    // The console merges here: `.merge(crate::console::routes())`, a `Router<AppState>`.
    Router::new().with_state(state)
}
