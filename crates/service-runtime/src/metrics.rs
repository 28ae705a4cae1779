//! Prometheus metrics. The recorder is one a process, however many layers run in it; each metric
//! carries its layer as a label.

use std::sync::OnceLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Buckets in seconds, from a cache hit to a slow ERP.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("the metrics recorder cannot be built")]
    Build(#[source] BuildError),
}

/// Installs the recorder, once; later calls give the same handle.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets(BUCKETS)
        .map_err(MetricsError::Build)?
        .build_recorder();
    let handle = recorder.handle();
    // Whoever was first wins; the loser's recorder is dropped unused.
    if metrics::set_global_recorder(recorder).is_ok() {
        return Ok(HANDLE.get_or_init(|| handle).clone());
    }
    Ok(HANDLE.get().cloned().unwrap_or(handle))
}

/// Folds the samples taken since the last time; called regularly by every server.
pub(crate) fn upkeep() {
    if let Some(handle) = HANDLE.get() {
        handle.run_upkeep();
    }
}

/// `/metrics` in Prometheus text form.
pub fn router() -> Router {
    Router::new().route("/metrics", get(render))
}

async fn render() -> Response {
    let text = HANDLE
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_layers_in_one_process_share_one_recorder() {
        let handles = [install().unwrap(), install().unwrap(), install().unwrap()];
        metrics::counter!("orderway_test_total", "layer" => "process-apis").increment(2);
        for handle in handles {
            assert!(
                handle
                    .render()
                    .contains("orderway_test_total{layer=\"process-apis\"} 2")
            );
        }
    }
}
