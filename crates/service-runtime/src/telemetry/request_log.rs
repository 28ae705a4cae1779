//! The one event and the metrics by which a request ends. No query string, no body, no header.

use std::time::Duration;

use crate::fingerprint;
use http::Method;

use crate::problem::ProblemReport;
use crate::trace::RequestScope;

/// What is known of a request when it ends.
pub(crate) struct Completion<'a> {
    pub(crate) method: &'a Method,
    /// The route's pattern, never the path: paths hold ids, and labels must be few.
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) report: Option<&'a ProblemReport>,
}

pub(crate) fn record(scope: &RequestScope, completion: &Completion<'_>) {
    let Completion {
        method,
        route,
        status,
        duration,
        report,
    } = completion;
    let method = bounded_method(method);
    let labels = [
        ("layer", scope.layer.to_owned()),
        ("method", method.to_owned()),
        ("route", (*route).to_owned()),
    ];
    metrics::histogram!("orderway_http_request_duration_seconds", &labels).record(*duration);
    let [layer, method_label, route_label] = labels;
    let labels = [
        layer,
        method_label,
        route_label,
        ("status", status.to_string()),
    ];
    metrics::counter!("orderway_http_requests_total", &labels).increment(1);

    let noted = scope.noted();
    let principal = noted.principal.as_deref().map(pseudonym);
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let code = report.map(|report| report.code.as_str());
    let detail = report.and_then(|report| report.detail.as_deref());
    let causes = report
        .filter(|report| !report.causes.is_empty())
        .map(|report| report.causes.join(": "));
    let (account, principal, causes) = (
        noted.account.as_deref(),
        principal.as_deref(),
        causes.as_deref(),
    );
    if *status >= 500 {
        tracing::error!(target: "orderway::request", method, route, status, duration_us, principal, account, code, detail, causes, "request");
    } else {
        tracing::info!(target: "orderway::request", method, route, status, duration_us, principal, account, code, detail, causes, "request");
    }
}

/// Methods are the caller's own text: only the usual ones become labels.
fn bounded_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// Tells callers apart in a log without naming them.
fn pseudonym(principal: &str) -> String {
    fingerprint::short(principal.as_bytes())
}
