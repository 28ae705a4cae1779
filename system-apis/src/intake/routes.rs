//! Where backends post their news. Open to whoever signs as the backend's configuration says; nothing is looked at before.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use canonical_model::{
    CompanyId,
    intake::{News, UnreadableNews},
    shipment::ShipmentNews,
};
use jiff::Timestamp;
use service_runtime::{
    extract::Path,
    problem::{Problem, codes},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    NewsError,
    deliver::{never_taken, not_taken},
};
use crate::{
    state::{AppState, NewsSource},
    wms::backend::WmsBackend,
};

/// A shipment of some thousand lines, and room.
const MOST_BYTES: usize = 256 * 1024;

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
    let source = state.news_source(&system).ok_or_else(Problem::not_found)?;
    let now = state.clock().now();
    let deliveries = match read(&source.backend, &headers, &body, now) {
        Err(NewsError::Unsigned) => {
            let detail = "Sign the body as it is sent, with the secret that was agreed, at the time it is sent.";
            return Err(Problem::unauthenticated(detail));
        }
        Err(NewsError::Unreadable(detail)) => {
            let news = unreadable(&body, detail, now);
            BTreeMap::from([(source.first_company(), vec![news])])
        }
        Ok(news) => by_company(source, news, &body, now),
    };
    for (company, news) in deliveries {
        let mut delivered = source.upward.deliver(&system, company, news).await;
        if let Some(why) = delivered.as_ref().err().and_then(never_taken) {
            let news = vec![unreadable(&body, why, now)];
            delivered = source.upward.deliver(&system, company, news).await;
        }
        delivered.map_err(|error| not_taken(&error))?;
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

/// The site says the company.
fn by_company<'a>(
    source: &'a NewsSource,
    all: Vec<ShipmentNews>,
    body: &[u8],
    now: Timestamp,
) -> BTreeMap<&'a CompanyId, Vec<News>> {
    let mut deliveries: BTreeMap<&CompanyId, Vec<News>> = BTreeMap::new();
    for news in all {
        let (company, news) = match source.company_of(&news.site) {
            Some(company) => (company, News::Shipment(Box::new(news))),
            None => {
                let detail = format!("No company here ships from the site {}.", news.site);
                (source.first_company(), unreadable(body, detail, now))
            }
        };
        deliveries.entry(company).or_default().push(news);
    }
    deliveries
}

/// The same bytes are the same news.
fn unreadable(body: &[u8], detail: String, now: Timestamp) -> News {
    News::Unreadable(UnreadableNews {
        key: service_runtime::fingerprint::sha256([body]),
        detail: detail.chars().take(400).collect(),
        raw: String::from_utf8_lossy(body)
            .chars()
            .take(MOST_BYTES / 4)
            .collect(),
        received_at: now,
    })
}
