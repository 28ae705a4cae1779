//! The one subscription of this instance to the public events of process-apis, and its fan-out: to callers that wait for
//! their order, and to those who listen to the events of their accounts.
//!
//! It reads under the layer's own identity. Who waits for an order is told nothing but "look again": what the caller then
//! sees, it reads under its own scope. Who listens is handed the events of its accounts, and of no other. A feed that is
//! away costs a waiting caller its wait, never its answer.

pub mod listeners;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use canonical_model::OrderId;
use service_runtime::{
    context::{AccountScope, CallContext, LayerIdentity},
    health::CheckResult,
    telemetry::error_chain,
    trace::RequestScope,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    LAYER,
    clients::{
        events::{After, RelayedEvent, RelayedPage},
        process::{CallError, ProcessClient},
    },
};

use listeners::{Audience, Heard, Listeners};

/// How long one poll waits for news.
const POLL_WAIT: Duration = Duration::from_secs(25);
const PAGE: u16 = 500;
/// Between two polls: where much happens, one brings many events in place of one.
const PACE: Duration = Duration::from_millis(20);
/// After a page of so many events the next is read at once: there may be more already.
const MANY: usize = 50;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Events that one who listens may be behind, before it is let go.
const BUFFER: usize = 256;

/// Events after which a buyer that waits for its order has its answer.
const DECISIVE: &[&str] = &[
    "order.accepted",
    "order.held",
    "order.rejected",
    "order.cancelled",
];

/// The word of an event type: `com.orderway.order.accepted.v1` → `order.accepted`.
pub fn event_word(event_type: &str) -> Option<&str> {
    let (word, version) = event_type
        .strip_prefix("com.orderway.")?
        .rsplit_once(".v")?;
    version
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(word)
}

/// How many may wait and listen at once.
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Callers that wait: for their order, or for a page of events.
    pub waiting: usize,
    /// Open event streams.
    pub streams: usize,
    /// Of them, those of one account.
    pub streams_per_account: usize,
}

/// Callers that wait, by order, and those who listen, by account; cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    waiting: Mutex<HashMap<OrderId, watch::Sender<()>>>,
    slots: Arc<Semaphore>,
    streams: Listeners,
    polls: Listeners,
    /// How far the feed has been handed on; None = it has not been read yet.
    position: watch::Sender<Option<u64>>,
    connected: AtomicBool,
}

impl Feed {
    /// A fan-out within limits.
    pub fn new(limits: FeedLimits) -> Self {
        let FeedLimits {
            waiting,
            streams,
            streams_per_account,
        } = limits;
        Self(Arc::new(Inner {
            waiting: Mutex::default(),
            slots: Arc::new(Semaphore::new(waiting.min(Semaphore::MAX_PERMITS))),
            streams: Listeners::new(streams, streams_per_account, BUFFER),
            // Whoever polls only needs to hear that there is something.
            polls: Listeners::new(waiting, waiting, 1),
            position: watch::Sender::new(None),
            connected: AtomicBool::new(true),
        }))
    }

    /// Those who have an event stream open.
    pub fn streams(&self) -> &Listeners {
        &self.0.streams
    }

    /// Those who wait for a page of events.
    pub fn polls(&self) -> &Listeners {
        &self.0.polls
    }

    /// How far the feed has been handed on: who listened before this was read has heard, or has in its buffer, all
    /// events of its accounts between the position when it began and this one.
    pub fn position(&self) -> watch::Receiver<Option<u64>> {
        self.0.position.subscribe()
    }

    /// Begins to wait for news of an order; `None` when too many wait already. What happens from here on is not
    /// missed, so read the order after this and before [`Watch::decided`].
    pub fn watch(&self, order: OrderId) -> Option<Watch> {
        let slot = Arc::clone(&self.0.slots).try_acquire_owned().ok()?;
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let news = waiting
            .entry(order)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        Some(Watch {
            feed: self.clone(),
            order,
            news,
            _slot: slot,
        })
    }

    /// Hands an event on: to those who listen to its account, and, if it decides an order, to those who wait for it.
    fn publish(&self, event: &RelayedEvent) {
        let RelayedEvent { head, json } = event;
        let audience = Audience {
            source: head.source.clone(),
            account: head.account.clone(),
        };
        let heard = Heard {
            position: head.position,
            event_type: head.event_type.as_str().into(),
            json: Bytes::copy_from_slice(json.get().as_bytes()),
        };
        self.0.streams.tell(&audience, &heard);
        self.0.polls.tell(&audience, &heard);
        let decisive = event_word(&head.event_type).is_some_and(|word| DECISIVE.contains(&word));
        if let (true, Ok(order)) = (decisive, head.subject.parse::<OrderId>()) {
            let waiting = self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(news) = waiting.get(&order) {
                news.send_replace(());
            }
        }
    }

    /// Reads the feed until told to stop, from its cursor on, whatever broke in between. It begins after the newest
    /// event there is, by a first call that does not wait; who waited before that looks again.
    pub async fn run(self, process: ProcessClient, shutdown: CancellationToken) {
        let mut cursor = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let scope = Arc::new(RequestScope::background(LAYER));
            let context = layer_context(scope.correlation_id.clone());
            let after = cursor.map_or(After::Latest, After::Position);
            let wait = cursor.map_or(Duration::ZERO, |_| POLL_WAIT);
            let poll = scope.run(process.public_events(&context, after, None, PAGE, wait));
            let answer = tokio::select! {
                () = shutdown.cancelled() => return,
                answer = poll => answer,
            };
            match answer.and_then(|page| self.hand_on(page)) {
                Ok((next, events)) => {
                    if cursor.is_none() {
                        self.wake_all();
                    }
                    cursor = Some(next);
                    self.0.connected.store(true, Ordering::Relaxed);
                    pause = FIRST_PAUSE;
                    if events < MANY {
                        shutdown.run_until_cancelled(tokio::time::sleep(PACE)).await;
                    }
                }
                Err(error) => {
                    self.0.connected.store(false, Ordering::Relaxed);
                    let error = error_chain(&error);
                    tracing::warn!(
                        error,
                        "the feed of process-apis cannot be read; trying again"
                    );
                    let jitter = rand::random_range(0..=50);
                    let wait = pause.saturating_mul(100 + jitter) / 100;
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Up to where it was read then, and how many events that were.
    fn hand_on(&self, page: RelayedPage) -> Result<(u64, usize), CallError> {
        let next = page.next;
        let events = page.read()?;
        for event in &events {
            self.publish(event);
        }
        // After the events: whoever sees this position has them in its buffer.
        self.0.position.send_replace(Some(next));
        Ok((next, events.len()))
    }

    /// Has everybody who waits for an order look again.
    fn wake_all(&self) {
        let waiting = &self.0.waiting;
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for news in waiting.values() {
            news.send_replace(());
        }
    }

    /// For `/readyz`: without the feed callers that wait are answered late, and nothing else is amiss.
    pub fn check(&self) -> CheckResult {
        if self.0.connected.load(Ordering::Relaxed) {
            CheckResult::ok()
        } else {
            CheckResult::degraded("the feed of process-apis cannot be read")
        }
    }

    #[cfg(test)]
    pub(crate) fn orders_waited_for(&self) -> usize {
        self.0.waiting.lock().unwrap().len()
    }
}

/// The layer's own identity: it may read the whole feed, and nothing else.
fn layer_context(correlation_id: String) -> CallContext {
    CallContext {
        principal: LAYER.to_owned(),
        accounts: AccountScope::All,
        company: None,
        channel: "feed".to_owned(),
        scopes: vec!["feed:all".to_owned(), "events:read".to_owned()],
        correlation_id,
        // Both are set when the call is sent.
        deadline: jiff::Timestamp::UNIX_EPOCH,
        remaining_ms: 0,
        layer: LayerIdentity::ExperienceApis,
    }
}

/// One caller's wait for news of one order.
pub struct Watch {
    feed: Feed,
    order: OrderId,
    news: watch::Receiver<()>,
    _slot: OwnedSemaphorePermit,
}

impl Watch {
    /// Completes when the order has been decided since the watch began; cut by whoever has waited long enough.
    pub async fn decided(&mut self) {
        // The sender lives as long as this watch is in the map; should it be gone, looking again is right too.
        drop(self.news.changed().await);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self
            .feed
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = waiting
            .get(&self.order)
            .is_some_and(|news| news.receiver_count() <= 1);
        if last {
            waiting.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    fn event(word: &str, order: OrderId) -> RelayedEvent {
        let event = json!({"type": format!("com.orderway.{word}.v1"), "source": "/companies/NWI",
            "subject": order.to_string(), "account": "ACME", "position": 1});
        RelayedEvent {
            head: serde_json::from_value(event.clone()).unwrap(),
            json: serde_json::value::to_raw_value(&event).unwrap(),
        }
    }

    fn feed(waiting: usize) -> Feed {
        Feed::new(FeedLimits {
            waiting,
            streams: 1,
            streams_per_account: 1,
        })
    }

    #[test]
    fn a_type_is_read_only_in_the_form_that_was_agreed() {
        assert_eq!(
            event_word("com.orderway.order.accepted.v1"),
            Some("order.accepted")
        );
        assert_eq!(
            event_word("com.orderway.order.accepted.v12"),
            Some("order.accepted")
        );
        assert_eq!(event_word("com.example.order.accepted.v1"), None);
        assert_eq!(event_word("com.orderway.order.accepted"), None);
    }

    #[test]
    fn only_those_who_wait_for_the_order_are_told_and_only_what_decides_it() {
        let feed = feed(10);
        let (mine, other) = (OrderId::generate(), OrderId::generate());
        let mut watch = feed.watch(mine).unwrap();
        feed.publish(&event("order.accepted", other));
        feed.publish(&event("order.released", mine));
        assert!(watch.decided().now_or_never().is_none());
        feed.publish(&event("order.accepted", mine));
        assert!(watch.decided().now_or_never().is_some());
    }

    #[test]
    fn waiting_is_bounded_and_leaves_nothing_behind() {
        let feed = feed(2);
        let order = OrderId::generate();
        let (first, second) = (feed.watch(order).unwrap(), feed.watch(order).unwrap());
        assert!(feed.watch(OrderId::generate()).is_none());
        drop(first);
        assert_eq!(feed.orders_waited_for(), 1, "the second still waits");
        drop(second);
        assert_eq!(feed.orders_waited_for(), 0);
        assert!(feed.watch(OrderId::generate()).is_some());
    }
}
