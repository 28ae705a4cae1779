//! Where backends post their news. Open to whoever signs as the backend's configuration says; nothing is looked at before.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use canonical_model::{intake::NewsDelivery, shipment::ShipmentNews};
use jiff::Timestamp;
use service_runtime::{
    extract::Path,
    problem::{Problem, codes},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    NewsError,
    deliver::{deliver_sound, not_taken},
    sort::{Sorted, by_company, unreadable},
};
use crate::{state::AppState, wms::backend::WmsBackend};

/// A shipment of some thousand lines, and room.
pub(super) const MOST_BYTES: usize = 256 * 1024;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(take_backend_news))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
}

/// Takes what a backend posts.
///
/// Signed by the backend in its own way, over the bytes as they are sent, at most five minutes ago. Answered 204 once it is
/// stored; until then the backend keeps it and sends it again. Sent twice, it changes nothing more. What cannot be
/// understood is stored for a person.
#[utoipa::path(
    post, path = "/v1/webhooks/{system}", tag = "webhooks", operation_id = "take_backend_news",
    security(("vendor_signature" = [])),
    params(("system" = String, Path, description = "The backend, by its name in the configuration", example = "warehouse")),
    request_body(content = String, description = "In the backend's own words; at most 256 KiB", content_type = "application/json"),
    responses(
        (status = 204, description = "Stored"),
        (status = 401, description = "`unauthenticated`: not signed by this backend, or not within five minutes", body = Problem),
        (status = 404, description = "`not-found`: no news are taken from a backend of this name", body = Problem),
        (status = 413, description = "`payload-too-large`", body = Problem),
        (status = 503, description = "`temporarily-unavailable`: not stored; to be sent again", body = Problem),
    ),
)]
async fn take_backend_news(
    State(state): State<AppState>,
    Path(system): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let source = state.webhook_source(&system);
    let source = source.ok_or_else(Problem::not_found)?;
    let now = state.clock().now();
    let deliveries = match read(&source.backend, &headers, &body, now) {
        Err(NewsError::Unsigned) => {
            let detail = "Sign the body as it is sent, with the secret that was agreed, at the time it is sent.";
            return Err(Problem::unauthenticated(detail));
        }
        Err(NewsError::Unreadable(fault)) => {
            let only = Sorted::of_fault(fault);
            BTreeMap::from([(source.first_company(), only)])
        }
        Ok(news) => by_company(&source, news),
    };
    for (company, mut delivery) in deliveries {
        let deliver = |news| {
            let delivery = NewsDelivery {
                source: system.clone(),
                cursor: None,
                asked: false,
                news,
            };
            source.upward.deliver(company, delivery)
        };
        let refused = deliver_sound(delivery.shipments, &deliver).await;
        delivery
            .faults
            .extend(refused.map_err(|error| not_taken(&error))?);
        if !delivery.faults.is_empty() {
            let details: Vec<String> = delivery.faults.into_iter().map(|one| one.detail).collect();
            let aside = unreadable(company, &body, &details.join(" "), now);
            let kept = deliver(vec![aside]).await;
            kept.map_err(|error| not_taken(&error))?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("Send at most {MOST_BYTES} bytes at a time.");
        return Problem::new(codes::PAYLOAD_TOO_LARGE, detail);
    }
    Problem::invalid_request("The body did not come to its end; send it again.")
}

fn read(
    backend: &Arc<WmsBackend>,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<ShipmentNews>, NewsError> {
    backend.read_news(headers, body, now)
}
