//! Reading the log as public events: the one way to it for the feed, the webhooks and the bus.
//!
//! What an event means outside follows from the order before and after it, so each order of a page is folded from its own
//! stream.

use std::collections::HashMap;

use canonical_model::{
    event::CloudEvent,
    public_event::{PublicEvent, PublicEventType},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::public::{log_words, public_event};
use crate::{
    orders::{
        OrderState,
        event::{OrderEvent, Recorded},
        evolve::evolve,
    },
    store::{EventFilter, Store, StoreError, StoredEvent, StreamKind},
};

/// Events of one stream read at a time.
const STREAM_PAGE: u16 = 500;
/// Events of the log read at a time, whatever is asked for: some are of orders with thousands of lines.
const STRETCH: u16 = 100;
/// Lines told at a time; a stretch that tells more is cut after the event with which it does.
const LINES: usize = 10_000;

/// A stretch of the log, as it is told outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Published {
    /// What is told, in feed order.
    pub events: Vec<PublicEvent>,
    /// The events of orders that cannot be told here: a payload cannot be read, or a later release wrote into the
    /// order's log. Of such an order nothing after them may be told before them.
    pub parked: Vec<CloudEvent>,
    /// Up to here the log has been read: the cursor to go on from.
    pub next: u64,
    /// Whether there may be more: what was read is as much as was asked for.
    pub full: bool,
}

/// Reads the public events of some types (none = of all) after the filter's cursor. `filter.types` is not looked at.
pub async fn read(
    store: &dyn Store,
    filter: EventFilter,
    types: &[PublicEventType],
) -> Result<Published, StoreError> {
    let (after, limit) = (filter.after, filter.limit.min(STRETCH));
    // Read before the query: all up to here is visible to it.
    let newest = *store.position().borrow();
    let filter = EventFilter {
        types: log_words(types),
        limit,
        ..filter
    };
    let logged = store.events(filter).await?;
    let full = logged.len() >= usize::from(limit);
    let last = logged.last().map_or(after, |event| event.position);
    let mut published = tell(store, logged).await?;
    published.full = full;
    published.next = if full { last } else { last.max(newest) };
    if !types.is_empty() {
        let wanted = |name: &str| types.iter().any(|kind| kind.name() == name);
        published.events.retain(|event| wanted(&event.event_type));
    }
    published.cut(LINES);
    Ok(published)
}

impl Published {
    /// Ends before the first event written since then that cannot be told here. Whoever reads on from there, at an
    /// instance that can, misses nothing.
    pub fn end_before_parked(&mut self, since: Timestamp) {
        let Some(first) = self.parked.iter().find(|event| event.time >= since) else {
            return;
        };
        self.next = first.position.saturating_sub(1);
        self.events.retain(|event| event.position <= self.next);
        self.parked.retain(|event| event.position <= self.next);
        self.full = false;
    }

    /// Leaves out what comes after the event with which so many lines are told.
    fn cut(&mut self, most: usize) {
        let mut lines: usize = 0;
        let last = self.events.iter().position(|event| {
            lines = lines.saturating_add(event.data.lines.len());
            lines >= most
        });
        let kept = last.map_or(self.events.len(), |last| last.saturating_add(1));
        if kept >= self.events.len() {
            return;
        }
        self.events.truncate(kept);
        self.next = self.events.last().map_or(self.next, |event| event.position);
        self.parked.retain(|event| event.position <= self.next);
        self.full = true;
    }
}

/// What a stretch of the log means outside.
pub async fn tell(store: &dyn Store, logged: Vec<CloudEvent>) -> Result<Published, StoreError> {
    let mut orders: HashMap<Uuid, Vec<&CloudEvent>> = HashMap::new();
    for event in &logged {
        if let Ok(order) = event.subject.parse() {
            orders.entry(order).or_default().push(event);
        }
    }
    let mut told = HashMap::with_capacity(logged.len());
    for (order, wanted) in orders {
        told.extend(tell_order(store, order, &wanted).await?);
    }
    let mut published = Published::default();
    for event in logged {
        match told.remove(&event.position) {
            Some(Told::Event(event)) => published.events.push(*event),
            Some(Told::Nothing) => {}
            Some(Told::Unreadable) | None => published.parked.push(event),
        }
    }
    Ok(published)
}

enum Told {
    Event(Box<PublicEvent>),
    Nothing,
    Unreadable,
}

/// What some events of one order mean, by their position. They are given oldest first.
async fn tell_order(
    store: &dyn Store,
    order: Uuid,
    wanted: &[&CloudEvent],
) -> Result<HashMap<u64, Told>, StoreError> {
    let unreadable = |logged: &&CloudEvent| (logged.position, Told::Unreadable);
    let mut told: HashMap<u64, Told> = wanted.iter().map(unreadable).collect();
    let by_version: HashMap<u64, &CloudEvent> = wanted
        .iter()
        .map(|logged| (logged.sequence, *logged))
        .collect();
    let last = wanted.last().map_or(0, |logged| logged.sequence);
    let (mut state, mut version) = (None, 0);
    while version < last {
        let page = store
            .stream(StreamKind::Order, order, version, STREAM_PAGE)
            .await?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            let Some(event) = known(&stored) else {
                return Ok(told);
            };
            version = stored.version;
            let asked = by_version.get(&version);
            let before: Option<OrderState> = asked.and_then(|_| state.clone());
            state = evolve(state, &event);
            if let (Some(logged), Some(after)) = (asked, &state) {
                let means = public_event(logged, before.as_ref(), &event, after);
                let means = means.map_or(Told::Nothing, |event| Told::Event(Box::new(event)));
                told.insert(logged.position, means);
            }
        }
    }
    Ok(told)
}

/// The event, where this release knows its type and can read it.
fn known(stored: &StoredEvent) -> Option<OrderEvent> {
    match Recorded::read(&stored.event_type, stored.type_version, &stored.data) {
        Ok(Recorded::Known(event)) => Some(event),
        Ok(Recorded::Unknown { .. }) => None,
        Err(error) => {
            tracing::error!(%error, "an event of the log cannot be read; its order is not told outside");
            None
        }
    }
}
