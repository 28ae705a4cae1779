//! What every operation begins and ends with: for which company, on which terms, and how old the answer is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use service_runtime::{
    context::Caller,
    extract::{Json, Path},
    problem::{FieldError, Problem},
    trace::RequestScope,
};
use tokio::time::Instant;

use crate::{
    guard::{Lane, Provenance, Terms},
    state::{AppState, Company},
};

/// Tells the lane of a call.
pub const LANE_HEADER: &str = "orderway-lane";
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// For a caller that states no deadline.
const USUAL_TIME: Duration = Duration::from_secs(30);
/// Kept back from the caller's time, so that our answer reaches it before it gives up.
const MARGIN: Duration = Duration::from_millis(50);

/// A call of the layer above for its company, with the backends that serve it. A company that is not the caller's
/// looks exactly like one that does not exist.
pub struct Call {
    /// The company and its backends.
    pub company: Arc<Company>,
    /// Deadline and lane.
    pub terms: Terms,
}

impl Call {
    /// The same terms with the oldest answer that the caller takes, and the oldest while the source does not answer.
    pub fn terms(&self, max_age_seconds: Option<u32>, max_stale_seconds: Option<u32>) -> Terms {
        let time = |seconds: u32| Duration::from_secs(seconds.into());
        Terms {
            oldest: max_age_seconds.map(time),
            oldest_stale: max_stale_seconds.map(time),
            ..self.terms
        }
    }
}

impl FromRequestParts<AppState> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, state).await?;
        let company = path
            .get("company")
            .filter(|asked| caller.company.as_ref() == Some(asked))
            .and_then(|asked| state.company(asked))
            .ok_or_else(Problem::not_found)?;
        let now = Instant::now();
        let deadline = RequestScope::current()
            .and_then(|scope| scope.deadline)
            .map_or(now + USUAL_TIME, |deadline| deadline.0);
        // The duration counts from when the request was read: one that lay unread is later than it says.
        let left = caller.deadline.duration_since(state.wall());
        let deadline = deadline.min(now + Duration::try_from(left).unwrap_or(Duration::ZERO));
        Ok(Self {
            company,
            terms: Terms {
                deadline: deadline.checked_sub(MARGIN).unwrap_or(now),
                lane: lane(&parts.headers)?,
                oldest: None,
                oldest_stale: None,
            },
        })
    }
}

fn lane(headers: &HeaderMap) -> Result<Lane, Problem> {
    let Some(value) = headers.get(LANE_HEADER) else {
        return Ok(Lane::default());
    };
    let known = value.to_str().ok().and_then(Lane::from_header);
    known.ok_or_else(|| {
        Problem::invalid_request("Name a known lane, or none.").with_error(FieldError::new(
            LANE_HEADER,
            "unknown-lane",
            "Use order, checkout, browse or bulk.",
        ))
    })
}

/// A list that is longer than the contract allows is refused, naming it.
pub fn at_most(name: &str, length: usize, most: usize) -> Result<(), Problem> {
    if length <= most {
        return Ok(());
    }
    Err(Problem::validation(vec![FieldError::new(
        format!("/{name}"),
        "too-many",
        format!("Ask for at most {most} at a time."),
    )]))
}

/// An answer made of facts, with its age (RFC 9111) and how the cache served it (RFC 9211).
pub struct Aged<T> {
    /// The answer.
    pub body: T,
    /// Where its facts come from.
    pub provenance: Provenance,
}

impl<T: Serialize> IntoResponse for Aged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::AGE,
            HeaderValue::from(self.provenance.age.as_secs()),
        );
        // Nothing was looked up: there is nothing to tell of it.
        if self.provenance != Provenance::default() {
            headers.insert(
                CACHE_STATUS,
                HeaderValue::from_static(cache_status(self.provenance)),
            );
        }
        response
    }
}

fn cache_status(provenance: Provenance) -> &'static str {
    match (
        provenance.stale + provenance.unknown,
        provenance.hits + provenance.revalidated,
        provenance.misses,
    ) {
        (0, _, 0) if provenance.revalidated > 0 => {
            "system-apis; hit; detail=stale-while-revalidate"
        }
        (0, _, 0) => "system-apis; hit",
        (0, 0, _) => "system-apis; fwd=miss",
        (0, _, _) => "system-apis; fwd=partial",
        _ => "system-apis; hit; fwd=stale; detail=stale-if-error",
    }
}
