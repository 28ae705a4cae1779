//! Probes: `/livez` (the process runs), `/startupz` (it has recovered), `/readyz` (it can work). A
//! degraded backend is told, but does not take the instance out of service.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::extract::Json;

const CHECK_TIME: Duration = Duration::from_secs(1);
const LIVE: &str = "/livez";
const STARTED: &str = "/startupz";
const READY: &str = "/readyz";

/// Whether it is the address of a probe: those are answered however much there is to do, since an instance that is
/// busy must not be taken for one that is dead.
pub(crate) fn is_probe(path: &str) -> bool {
    [LIVE, STARTED, READY].contains(&path)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    Degraded,
    Failing,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl CheckResult {
    pub fn ok() -> Self {
        Self {
            status: Status::Ok,
            detail: None,
        }
    }

    pub fn degraded(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Degraded,
            detail: Some(detail.into()),
        }
    }

    pub fn failing(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Failing,
            detail: Some(detail.into()),
        }
    }
}

/// The whole answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub status: Status,
    pub checks: BTreeMap<String, CheckResult>,
}

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = CheckResult> + Send>> + Send + Sync>;

/// The checks of a binary by name; cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<RwLock<BTreeMap<String, Check>>>,
    started: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. One that takes longer than a second is failing.
    pub fn register<F, Fut>(&self, name: &str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = CheckResult> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), check);
    }

    /// Recovery is done: `/startupz` and `/readyz` may say so.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// From now on not ready: load balancers send their traffic elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub async fn report(&self) -> Report {
        self.report_within(CHECK_TIME).await
    }

    async fn report_within(&self, time: Duration) -> Report {
        let checks = self
            .checks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut report = Report {
            status: Status::Ok,
            checks: BTreeMap::new(),
        };
        let flags = [
            (
                self.started.load(Ordering::Acquire),
                "startup",
                "recovery is still running",
            ),
            (!self.is_draining(), "drain", "the instance is going away"),
        ];
        for (_, name, detail) in flags.into_iter().filter(|(well, ..)| !well) {
            report
                .checks
                .insert(name.to_owned(), CheckResult::failing(detail));
        }
        let running = checks.into_iter().map(|(name, check)| async move {
            let result = tokio::time::timeout(time, check()).await;
            (
                name,
                result.unwrap_or_else(|_| CheckResult::failing("the check takes too long")),
            )
        });
        report
            .checks
            .extend(futures_util::future::join_all(running).await);
        report.status = report
            .checks
            .values()
            .map(|check| check.status)
            .max()
            .unwrap_or(Status::Ok);
        report
    }
}

/// The three probes.
pub fn router(readiness: Readiness) -> Router {
    Router::new()
        .route(LIVE, get(|| async { "ok" }))
        .route(STARTED, get(startupz))
        .route(READY, get(readyz))
        .with_state(readiness)
}

async fn startupz(State(readiness): State<Readiness>) -> Response {
    if readiness.started.load(Ordering::Acquire) {
        "ok".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting").into_response()
    }
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report().await;
    let status = match report.status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    async fn probe(readiness: &Readiness, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router(readiness.clone())
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    #[tokio::test]
    async fn an_instance_is_ready_between_start_and_drain() {
        let readiness = Readiness::new();
        assert_eq!(
            (
                probe(&readiness, "/livez").await,
                probe(&readiness, "/startupz").await
            ),
            (200, 503)
        );
        assert_eq!(probe(&readiness, "/readyz").await, 503);
        readiness.set_started();
        assert_eq!(
            (
                probe(&readiness, "/startupz").await,
                probe(&readiness, "/readyz").await
            ),
            (200, 200)
        );
        readiness.drain();
        assert_eq!(
            (
                probe(&readiness, "/livez").await,
                probe(&readiness, "/readyz").await
            ),
            (200, 503)
        );
    }

    #[tokio::test]
    async fn a_degraded_backend_is_told_but_keeps_the_instance_in_service() {
        let readiness = Readiness::new();
        readiness.set_started();
        readiness.register("erp", || async {
            CheckResult::degraded("the breaker is open")
        });
        assert_eq!(probe(&readiness, "/readyz").await, 200);
        assert_eq!(readiness.report().await.status, Status::Degraded);
        readiness.register("store", || async { CheckResult::failing("read-only") });
        assert_eq!(probe(&readiness, "/readyz").await, 503);
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_failing() {
        let readiness = Readiness::new();
        readiness.set_started();
        readiness.register("store", std::future::pending);
        assert_eq!(
            readiness
                .report_within(Duration::from_millis(1))
                .await
                .checks["store"]
                .status,
            Status::Failing
        );
    }
}
