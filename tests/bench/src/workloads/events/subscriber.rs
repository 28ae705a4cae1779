//! Who hears of events: a system that is posted webhooks, and somebody who reads the feed. What each has heard, and how often.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ::tests::{PortalUser, WebhookReceiver};
use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;

use super::warehouse::Key;

/// Events of a page of the feed.
const PAGE: usize = 200;
/// Nobody waits longer for a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is read of an event.
#[derive(Deserialize)]
pub(super) struct Told {
    id: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    shipment: Option<Shipment>,
}

#[derive(Deserialize)]
struct Shipment {
    shipment: String,
    version: u64,
}

/// Somebody's own system, which is posted webhooks.
pub(super) struct Inbox {
    receiver: WebhookReceiver,
    /// When each came that was not looked at yet.
    times: Arc<Mutex<Vec<Instant>>>,
}

/// A delivery that was looked at.
pub(super) struct Posted {
    at: Instant,
    told: Option<Told>,
    bytes: usize,
}

impl Inbox {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let receiver = WebhookReceiver::start().await?;
        let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = Arc::clone(&times);
        receiver.answers(move |_| {
            let mut times = noted.lock().unwrap_or_else(PoisonError::into_inner);
            times.push(Instant::now());
            Some(StatusCode::NO_CONTENT)
        });
        Ok(Self { receiver, times })
    }

    pub(super) fn url(&self) -> &str {
        &self.receiver.url
    }

    /// What has come since the last look; without what it says where that is not signed by the secret.
    pub(super) fn look(&self, secret: &str) -> Vec<Posted> {
        // The receiver runs on this very thread: nothing comes between the two.
        let delivered = self.receiver.take();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let came = times.drain(..).zip(delivered);
        came.map(|(at, delivered)| {
            let told: Option<Told> = serde_json::from_slice(&delivered.body).ok();
            let own = |told: &Told| {
                delivered.is_signed_by(secret) && told.id == delivered.header("webhook-id")
            };
            Posted {
                at,
                told: told.filter(own),
                bytes: delivered.body.len(),
            }
        })
        .collect()
    }
}

/// Where a feed is.
#[derive(Clone)]
pub(super) enum Place {
    /// Behind the portal.
    Portal(PortalUser),
    /// At an address of its own.
    Bare(Client, String),
}

/// Reads a feed on.
pub(super) struct Reader {
    place: Place,
    after: String,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Told>,
    next: u64,
}

impl Reader {
    /// What has happened before is not asked for.
    pub(super) async fn from_now(place: Place) -> anyhow::Result<Self> {
        let after = match &place {
            Place::Portal(_) => "latest",
            Place::Bare(..) => "0",
        };
        let mut reader = Self {
            place,
            after: after.to_owned(),
        };
        while !reader.page().await?.is_empty() {}
        Ok(reader)
    }

    fn request(&self, path: &str) -> RequestBuilder {
        match &self.place {
            Place::Portal(user) => user.request(Method::GET, path),
            Place::Bare(http, url) => http.get(format!("{url}{path}")),
        }
    }

    /// The next page; empty at the end of the feed.
    pub(super) async fn page(&mut self) -> anyhow::Result<Vec<Told>> {
        let request = self.request(&format!("/events?after={}&limit={PAGE}", self.after));
        let answer = request.timeout(PATIENCE).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "the feed answers {status}: {text}");
        let page: Page = serde_json::from_str(&text).context("a page of the feed")?;
        self.after = page.next.to_string();
        Ok(page.events)
    }
}

/// What was heard of events by one way.
#[derive(Default)]
pub(super) struct Heard {
    /// Of each the event's id, and after how long it first came.
    first: BTreeMap<Key, (String, Duration)>,
    /// The same event once more.
    pub(super) again: u64,
    /// Another event that says the same, or one that nobody expects.
    pub(super) doubled: u64,
}

impl Heard {
    fn hear(&mut self, key: Key, id: String, after: Option<Duration>) {
        let known = self.first.get(&key).map(|(known, _)| *known == id);
        match (known, after) {
            (Some(true), _) => self.again = self.again.saturating_add(1),
            (Some(false), _) | (None, None) => self.doubled = self.doubled.saturating_add(1),
            (None, Some(after)) => drop(self.first.insert(key, (id, after))),
        }
    }

    fn count(&self) -> usize {
        self.first.len()
    }

    /// How long each took, sorted.
    pub(super) fn times(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self.first.values().map(|(_, after)| *after).collect();
        times.sort_unstable();
        times
    }
}

/// What was to be heard in a turn, and what was.
#[derive(Default)]
pub(super) struct Ledger {
    /// When the warehouse told of each.
    due: BTreeMap<Key, Instant>,
    pub(super) posted: Heard,
    pub(super) read: Heard,
    /// Deliveries that are no event, or that are not signed as they should.
    pub(super) unsigned: u64,
    bytes: usize,
}

impl Ledger {
    /// These are told of now.
    pub(super) fn expect(&mut self, news: Vec<Key>, now: Instant) {
        self.due.extend(news.into_iter().map(|key| (key, now)));
    }

    fn after(&self, key: &Key, at: Instant) -> Option<Duration> {
        let told = self.due.get(key)?;
        Some(at.saturating_duration_since(*told))
    }

    /// Deliveries came.
    pub(super) fn post(&mut self, posted: Vec<Posted>) {
        for one in posted {
            self.bytes = self.bytes.saturating_add(one.bytes);
            let Some(told) = one.told else {
                self.unsigned = self.unsigned.saturating_add(1);
                continue;
            };
            if let Some((key, id)) = told.key() {
                let after = self.after(&key, one.at);
                self.posted.hear(key, id, after);
            }
        }
    }

    /// A page was read.
    pub(super) fn read(&mut self, page: Vec<Told>, at: Instant) {
        for (key, id) in page.into_iter().filter_map(Told::key) {
            let after = self.after(&key, at);
            self.read.hear(key, id, after);
        }
    }

    /// How many were to be heard.
    pub(super) fn expected(&self) -> usize {
        self.due.len()
    }

    /// How much was heard, by either way.
    pub(super) fn heard(&self) -> (usize, usize) {
        (self.posted.count(), self.read.count())
    }

    /// Whether everything was heard by both ways.
    pub(super) fn is_complete(&self) -> bool {
        self.heard() == (self.expected(), self.expected())
    }

    /// Events that were not heard by one way or the other.
    pub(super) fn lost(&self) -> usize {
        let missing = |heard: &Heard| self.expected().saturating_sub(heard.count());
        missing(&self.posted).saturating_add(missing(&self.read))
    }

    /// Events that were told of twice: in the feed, or by webhooks under two ids.
    pub(super) fn doubled(&self) -> u64 {
        let in_feed = self.read.doubled.saturating_add(self.read.again);
        in_feed.saturating_add(self.posted.doubled)
    }

    /// Bytes of a delivery, on the average.
    pub(super) fn bytes_each(&self) -> usize {
        let again = usize::try_from(self.posted.again).unwrap_or_default();
        let deliveries = self.posted.count().saturating_add(again);
        self.bytes.checked_div(deliveries).unwrap_or_default()
    }
}

impl Told {
    /// What it is of, and its id; none where it is not of a shipment.
    fn key(self) -> Option<(Key, String)> {
        let shipment = self.data.shipment?;
        Some(((shipment.shipment, shipment.version), self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(shipment: &str, version: u64, id: &str) -> Told {
        let shipment = shipment.to_owned();
        Told {
            id: id.to_owned(),
            data: Data {
                shipment: Some(Shipment { shipment, version }),
            },
        }
    }

    fn posted(told: Told) -> Posted {
        Posted {
            at: Instant::now(),
            told: Some(told),
            bytes: 100,
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let news = [1, 2].map(|version| ("SH-1".to_owned(), version));
        ledger.expect(news.to_vec(), Instant::now());
        ledger
    }

    #[test]
    fn a_webhook_that_comes_again_is_not_doubled_and_an_event_that_is_in_the_feed_twice_is() {
        let mut ledger = ledger();
        for (version, id) in [(1, "a"), (2, "b"), (1, "a")] {
            ledger.post(vec![posted(told("SH-1", version, id))]);
        }
        ledger.read(
            vec![told("SH-1", 1, "a"), told("SH-1", 2, "b")],
            Instant::now(),
        );
        assert!(ledger.is_complete());
        assert_eq!((ledger.lost(), ledger.doubled()), (0, 0));
        assert_eq!(ledger.posted.again, 1);
        ledger.read(vec![told("SH-1", 1, "a")], Instant::now());
        assert_eq!(ledger.doubled(), 1, "the same event");
        ledger.post(vec![posted(told("SH-1", 1, "c"))]);
        assert_eq!(ledger.doubled(), 2, "the same news as another event");
        ledger.read(vec![told("SH-9", 1, "d")], Instant::now());
        assert_eq!(ledger.doubled(), 3, "of nobody's shipment");
    }

    #[test]
    fn what_was_not_heard_by_one_way_is_lost_and_what_is_not_signed_is_not_heard() {
        let mut ledger = ledger();
        ledger.read(
            vec![told("SH-1", 1, "a"), told("SH-1", 2, "b")],
            Instant::now(),
        );
        ledger.post(vec![posted(told("SH-1", 1, "a"))]);
        ledger.post(vec![Posted {
            at: Instant::now(),
            told: None,
            bytes: 100,
        }]);
        assert_eq!((ledger.lost(), ledger.unsigned), (1, 1));
        assert!(!ledger.is_complete());
    }
}
