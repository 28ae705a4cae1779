//! `GET /v1/events`, `GET /v1/events/public` and `GET /v1/orders/{order_id}/events`.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use canonical_model::{
    OrderId,
    event::EventPage,
    public_event::{PublicEventPage, PublicEventType},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use service_runtime::{
    clock::Clock,
    context::{AccountScope, CallContext, Caller},
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
    server::Stopping,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    poll::Until,
    published::Teller,
    reach::{Reach, accounts},
};
use crate::{
    error::store_problem,
    store::{EventFilter, Store},
};

const MOST_EVENTS: u16 = 500;
const MOST_WAIT: u16 = 30;
const MOST_TYPES: usize = 50;
/// While releases change, an instance of the older one cannot tell what the newer one wrote. It ends its pages before such
/// events for so long, so that they are read at an instance of the newer one; then they are passed over, so that after a
/// step back to the older release the feed goes on.
const RELEASES_CHANGE: SignedDuration = SignedDuration::from_mins(10);

/// The routes of events.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn Store>: FromRef<S>,
    Teller: FromRef<S>,
    Clock: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list_events))
        .routes(routes!(list_public_events))
        .routes(routes!(list_order_events))
}

/// What to read of the feed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventSearch {
    /// Events after this position; 0 = from the beginning, `latest` = after the newest there is.
    #[serde(default)]
    #[param(value_type = String, example = "0")]
    pub after: After,
    /// How many at most, 1 to 500; 100 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
    /// Waits so many seconds for something new before answering empty, 0 to 30.
    #[serde(default)]
    #[param(maximum = 30)]
    pub wait: u16,
    /// Only these types, separated by commas: `order.received`, or in full `com.orderway.order.received.v1`.
    pub types: Option<String>,
}

/// Where reading of the feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum After {
    /// After a position.
    Position(u64),
    /// After the newest event there is: what happened before is not asked for.
    Latest,
}

impl After {
    fn position(self, store: &dyn Store) -> u64 {
        match self {
            Self::Position(position) => position,
            Self::Latest => *store.position().borrow(),
        }
    }
}

impl Default for After {
    fn default() -> Self {
        Self::Position(0)
    }
}

impl TryFrom<String> for After {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "latest" => Ok(Self::Latest),
            position => position
                .parse()
                .map(Self::Position)
                .map_err(|_error| "give a position, a whole number, or `latest`"),
        }
    }
}

/// What to read of an order's time line.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimeLineSearch {
    /// Events after this position; 0 = from the beginning.
    #[serde(default)]
    pub after: u64,
    /// How many at most, 1 to 500; 100 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
}

/// Reads the log.
///
/// Events in the order in which they were committed, with all that stands in them: for operators and for the layers
/// themselves. What may be passed on is in `/v1/events/public`. With the scope `feed:all` of all accounts (and of all companies,
/// where the caller has none of its own); else with `events:read`, of the caller's accounts.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", security(("call_context" = [])), params(EventSearch),
    responses(
        (status = 200, description = "The events after the position, and where to go on", body = EventPage),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn list_events(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    stopping: Stopping,
    Query(search): Query<EventSearch>,
) -> Result<Json<EventPage>, Problem> {
    let wait = at_most("?wait", search.wait, MOST_WAIT)?;
    let filter = EventFilter {
        after: search.after.position(store.as_ref()),
        limit: limit(search.limit)?,
        types: types(search.types.as_deref())?,
        ..feed_reach(&caller)?
    };
    read_on(store.as_ref(), filter, Until::seconds(wait, stopping))
        .await
        .map(Json)
}

/// Reads the public events.
///
/// What happened to orders as it may be told outside, in the order in which it was committed. A page may be shorter than
/// asked for while there is more: go on from `next`. Who may read which is as for `/v1/events`; `types` are of the public
/// events.
#[utoipa::path(
    get, path = "/v1/events/public", tag = "events", security(("call_context" = [])), params(EventSearch),
    responses(
        (status = 200, description = "The events after the position, and where to go on", body = PublicEventPage),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn list_public_events(
    State(teller): State<Teller>,
    State(clock): State<Clock>,
    caller: Caller,
    stopping: Stopping,
    Query(search): Query<EventSearch>,
) -> Result<Json<PublicEventPage>, Problem> {
    let wait = at_most("?wait", search.wait, MOST_WAIT)?;
    let kinds = public_types(search.types.as_deref())?;
    let filter = EventFilter {
        after: search.after.position(teller.store()),
        limit: limit(search.limit)?,
        ..feed_reach(&caller)?
    };
    let until = Until::seconds(wait, stopping);
    read_public_on(&teller, &clock, filter, &kinds, until)
        .await
        .map(Json)
}

/// Reads the time line of an order.
#[utoipa::path(
    get, path = "/v1/orders/{order_id}/events", tag = "events", security(("call_context" = [])),
    params(("order_id" = OrderId, Path, description = "The order", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e"),
        TimeLineSearch),
    responses(
        (status = 200, description = "What happened to it, oldest first", body = EventPage),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn list_order_events(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Path(order): Path<OrderId>,
    Query(search): Query<TimeLineSearch>,
) -> Result<Json<EventPage>, Problem> {
    caller.require("orders:read")?;
    let reach = Reach::of(&caller)?;
    let filter = EventFilter {
        after: search.after,
        limit: limit(search.limit)?,
        accounts: reach.accounts,
        company: Some(reach.company),
        subject: Some(order.0),
        types: Vec::new(),
    };
    time_line(store.as_ref(), filter).await.map(Json)
}

/// Whose events a caller reads.
fn feed_reach(caller: &CallContext) -> Result<EventFilter, Problem> {
    let all = caller.has_scope("feed:all");
    if !all {
        caller.require("events:read")?;
        if caller.accounts == AccountScope::All {
            return Err(Problem::forbidden(
                "The events of all accounts need the scope `feed:all`.",
            ));
        }
    }
    let company = match &caller.company {
        None if all => None,
        _ => Some(Reach::of(caller)?.company),
    };
    Ok(EventFilter {
        accounts: accounts(caller),
        company,
        ..EventFilter::default()
    })
}

/// Reads what is after the cursor, and waits for it where there is nothing. The cursor moves on over what the filter
/// leaves out, so that nobody reads the same stretch in vain twice.
async fn read_on(
    store: &dyn Store,
    mut filter: EventFilter,
    until: Until,
) -> Result<EventPage, Problem> {
    let mut news = store.position();
    loop {
        // Read before the query: all up to here is visible to it.
        let newest = *news.borrow_and_update();
        let page = read(store, &filter, newest).await?;
        filter.after = page.next;
        if !page.events.is_empty() || !until.changed(&mut news, None).await {
            return Ok(page);
        }
    }
}

/// The same for what is told outside. Where a stretch of the log tells nothing, the next one is read at once.
async fn read_public_on(
    teller: &Teller,
    clock: &Clock,
    mut filter: EventFilter,
    kinds: &[PublicEventType],
    until: Until,
) -> Result<PublicEventPage, Problem> {
    let mut news = teller.store().position();
    loop {
        news.mark_unchanged();
        let mut page = teller
            .read(filter.clone(), kinds)
            .await
            .map_err(|error| store_problem(&error))?;
        let since = clock.now().saturating_sub(RELEASES_CHANGE);
        page.end_before_parked(since.unwrap_or(Timestamp::MIN));
        filter.after = page.next;
        let told = !page.events.is_empty();
        if told || !(page.full || until.changed(&mut news, None).await) {
            return Ok(PublicEventPage {
                events: page.events,
                next: page.next,
            });
        }
    }
}

async fn read(store: &dyn Store, filter: &EventFilter, newest: u64) -> Result<EventPage, Problem> {
    let events = store
        .events(filter.clone())
        .await
        .map_err(|error| store_problem(&error))?;
    let last = events.last().map_or(filter.after, |event| event.position);
    let full = events.len() >= usize::from(filter.limit);
    let next = if full {
        last
    } else {
        last.max(newest).max(filter.after)
    };
    Ok(EventPage { events, next })
}

async fn time_line(store: &dyn Store, filter: EventFilter) -> Result<EventPage, Problem> {
    let first = EventFilter {
        after: 0,
        limit: 1,
        ..filter.clone()
    };
    let first = store
        .events(first)
        .await
        .map_err(|error| store_problem(&error))?;
    let is_order = |event: &canonical_model::event::CloudEvent| {
        event.event_type.starts_with("com.orderway.order.")
    };
    if !first.first().is_some_and(is_order) {
        return Err(Problem::not_found());
    }
    read(store, &filter, 0).await
}

fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    match asked {
        None => Ok(100),
        Some(0) => Err(out_of_range(
            "?limit",
            format!("Ask for 1 to {MOST_EVENTS} events."),
        )),
        Some(limit) => at_most("?limit", limit, MOST_EVENTS),
    }
}

fn at_most(name: &str, value: u16, most: u16) -> Result<u16, Problem> {
    if value <= most {
        return Ok(value);
    }
    Err(out_of_range(name, format!("At most {most} is possible.")))
}

fn public_types(asked: Option<&str>) -> Result<Vec<PublicEventType>, Problem> {
    let read = |text: &str| {
        text.parse::<PublicEventType>().map_err(|error| {
            let detail = error.to_string();
            Problem::validation(vec![FieldError::new("?types", "unknown-type", detail)])
        })
    };
    types(asked)?;
    let words = asked.into_iter().flat_map(|text| text.split(','));
    words.map(read).collect()
}

fn types(asked: Option<&str>) -> Result<Vec<String>, Problem> {
    let words: Vec<String> = asked
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(word)
        .collect();
    if words.len() > MOST_TYPES || words.iter().any(String::is_empty) {
        let detail = format!("Name 1 to {MOST_TYPES} types, separated by commas, or leave it out.");
        return Err(out_of_range("?types", detail));
    }
    Ok(words)
}

/// The word of a type, without prefix and version.
fn word(full: &str) -> String {
    let full = full.trim();
    let bare = full.strip_prefix("com.orderway.").unwrap_or(full);
    let version = |(_, version): &(&str, &str)| version.bytes().all(|byte| byte.is_ascii_digit());
    bare.rsplit_once(".v")
        .filter(version)
        .map_or(bare, |(word, _)| word)
        .to_owned()
}

fn out_of_range(name: &str, detail: String) -> Problem {
    Problem::validation(vec![FieldError::new(name, "out-of-range", detail)])
}
