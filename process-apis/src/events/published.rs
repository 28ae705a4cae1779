//! Reading the log as public events: the one way to it for the feed, the webhooks and the bus.
//!
//! What an event means outside follows from the order before and after it, so each order of a page is folded from its own
//! stream, or from where it was told of last.

use std::{collections::HashMap, sync::Arc, time::Duration};

use canonical_model::{
    event::CloudEvent,
    public_event::{PublicEvent, PublicEventType},
};
use jiff::Timestamp;
use moka::{policy::EvictionPolicy, sync::Cache};
use uuid::Uuid;

use super::public::{log_words, public_event};
use crate::{
    orders::{
        OrderState,
        event::{OrderEvent, Recorded},
        evolve::evolve,
    },
    store::{EventFilter, Payload, Store, StoreError, StreamKind},
};

/// Events of one stream read at a time.
const STREAM_PAGE: u16 = 500;
/// Events of the log read at a time, whatever is asked for: some are of orders with thousands of lines.
const STRETCH: u16 = 100;
/// Lines told at a time; a stretch that tells more is cut after the event with which it does.
const LINES: usize = 10_000;
/// What is remembered of orders, about a KiB each, so 64 MiB at most: their lines and what they shipped, and three for an order's
/// head. That is some thousands of orders: where a warehouse works through all of its orders again and again and there is no room for all, each is
/// forgotten just before it is needed.
const REMEMBERED: u64 = 64_000;
/// How long: orders that nothing happens to need no memory.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// So many events that are not told lie between two that are, at most, where what is remembered is found.
const BETWEEN: u64 = 8;

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

/// Tells the log outside. It remembers some orders as they stood when it told of them last: what happens next is told
/// from there and not from the first event on. Cheap to clone.
#[derive(Clone)]
pub struct Teller {
    store: Arc<dyn Store>,
    /// By order and version: the state at a version never changes.
    remembered: Cache<(Uuid, u64), Arc<OrderState>>,
}

impl Teller {
    /// Tells what is in a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let remembered = Cache::builder()
            .weigher(|_, state: &Arc<OrderState>| weight(state))
            .max_capacity(REMEMBERED)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(REMEMBERED_FOR)
            .build();
        Self { store, remembered }
    }

    /// The log.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Reads the public events of some types (none = of all) after the filter's cursor. `filter.types` is not looked at.
    pub async fn read(
        &self,
        filter: EventFilter,
        types: &[PublicEventType],
    ) -> Result<Published, StoreError> {
        let (after, limit) = (filter.after, filter.limit.min(STRETCH));
        // Read before the query: all up to here is visible to it.
        let newest = *self.store.position().borrow();
        let filter = EventFilter {
            types: log_words(types),
            limit,
            ..filter
        };
        let logged = self.store.events(filter).await?;
        let full = logged.len() >= usize::from(limit);
        let last = logged.last().map_or(after, |event| event.position);
        let mut published = self.tell(logged).await?;
        published.full = full;
        published.next = if full { last } else { last.max(newest) };
        if !types.is_empty() {
            let wanted = |name: &str| types.iter().any(|kind| kind.name() == name);
            published.events.retain(|event| wanted(&event.event_type));
        }
        published.cut(LINES);
        Ok(published)
    }

    /// What a stretch of the log means outside.
    async fn tell(&self, logged: Vec<CloudEvent>) -> Result<Published, StoreError> {
        let mut orders: HashMap<Uuid, Vec<&CloudEvent>> = HashMap::new();
        for event in &logged {
            if let Ok(order) = event.subject.parse() {
                orders.entry(order).or_default().push(event);
            }
        }
        let mut told = HashMap::with_capacity(logged.len());
        for (order, wanted) in orders {
            self.tell_order(order, &wanted, &mut told).await?;
        }
        let mut published = Published::default();
        for event in logged {
            match told.remove(&event.position) {
                Some(Some(event)) => published.events.push(event),
                Some(None) => {}
                None => published.parked.push(event),
            }
        }
        Ok(published)
    }

    /// What some events of one order mean, by their position; what cannot be read, and all after it, is left out. They
    /// are given oldest first.
    async fn tell_order(
        &self,
        order: Uuid,
        wanted: &[&CloudEvent],
        told: &mut HashMap<u64, Option<PublicEvent>>,
    ) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            return Ok(());
        };
        let mut fold = Fold {
            state: self.remembered_before(order, first.sequence),
            wanted,
            told,
        };
        if fold.has_all() {
            // What is wanted is all there is: it was read already.
            for logged in wanted {
                if !fold.go_on(word(logged), &logged.data) {
                    break;
                }
            }
        } else {
            self.fold_stored(order, last.sequence, &mut fold).await?;
        }
        if let Some(state) = fold.state {
            self.remembered.insert((order, state.version), state);
        }
        Ok(())
    }

    async fn fold_stored(
        &self,
        order: Uuid,
        last: u64,
        fold: &mut Fold<'_>,
    ) -> Result<(), StoreError> {
        while fold.version() < last {
            let page = self
                .store
                .stream(StreamKind::Order, order, fold.version(), STREAM_PAGE)
                .await?;
            if page.is_empty() {
                break;
            }
            for stored in page {
                let next = fold.version().saturating_add(1);
                let of_type = (stored.event_type.as_str(), stored.type_version);
                if stored.version != next || !fold.go_on(Some(of_type), &stored.data) {
                    return Ok(());
                }
                if next == last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The order a little before a version, where that is remembered: between two events that are told lie few that are
    /// not.
    fn remembered_before(&self, order: Uuid, version: u64) -> Option<Arc<OrderState>> {
        let before = version.saturating_sub(1);
        let back = before.saturating_sub(BETWEEN).max(1);
        (back..=before)
            .rev()
            .find_map(|version| self.remembered.get(&(order, version)))
    }
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

fn weight(state: &OrderState) -> u32 {
    let shipped = state
        .shipments
        .iter()
        .map(|shipment| shipment.lines.len().saturating_add(shipment.ssccs.len()));
    let parts = state.quantities.len().saturating_add(shipped.sum());
    u32::try_from(parts.saturating_add(3)).unwrap_or(u32::MAX)
}

/// An order, event by event, and what those that are wanted mean.
struct Fold<'a> {
    state: Option<Arc<OrderState>>,
    wanted: &'a [&'a CloudEvent],
    told: &'a mut HashMap<u64, Option<PublicEvent>>,
}

impl Fold<'_> {
    fn version(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.version)
    }

    /// Whether what is wanted is every event from here on.
    fn has_all(&self) -> bool {
        let next = self.version().saturating_add(1);
        (next..)
            .zip(self.wanted)
            .all(|(version, logged)| version == logged.sequence)
    }

    /// Takes the next event; false = it cannot be read here.
    fn go_on(&mut self, of_type: Option<(&str, u16)>, data: &impl Payload) -> bool {
        let Some(event) = of_type.and_then(|(word, version)| read_event(word, version, data))
        else {
            return false;
        };
        let version = self.version().saturating_add(1);
        let logged = self
            .wanted
            .binary_search_by_key(&version, |logged| logged.sequence);
        let logged = logged.ok().and_then(|at| self.wanted.get(at));
        let before = logged.and_then(|_| self.state.clone());
        let state = self.state.take().map(Arc::unwrap_or_clone);
        // Nothing comes before `order.received`.
        let Some(after) = evolve(state, &event) else {
            return false;
        };
        if let Some(logged) = logged {
            let means = public_event(logged, before.as_deref(), &event, &after);
            self.told.insert(logged.position, means);
        }
        self.state = Some(Arc::new(after));
        true
    }
}

/// The word and the version of an event's type, as the log has them.
fn word(logged: &CloudEvent) -> Option<(&str, u16)> {
    let (word, version) = logged
        .event_type
        .strip_prefix("com.orderway.")?
        .rsplit_once(".v")?;
    Some((word, version.parse().ok()?))
}

/// The event, where this release knows its type and can read it.
fn read_event(word: &str, version: u16, data: &impl Payload) -> Option<OrderEvent> {
    match Recorded::read(word, version, data) {
        Ok(Recorded::Known(event)) => Some(event),
        Ok(Recorded::Unknown { .. }) => None,
        Err(error) => {
            tracing::error!(%error, "an event of the log cannot be read; its order is not told outside");
            None
        }
    }
}
