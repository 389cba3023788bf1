//! What the HTTP interface counts, and the page that Prometheus reads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::AppState;

/// The metrics of every stage in the process; each registers its own.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// Counts requests and their time by route. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    registry: SharedRegistry,
    requests: Family<Answer, Counter>,
    seconds: Family<Route, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

impl HttpMetrics {
    /// Registers with the metrics of the process.
    #[must_use]
    pub fn register(registry: SharedRegistry) -> Self {
        let requests = Family::<Answer, Counter>::default();
        // From one millisecond to about half a minute, the longest that a page may take.
        let seconds = Family::new_with_constructor(time_buckets as fn() -> Histogram);
        {
            let mut names = registry.lock().unwrap_or_else(PoisonError::into_inner);
            let names = names.sub_registry_with_prefix("epm_http");
            names.register("requests", "Requests answered", requests.clone());
            names.register(
                "request_seconds",
                "Time until the answer began",
                seconds.clone(),
            );
        }
        Self {
            registry,
            requests,
            seconds,
        }
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        let answer = Answer {
            route,
            status: status.as_u16(),
        };
        self.requests.get_or_create(&answer).inc();
        self.seconds
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }
}

fn time_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

/// Every metric of the process in the text form of OpenMetrics.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, description = "Every metric of the process", content_type = "application/openmetrics-text", body = String))
)]
pub(crate) async fn show(State(state): State<AppState>) -> Response {
    let mut text = String::new();
    let registry = state
        .metrics
        .registry
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // Writing to a String cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
