//! The door for news: deliver some, and read how far one's own source has been read. For `system-apis` alone, under the
//! identity of a source: `intake:<source>`.

use axum::extract::State;
use canonical_model::intake::{MOST_NEWS, News, NewsDelivery, NewsReceipt, SourceCursor};
use service_runtime::{
    context::Caller,
    extract::{Json, Path},
    problem::{FieldError, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::take::Intake;
use crate::state::AppState;

const MOST_LINES: usize = 5_000;
const MOST_CURSOR: usize = 500;
const MOST_RAW: usize = 262_144;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(deliver_news))
        .routes(routes!(get_source_cursor))
}

/// Only the source itself.
fn require_source(caller: &Caller, source: &str) -> Result<(), Problem> {
    if caller.principal.strip_prefix("intake:") == Some(source) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "A source delivers its own news and reads its own cursor: name the one that the call is signed for.",
    ))
}

/// Takes news of a backend.
///
/// Durable when answered, whole or not at all, together with the step of the source's cursor where one is given. News are
/// absolute facts under the source's own version, so a repetition changes nothing and needs no key: what was applied is
/// `known`, what a person looks at stays `quarantined`. News that something is missing before are `parked`, and their
/// source is asked. None of that is the sender's fault: all are answered 200. News that the source was asked for (`asked`)
/// wait for no version before them, and a step of the cursor may come without any.
#[utoipa::path(
    post, path = "/v1/intake/events", tag = "intake", operation_id = "deliver_news",
    security(("call_context" = [])),
    request_body = NewsDelivery,
    responses(
        (status = 200, description = "What became of each, in the order given", body = NewsReceipt),
        (status = 403, description = "`forbidden`: the call is signed for another source", body = Problem),
        (status = 409, description = "`cursor-moved`: another instance was first; nothing was written", body = Problem),
        (status = 503, description = "`news-limit`: as many news wait for a person as may; `contention`", body = Problem),
    ),
)]
async fn deliver_news(
    State(intake): State<Intake>,
    caller: Caller,
    Json(delivery): Json<NewsDelivery>,
) -> Result<Json<NewsReceipt>, Problem> {
    require_source(&caller, &delivery.source)?;
    check(&delivery)?;
    Ok(Json(intake.take(&caller, &delivery).await?))
}

/// Reads how far a source's changes have been read.
#[utoipa::path(
    get, path = "/v1/intake/{source}/cursor", tag = "intake", operation_id = "get_source_cursor",
    security(("call_context" = [])),
    params(("source" = String, Path, description = "The backend instance, by its name in the configuration")),
    responses(
        (status = 200, description = "Where its cursor stands", body = SourceCursor),
        (status = 403, description = "`forbidden`: the call is signed for another source", body = Problem),
    ),
)]
async fn get_source_cursor(
    State(intake): State<Intake>,
    caller: Caller,
    Path(source): Path<String>,
) -> Result<Json<SourceCursor>, Problem> {
    require_source(&caller, &source)?;
    let cursor = intake.cursor(&source).await?;
    Ok(Json(SourceCursor { source, cursor }))
}

/// Refuses what has not the shape that the contract says, with the first fault of each of the news.
fn check(delivery: &NewsDelivery) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut check = |sound: bool, pointer: String, detail: String| {
        if !sound {
            faults.push(FieldError::new(pointer, "out-of-range", detail));
        }
    };
    check(
        delivery.news.len() <= MOST_NEWS
            && (delivery.cursor.is_some() || !delivery.news.is_empty()),
        "/news".to_owned(),
        format!("Deliver 1 to {MOST_NEWS} news at a time, or a step of the cursor alone."),
    );
    if let Some(step) = &delivery.cursor {
        let sound = (1..=MOST_CURSOR).contains(&step.to.len())
            && step
                .from
                .as_ref()
                .is_none_or(|from| from.len() <= MOST_CURSOR);
        let detail = format!("A cursor has 1 to {MOST_CURSOR} bytes.");
        check(sound, "/cursor".to_owned(), detail);
    }
    for (index, news) in delivery.news.iter().enumerate().take(MOST_NEWS) {
        match news {
            News::Shipment(shipment) => {
                let sound = shipment.version > 0
                    && i64::try_from(shipment.version).is_ok()
                    && [
                        shipment.lines.len(),
                        shipment.ssccs.len(),
                        shipment.tracking_numbers.len(),
                    ]
                    .iter()
                    .all(|length| *length <= MOST_LINES);
                let detail = format!(
                    "A shipment has a version from 1, and at most {MOST_LINES} lines, cartons and tracking numbers."
                );
                check(sound, format!("/news/{index}"), detail);
            }
            News::Unreadable(unreadable) => {
                let sound = (1..=100).contains(&unreadable.key.len())
                    && unreadable.raw.len() <= MOST_RAW
                    && unreadable.detail.chars().count() <= 500;
                let detail = "The key has 1 to 100 bytes, the detail at most 500 characters, and what came at most 256 KiB.";
                check(sound, format!("/news/{index}"), detail.to_owned());
            }
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(faults))
    }
}
