//! What happens to the caller's orders: page by page, or as a stream.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use canonical_model::public_event::{PublicEventPage, PublicEventType};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::SignedDuration;
use serde::Deserialize;
use service_runtime::{
    clock::Clock,
    context::{AccountScope, CallContext},
    extract::{Json, Query},
    problem::{FieldError, Problem, codes::RATE_LIMITED},
    server::Stopping,
};
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::{ActingFor, Refusals, check_limit};
use crate::{
    admission::{Listener, OrdersRead},
    clients::{
        events::{After, RelayedPage},
        process::ProcessClient,
    },
    config::Config,
    error::codes::TEMPORARILY_UNAVAILABLE,
    feed::{
        Feed,
        listeners::{Audience, Full},
    },
    portal::stream::EventStream,
};

const USUAL_LIMIT: u16 = 100;
/// The instance that is asked may be a moment behind the one that the feed was read from.
const BEHIND: Duration = Duration::from_secs(1);
/// How long a stream may wait for the first word of the feed, right after the instance has started.
const FEED_BEGINS: Duration = Duration::from_secs(5);

/// Reads what has happened to the orders of the account, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventSearch {
    /// `next` of the page before; absent = from the beginning, `latest` = only what happens from now on.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "1042")]
    pub(super) after: Option<String>,
    /// How many at most, 1 to 200; 100 unless said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u16>,
    /// Waits so many seconds for something new before answering empty, 0 to 30.
    #[serde(default)]
    #[param(maximum = 30)]
    pub(super) wait: u16,
    /// Only these types, separated by commas: `order.accepted`, or in full `com.orderway.order.accepted.v1`.
    #[serde(default)]
    #[param(example = "order.accepted,order.shipped")]
    pub(super) types: Option<String>,
}

/// Opens the stream of what happens to the orders of the account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamSearch {
    /// Where to begin, for a client that cannot send Last-Event-ID: a position, or `latest`, as without it.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "1042")]
    pub(super) after: Option<String>,
    /// Only these types, separated by commas.
    #[serde(default)]
    #[param(example = "order.accepted,order.shipped")]
    pub(super) types: Option<String>,
}

/// Reads what has happened.
///
/// Events of the orders of the account (or, where Orderway-Account is not sent, of all accounts of the token), oldest
/// first. Read on from `next`, which moves over what is not yours; a page may be shorter than asked for while there is
/// more. With `wait` the answer comes as soon as there is something.
#[utoipa::path(get, path = "/portal/v1/events", tag = "events", security(("bearer" = [])),
    params(ActingFor, EventSearch),
    responses((status = 200, description = "The events after the cursor, and where to go on", body = PublicEventPage),
        (status = 422, description = "`validation-failed`: a parameter is out of range, or names no type of event", body = Problem, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn list_events(
    State(process): State<ProcessClient>,
    State(feed): State<Feed>,
    State(config): State<Arc<Config>>,
    stopping: Stopping,
    caller: Listener<OrdersRead>,
    Query(search): Query<EventSearch>,
) -> Result<Json<RelayedPage>, Problem> {
    check_limit(search.limit)?;
    let limit = search.limit.unwrap_or(USUAL_LIMIT);
    let wait = check_wait(search.wait)?.min(config.portal.max_wait.get());
    types(search.types.as_deref())?;
    let end = Instant::now() + wait;
    let mut after = position(search.after.as_deref(), "?after", After::Position(0))?;
    let mut patience = Duration::ZERO;
    loop {
        // Before the read: what happens from here on ends the wait. Where too many wait already, nobody does.
        let listening = match wait {
            Duration::ZERO => None,
            _ => feed.polls().listen(audiences(&caller.context)?).ok(),
        };
        let types = search.types.as_deref();
        let page = process.public_events(&caller.context, after, types, limit, patience);
        let page = page.await?;
        let over = !page.events.is_empty() || Instant::now() >= end;
        let Some(mut listening) = listening.filter(|_| !over) else {
            return Ok(Json(page));
        };
        after = After::Position(page.next);
        tokio::select! {
            biased;
            () = stopping.told() => return Ok(Json(page)),
            heard = timeout_at(end, listening.hear()) => if heard.is_ok() { patience = BEHIND },
        }
    }
}

/// Streams what happens.
///
/// Server-Sent Events: each `data` is one event, each `id` the cursor after it. Without Last-Event-ID it begins with
/// what happens from now on; with it, with what was missed. The stream ends with the token, with the instance, and where
/// its client reads more slowly than events come; a comment says so, and Last-Event-ID goes on without gap or repetition.
#[utoipa::path(get, path = "/portal/v1/events/stream", tag = "events", security(("bearer" = [])),
    params(ActingFor, StreamSearch,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event received: goes on after it", example = "1042")),
    responses((status = 200, description = "The stream; see openapi/asyncapi.json for its messages", body = String, content_type = "text/event-stream"),
        (status = 422, description = "`validation-failed`: a parameter is out of range, or names no type of event", body = Problem, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn stream_events(
    State(process): State<ProcessClient>,
    State(feed): State<Feed>,
    State(clock): State<Clock>,
    stopping: Stopping,
    caller: Listener<OrdersRead>,
    headers: HeaderMap,
    Query(search): Query<StreamSearch>,
) -> Result<Response, Problem> {
    let kinds = types(search.types.as_deref())?;
    let last = headers.get("last-event-id");
    let after = match last.map(|last| last.to_str()) {
        Some(Ok(last)) => position(Some(last), "Last-Event-ID", After::Latest)?,
        Some(Err(_)) => return Err(not_a_position("Last-Event-ID")),
        None => position(search.after.as_deref(), "?after", After::Latest)?,
    };
    let mut handed_on = feed.position();
    let begun = handed_on.wait_for(Option::is_some);
    let begun = tokio::time::timeout(FEED_BEGINS, begun).await.is_ok();
    if !begun {
        let detail =
            "The events cannot be read at the moment; try again after the time in Retry-After.";
        let problem = Problem::new(TEMPORARILY_UNAVAILABLE, detail);
        return Err(problem.with_retry_after(SignedDuration::from_secs(2)));
    }
    let audiences = audiences(&caller.context)?;
    let listening = feed.streams().listen(audiences).map_err(too_many)?;
    let heard_after = handed_on.borrow().unwrap_or(0);
    let left = clock.now().duration_until(caller.expires_at);
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    let stream = EventStream {
        listening,
        handed_on,
        heard_after,
        process,
        context: caller.context,
        types: search.types,
        names: (!kinds.is_empty()).then(|| kinds.iter().map(|kind| kind.name()).collect()),
        expires: Instant::now() + left,
        stopping,
        cursor: match after {
            After::Position(position) => position,
            After::Latest => 0,
        },
    };
    let first = stream.first(after).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // A proxy that gathers answers before it passes them on would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, Body::from_stream(stream.frames(first))).into_response())
}

/// Whose events the caller hears.
fn audiences(context: &CallContext) -> Result<Vec<Audience>, Problem> {
    let company = context.company.as_deref().unwrap_or_default();
    match &context.accounts {
        AccountScope::List(accounts) => Ok(accounts
            .iter()
            .map(|account| Audience {
                source: format!("/companies/{company}"),
                account: account.clone(),
            })
            .collect()),
        AccountScope::All => Err(Problem::forbidden(
            "Name one account in the header Orderway-Account.",
        )),
    }
}

fn too_many(full: Full) -> Problem {
    let (detail, policy) = match full {
        Full::Account => (
            "As many event streams of this account are open as may be; close one.",
            "streams-per-account",
        ),
        Full::Instance => (
            "As many event streams are open here as may be; try again later, or read page by page.",
            "streams",
        ),
    };
    Problem::new(RATE_LIMITED, detail)
        .with_extension("policy", policy)
        .with_retry_after(SignedDuration::from_secs(5))
}

fn types(asked: Option<&str>) -> Result<Vec<PublicEventType>, Problem> {
    let read = |text: &str| {
        text.parse::<PublicEventType>().map_err(|error| {
            let fault = FieldError::new("?types", "unknown-type", error.to_string());
            Problem::validation(vec![fault])
        })
    };
    let words = asked.into_iter().flat_map(|text| text.split(','));
    words.map(read).collect()
}

fn position(text: Option<&str>, name: &str, usual: After) -> Result<After, Problem> {
    match text {
        None => Ok(usual),
        Some("latest") => Ok(After::Latest),
        Some(text) => text
            .parse()
            .map(After::Position)
            .map_err(|_error| not_a_position(name)),
    }
}

fn not_a_position(name: &str) -> Problem {
    let detail = "Send a cursor as it was given to you, or `latest`.";
    Problem::validation(vec![FieldError::new(name, "out-of-range", detail)])
}

fn check_wait(wait: u16) -> Result<Duration, Problem> {
    if wait <= 30 {
        return Ok(Duration::from_secs(u64::from(wait)));
    }
    let fault = FieldError::new("?wait", "out-of-range", "Wait 0 to 30 seconds.");
    Err(Problem::validation(vec![fault]))
}
