//! The outermost layer: ids, trace, scope; the completion event and metrics.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::LayerOptions;
use crate::problem::ProblemReport;
use crate::telemetry::request_log::{self, Completion};
use crate::trace::{self, CORRELATION_HEADER, Deadline, RequestScope, TraceContext};

pub(super) async fn record(
    State(options): State<Arc<LayerOptions>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let headers = request.headers();
    let deadline = Deadline::after(options.request_timeout).shortened_by(headers);
    let correlation_id = trace::correlation_id(headers);
    let scope = RequestScope::new(
        options.layer,
        TraceContext::from_headers(headers),
        correlation_id,
        Some(deadline),
    );
    let scope = Arc::new(scope);
    request.extensions_mut().insert(Arc::clone(&scope));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let in_progress = InProgress {
        scope: Arc::clone(&scope),
        method,
        route,
        started,
        ended: false,
    };
    Arc::clone(&scope)
        .run(async move {
            let mut response = next.run(request).await;
            trace::insert(
                response.headers_mut(),
                CORRELATION_HEADER,
                &scope.correlation_id,
            );
            in_progress.end(&response);
            response
        })
        .await
}

/// A request whose client hangs up is dropped in the middle; it is recorded all the same.
struct InProgress {
    scope: Arc<RequestScope>,
    method: http::Method,
    route: Option<MatchedPath>,
    started: Instant,
    ended: bool,
}

/// Status of a request whose client went away, as nginx writes it.
const CLIENT_CLOSED: u16 = 499;

impl InProgress {
    fn end(mut self, response: &Response) {
        self.ended = true;
        self.write(
            response.status().as_u16(),
            response.extensions().get::<ProblemReport>(),
        );
    }

    fn write(&self, status: u16, report: Option<&ProblemReport>) {
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let duration = self.started.elapsed();
        request_log::record(
            &self.scope,
            &Completion {
                method: &self.method,
                route,
                status,
                duration,
                report,
            },
        );
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if !self.ended {
            self.write(CLIENT_CLOSED, None);
        }
    }
}
