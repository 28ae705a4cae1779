//! The WMS's news: each change of a shipment is posted, signed, to whom was named, and again until it is taken. They can
//! be lost, doubled, held back and turned round.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::records::Shipment;
use crate::clock::Clock;

/// News kept for their oracles, and news that wait, at most; the oldest make room.
const MOST: usize = 100_000;
/// Posts under way at a time.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(5);

/// The header that says who sent it: `t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`.
pub const SIGNATURE_HEADER: &str = "x-wms-signature";

/// Where news go.
#[derive(Debug, Clone)]
pub struct NewsTarget {
    /// The whole address.
    pub url: String,
    /// Signs them.
    pub secret: String,
    /// Sends them.
    pub http: reqwest::Client,
}

/// What goes wrong with news from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewsFaults {
    /// The next so many are never sent.
    pub lose: u32,
    /// Each is sent so many times more.
    pub duplicate: u32,
    /// They wait until they are let go.
    pub hold: bool,
    /// Each is sent so much later.
    pub delay: Duration,
}

/// How news that were held are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// As they happened.
    InOrder,
    /// The last first.
    Reversed,
}

/// One piece of news, for an oracle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewsRecord {
    /// Its number.
    pub delivery_id: String,
    /// Of which shipment.
    pub shipment_id: String,
    /// Which version of it.
    pub version: u64,
    /// How often it was posted.
    pub attempts: u32,
    /// The last answer's status; none = no answer.
    pub last_status: Option<u16>,
    /// What became of it.
    pub state: NewsState,
}

/// What became of a piece of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsState {
    /// To be sent, or to be sent again.
    Waiting,
    /// Taken by its receiver.
    Delivered,
    /// Never sent.
    Lost,
}

#[derive(Debug, Clone)]
struct Outgoing {
    record: usize,
    body: String,
    pause: Duration,
    due: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    target: Option<NewsTarget>,
    faults: NewsFaults,
    records: VecDeque<NewsRecord>,
    /// Records that made room: the index of the first one kept.
    gone: usize,
    waiting: VecDeque<Outgoing>,
    held: Vec<Outgoing>,
}

/// Sends news; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct NewsDesk {
    inner: Arc<Mutex<Inner>>,
    wake: Arc<Notify>,
    clock: Clock,
}

impl NewsDesk {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            inner: Arc::default(),
            wake: Arc::new(Notify::new()),
            clock,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send_to(&self, target: Option<NewsTarget>) {
        self.inner().target = target;
        self.wake.notify_one();
    }

    pub(super) fn retarget(&self, url: Option<String>, secret: Option<String>) {
        if let Some(target) = &mut self.inner().target {
            target.url = url.unwrap_or_else(|| target.url.clone());
            target.secret = secret.unwrap_or_else(|| target.secret.clone());
        }
        self.wake.notify_one();
    }

    pub(super) fn fail(&self, faults: NewsFaults) {
        self.inner().faults = faults;
    }

    pub(super) fn faults(&self) -> NewsFaults {
        self.inner().faults
    }

    pub(super) fn records(&self) -> Vec<NewsRecord> {
        self.inner().records.iter().cloned().collect()
    }

    /// A shipment has changed.
    pub(super) fn tell(&self, shipment: &Shipment) {
        let mut inner = self.inner();
        let lost = inner.faults.lose > 0;
        inner.faults.lose = inner.faults.lose.saturating_sub(1);
        for _copy in 0..=inner.faults.duplicate {
            inner.add(shipment, lost);
        }
        drop(inner);
        self.wake.notify_one();
    }

    pub(super) fn release(&self, how: Release) {
        let mut inner = self.inner();
        inner.faults.hold = false;
        let mut held = std::mem::take(&mut inner.held);
        if how == Release::Reversed {
            held.reverse();
        }
        inner.waiting.extend(held);
        drop(inner);
        self.wake.notify_one();
    }

    /// Sends what is due until stopped.
    pub(super) async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        while !stop.is_cancelled() {
            let (next, pause) = self.next();
            let Some((outgoing, target)) = next else {
                let pause = tokio::time::sleep(pause);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.wake.notified() => {}
                    () = pause => {}
                }
                continue;
            };
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let desk = self.clone();
            tokio::spawn(async move {
                desk.post(outgoing, &target).await;
                drop(slot);
            });
        }
    }

    /// What is due, or how long nothing is.
    fn next(&self) -> (Option<(Outgoing, NewsTarget)>, Duration) {
        let mut inner = self.inner();
        let now = Instant::now();
        let Some(target) = inner.target.clone() else {
            return (None, LONGEST_PAUSE);
        };
        if let Some(due) = inner.waiting.iter().position(|waiting| waiting.due <= now) {
            let outgoing = inner.waiting.remove(due);
            return (outgoing.map(|outgoing| (outgoing, target)), Duration::ZERO);
        }
        let soonest = inner.waiting.iter().map(|waiting| waiting.due).min();
        let pause = soonest.map_or(LONGEST_PAUSE, |due| due.duration_since(now));
        (None, pause.min(LONGEST_PAUSE))
    }

    async fn post(&self, outgoing: Outgoing, target: &NewsTarget) {
        let at = self.clock.now();
        let signature = signature(&target.secret, at, outgoing.body.as_bytes());
        let request = target
            .http
            .post(&target.url)
            .timeout(PATIENCE)
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, signature)
            .body(outgoing.body.clone());
        let status = request
            .send()
            .await
            .ok()
            .map(|answer| answer.status().as_u16());
        let taken = status.is_some_and(|status| (200..300).contains(&status));
        let mut inner = self.inner();
        if let Some(record) = inner.record(outgoing.record) {
            record.attempts = record.attempts.saturating_add(1);
            record.last_status = status;
            if taken {
                record.state = NewsState::Delivered;
            }
        }
        if !taken {
            inner.waiting.push_back(Outgoing {
                due: Instant::now() + outgoing.pause,
                pause: outgoing.pause.saturating_mul(2).min(LONGEST_PAUSE),
                ..outgoing
            });
        }
        drop(inner);
        self.wake.notify_one();
    }
}

impl Inner {
    fn record(&mut self, number: usize) -> Option<&mut NewsRecord> {
        self.records.get_mut(number.checked_sub(self.gone)?)
    }

    fn add(&mut self, shipment: &Shipment, lost: bool) {
        if self.records.len() >= MOST {
            self.records.pop_front();
            self.gone = self.gone.saturating_add(1);
        }
        let number = self.gone.saturating_add(self.records.len());
        let delivery_id = format!("WN-{:08}", number.saturating_add(1));
        let nobody = self.target.is_none();
        let state = if lost || nobody || self.waiting.len() >= MOST {
            NewsState::Lost
        } else {
            NewsState::Waiting
        };
        let body =
            json!({"deliveryId": delivery_id, "event": "shipment.changed", "shipment": shipment});
        self.records.push_back(NewsRecord {
            delivery_id,
            shipment_id: shipment.shipment_id.clone(),
            version: shipment.version,
            attempts: 0,
            last_status: None,
            state,
        });
        if state == NewsState::Lost {
            return;
        }
        let outgoing = Outgoing {
            record: number,
            body: body.to_string(),
            pause: FIRST_PAUSE,
            due: Instant::now() + self.faults.delay,
        };
        if self.faults.hold {
            self.held.push(outgoing);
        } else {
            self.waiting.push_back(outgoing);
        }
    }
}

/// The header's value.
pub fn signature(secret: &str, at: Timestamp, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{}.", at.as_second()).as_bytes());
    context.update(body);
    let tag: String = context
        .sign()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={},v1={tag}", at.as_second())
}
