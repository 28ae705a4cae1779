//! One round of sending for one subscription: what is begun when, and what follows from what came of it. Pure.
//!
//! News are begun in the order of the log, several at once, of one order one at a time. An event that fails waits by
//! itself, and later ones of its order behind it; all others go on. Where the events of several orders fail and none
//! succeeds, it is the receiver that fails: then nothing more is taken from the log, and one event at a time is tried,
//! in turn the next of the log and one that waits, until one succeeds. A receiver that answers may only refuse what is
//! tried: after some trials what it refuses waits by itself again, a few events a trial, so that others get their turn.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use canonical_model::{
    public_event::PublicEvent,
    subscription::{DeliveryFailure, DisabledReason, FailureCause},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::schedule;
use crate::store::{
    DeliveryDetail, DeliveryRow, DeliveryState, LeasedSubscription, SubscriptionHealth,
    SubscriptionRound,
};

/// So many orders failing, and none succeeding, are the receiver failing.
pub(super) const OPEN: u32 = 5;
/// After so many trials more, what a receiver refuses by an answer waits by itself again.
const TRIALS: u32 = 3;
/// What cannot be told by this release is looked at again after this.
const NOT_READABLE: SignedDuration = SignedDuration::from_mins(5);

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Of one lane, one is sent at a time: an order, or an event that is replayed by itself.
    pub(super) lane: Uuid,
    /// The event, or that it cannot be told yet.
    pub(super) event: Told,
    place: Place,
}

/// An event of the log.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// What is told.
    Event(Box<PublicEvent>),
    /// It cannot be told yet: what is known of it.
    NotYet(Box<DeliveryRow>),
}

/// What the log has of a dead letter that somebody wants sent again.
#[derive(Debug, Clone)]
pub(super) enum Replayed {
    /// It can be told.
    Event(Box<PublicEvent>),
    /// This release cannot tell it.
    NotYet,
    /// It is not there any more.
    Gone,
}

#[derive(Debug, Clone)]
enum Place {
    News,
    /// Of an order that waits, with what comes after it up to the cursor.
    Waiting {
        then: Option<Box<DeliveryRow>>,
    },
    Replay(Box<DeliveryRow>),
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this.
    Send(Box<Item>, Box<PublicEvent>),
    /// Something must come back first.
    Wait,
    /// Nothing more is begun in this round.
    Done,
}

/// The bounds of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Lanes at once.
    pub(super) parallel: usize,
    /// Orders that may wait.
    pub(super) most_waiting: usize,
    /// For how long something is tried.
    pub(super) retry_for: SignedDuration,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// What went wrong.
    pub(super) failure: DeliveryFailure,
    /// How long the receiver asked to be left alone.
    pub(super) leave_alone: Option<SignedDuration>,
    /// The receiver wants nothing any more.
    pub(super) gone: bool,
}

/// A round of sending.
#[derive(Debug)]
pub(super) struct Round {
    leased: LeasedSubscription,
    bounds: Bounds,
    queue: VecDeque<Item>,
    waiting: HashMap<Uuid, DeliveryRow>,
    blocked: HashSet<Uuid>,
    busy: HashSet<Uuid>,
    changed: BTreeMap<u64, Option<DeliveryRow>>,
    position: u64,
    hold: Option<u64>,
    end: u64,
    health: SubscriptionHealth,
    paused_until: Option<Timestamp>,
    probing: bool,
    /// Of a failing receiver: how many events may still be tried, and how many were set aside.
    trials: u32,
    set_aside: u32,
    stopped: bool,
    recovered: bool,
}

/// An event as it waits, not tried yet.
pub(super) fn row(event: &PublicEvent, due_at: Timestamp) -> DeliveryRow {
    DeliveryRow {
        position: event.position,
        event_id: event.id,
        subject: event.data.order_id.0,
        state: DeliveryState::Waiting,
        due_at: Some(due_at),
        dead_since: None,
        detail: DeliveryDetail {
            event_type: event.event_type.clone(),
            sequence: event.sequence,
            attempts: 0,
            first_failed_at: None,
            last_failure: None,
        },
    }
}

/// What waits because it cannot be told yet.
fn not_readable(row: DeliveryRow, now: Timestamp) -> DeliveryRow {
    let failure = DeliveryFailure {
        at: now,
        cause: FailureCause::NotReadable,
        status: None,
    };
    DeliveryRow {
        due_at: Some(now.saturating_add(NOT_READABLE).unwrap_or(now)),
        detail: DeliveryDetail {
            last_failure: Some(failure),
            ..row.detail
        },
        ..row
    }
}

impl Told {
    fn row(&self, now: Timestamp) -> DeliveryRow {
        match self {
            Self::Event(event) => row(event, now),
            Self::NotYet(row) => DeliveryRow::clone(row),
        }
    }
}

impl Round {
    /// A round over what waits at all. What is sent is added by the functions below.
    pub(super) fn new(
        leased: LeasedSubscription,
        waiting: Vec<DeliveryRow>,
        bounds: Bounds,
    ) -> Self {
        let row = &leased.row;
        Self {
            bounds,
            queue: VecDeque::new(),
            waiting: waiting.into_iter().map(|row| (row.subject, row)).collect(),
            blocked: HashSet::new(),
            busy: HashSet::new(),
            changed: BTreeMap::new(),
            position: row.position,
            hold: None,
            end: row.position,
            health: row.health.clone(),
            paused_until: None,
            probing: row.health.failures >= OPEN,
            trials: 1,
            set_aside: 0,
            stopped: false,
            recovered: false,
            leased,
        }
    }

    /// Whether the receiver failed for all orders when the round began.
    pub(super) fn is_probing(&self) -> bool {
        self.probing
    }

    /// Whether, while it fails, the next of the log is tried first.
    pub(super) fn tries_next(&self) -> bool {
        self.probing && self.health.try_next
    }

    /// The orders to be tried: those that are due, longest due first; of a failing receiver the one due first.
    pub(super) fn due(&self, now: Timestamp, most: usize) -> Vec<DeliveryRow> {
        let due = |row: &&DeliveryRow| self.probing || row.due_at.is_none_or(|due| due <= now);
        let mut rows: Vec<_> = self.waiting.values().filter(due).cloned().collect();
        rows.sort_by_key(|row| (row.due_at, row.position));
        rows.truncate(if self.probing { 1 } else { most });
        rows
    }

    /// Adds orders that wait, each with its events from the one that failed up to the cursor; `more` of each tells
    /// whether the last one given is only to be known, and not sent in this round.
    pub(super) fn add_waiting(&mut self, lanes: Vec<(Uuid, Vec<Told>, bool)>, now: Timestamp) {
        let mut lanes: Vec<(Uuid, VecDeque<Item>)> = lanes
            .into_iter()
            .map(|(lane, events, more)| (lane, self.lane(lane, events, more, now)))
            .collect();
        // One of each order in turn, so that a long one does not keep the others.
        while lanes.iter().any(|(_, items)| !items.is_empty()) {
            let next: Vec<_> = lanes
                .iter_mut()
                .filter_map(|(_, items)| items.pop_front())
                .collect();
            self.queue.extend(next);
        }
    }

    fn lane(
        &mut self,
        lane: Uuid,
        events: Vec<Told>,
        more: bool,
        now: Timestamp,
    ) -> VecDeque<Item> {
        if events.is_empty() {
            // Nothing of it is wanted any more.
            if let Some(row) = self.waiting.remove(&lane) {
                self.changed.insert(row.position, None);
            }
            return VecDeque::new();
        }
        // What it waited at may not be wanted any more: it waits at the first that is.
        let first = events.first().map(|one| one.row(now));
        let waits = self.waiting.get(&lane).map(|row| row.position);
        if let Some(first) = first.filter(|first| waits != Some(first.position)) {
            self.go_on(lane, Some(Box::new(first)));
        }
        let send = events.len().saturating_sub(usize::from(more));
        let following: Vec<_> = events.iter().skip(1).map(|one| one.row(now)).collect();
        let mut following = following.into_iter();
        let items = events.into_iter().map(|event| Item {
            lane,
            event,
            place: Place::Waiting {
                then: following.next().map(Box::new),
            },
        });
        items.take(send).collect()
    }

    /// Adds dead letters that somebody wants sent again.
    pub(super) fn add_replays(&mut self, replays: Vec<(DeliveryRow, Replayed)>, now: Timestamp) {
        for (row, replayed) in replays {
            let position = row.position;
            match replayed {
                Replayed::Event(event) => self.queue.push_back(Item {
                    lane: row.event_id,
                    event: Told::Event(event),
                    place: Place::Replay(Box::new(row)),
                }),
                Replayed::NotYet => {
                    let stays = DeliveryRow {
                        due_at: None,
                        ..not_readable(row, now)
                    };
                    self.changed.insert(position, Some(stays));
                }
                Replayed::Gone => drop(self.changed.insert(position, None)),
            }
        }
    }

    /// Adds news in the order of the log; all that is wanted up to `end`.
    pub(super) fn add_news(&mut self, news: Vec<Told>, end: u64, now: Timestamp) {
        let items = news.into_iter().map(|event| Item {
            lane: event.row(now).subject,
            event,
            place: Place::News,
        });
        if self.tries_next() {
            let mut first: VecDeque<_> = items.collect();
            first.append(&mut self.queue);
            self.queue = first;
        } else {
            self.queue.extend(items);
        }
        self.end = end;
    }

    /// Nothing more is begun: the time is over.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// What to do next.
    pub(super) fn next(&mut self, now: Timestamp) -> Step {
        loop {
            if self.stopped || (self.probing && self.trials == 0) {
                return Step::Done;
            }
            let Some(item) = self.queue.front() else {
                return Step::Done;
            };
            let lane = item.lane;
            if self.busy.contains(&lane) || self.busy.len() >= self.parallel() {
                return Step::Wait;
            }
            let skipped = match &item.place {
                Place::News => self.waiting.contains_key(&lane),
                Place::Waiting { .. } => self.blocked.contains(&lane),
                Place::Replay(_) => false,
            };
            let Some(item) = self.queue.pop_front() else {
                return Step::Done;
            };
            let is_news = matches!(item.place, Place::News);
            if is_news {
                self.position = item.event.row(now).position;
            }
            if skipped {
                continue;
            }
            match item.event.clone() {
                Told::Event(event) => {
                    self.busy.insert(lane);
                    self.trials = self.trials.saturating_sub(1);
                    return Step::Send(Box::new(item), event);
                }
                Told::NotYet(row) if is_news && self.is_full() => {
                    self.hold_before(row.position);
                    self.paused_until = self.paused_until.max(not_readable(*row, now).due_at);
                    self.stopped = true;
                }
                Told::NotYet(row) => self.put_aside(lane, not_readable(*row, now)),
            }
        }
    }

    /// After a failure one at a time, until one succeeds: a dead receiver is to have few orders waiting by themselves.
    fn parallel(&self) -> usize {
        if self.health.failures > 0 {
            1
        } else {
            self.bounds.parallel
        }
    }

    /// An order waits at an event.
    fn put_aside(&mut self, lane: Uuid, row: DeliveryRow) {
        let before = self.waiting.insert(lane, row.clone());
        if let Some(before) = before {
            self.changed.insert(before.position, None);
        }
        self.changed.insert(row.position, Some(row));
        self.blocked.insert(lane);
    }

    /// The receiver took it.
    pub(super) fn delivered(&mut self, item: Item, now: Timestamp) {
        self.busy.remove(&item.lane);
        match item.place {
            Place::News => {}
            Place::Waiting { then } => self.go_on(item.lane, then),
            Place::Replay(row) => drop(self.changed.insert(row.position, None)),
        }
        self.recovered |= self.probing || self.health.failures >= OPEN;
        self.health.failures = 0;
        self.health.failing_since = None;
        self.health.last_success_at = Some(now);
    }

    /// An order waits at its next event, or at none any more.
    fn go_on(&mut self, lane: Uuid, then: Option<Box<DeliveryRow>>) {
        if let Some(row) = self.waiting.remove(&lane) {
            self.changed.insert(row.position, None);
        }
        if let Some(next) = then {
            self.changed
                .insert(next.position, Some(DeliveryRow::clone(&next)));
            self.waiting.insert(lane, *next);
        }
    }

    /// The receiver did not take it.
    pub(super) fn failed(&mut self, item: Item, failed: Failed, now: Timestamp) {
        self.busy.remove(&item.lane);
        self.health.last_failure = Some(failed.failure.clone());
        self.health.failing_since.get_or_insert(now);
        if failed.gone {
            self.health.disabled_reason = Some(DisabledReason::Gone);
        }
        if let Some(pause) = failed.leave_alone {
            let until = now.saturating_add(schedule::asked(pause)).unwrap_or(now);
            self.paused_until = self.paused_until.max(Some(until));
            self.stopped = true;
        }
        let (lane, gone) = (item.lane, failed.gone);
        match item.place {
            Place::News => self.news_failed(lane, item.event.row(now), failed, now),
            Place::Waiting { then } => {
                if self.probing {
                    self.count();
                }
                self.waiting_failed(lane, then, failed, now);
            }
            Place::Replay(row) => {
                let again = DeliveryRow {
                    due_at: None,
                    detail: tried(row.detail.clone(), failed.failure, now),
                    ..*row
                };
                self.changed.insert(again.position, Some(again));
            }
        }
        self.stopped |= gone || (!self.probing && self.health.failures >= OPEN);
    }

    /// One order more fails, or once more all do.
    fn count(&mut self) {
        let more = self.health.failures.saturating_add(1);
        self.health.failures = if self.probing { more } else { more.min(OPEN) };
    }

    fn news_failed(&mut self, lane: Uuid, row: DeliveryRow, failed: Failed, now: Timestamp) {
        let full = self.is_full();
        let refused = self.is_refusal(&failed);
        self.count();
        if failed.gone || full || (self.probing && !refused) {
            self.hold_before(row.position);
            if full {
                self.health.failures = self.health.failures.max(OPEN);
            }
            return;
        }
        if self.probing {
            self.set_aside = self.set_aside.saturating_add(1);
            self.trials = u32::from(self.set_aside < OPEN);
        }
        let detail = tried(row.detail.clone(), failed.failure, now);
        let due = now
            .saturating_add(schedule::after(detail.attempts))
            .unwrap_or(now);
        let row = DeliveryRow {
            due_at: Some(due),
            detail,
            ..row
        };
        self.put_aside(lane, row);
    }

    /// Whether a failing receiver, tried some times, has answered and refused: it may take what follows.
    fn is_refusal(&self, failed: &Failed) -> bool {
        self.health.failures >= OPEN.saturating_add(TRIALS)
            && failed.failure.cause == FailureCause::Answer
            && failed.leave_alone.is_none()
    }

    /// As many orders wait as may.
    fn is_full(&self) -> bool {
        self.waiting.len() >= self.bounds.most_waiting
    }

    /// An event stays in the log, with all that follows it.
    fn hold_before(&mut self, position: u64) {
        let before = position.saturating_sub(1);
        self.hold = Some(self.hold.map_or(before, |hold| hold.min(before)));
    }

    fn waiting_failed(
        &mut self,
        lane: Uuid,
        then: Option<Box<DeliveryRow>>,
        failed: Failed,
        now: Timestamp,
    ) {
        self.blocked.insert(lane);
        let Some(row) = self.waiting.get(&lane).cloned() else {
            return;
        };
        let detail = tried(row.detail.clone(), failed.failure, now);
        let since = detail.first_failed_at.unwrap_or(now);
        let last = since
            .saturating_add(self.bounds.retry_for)
            .unwrap_or(Timestamp::MAX);
        if now >= last && !self.is_hopeless(now) && !failed.gone {
            self.go_on(lane, then);
            let dead = DeliveryRow {
                state: DeliveryState::Dead,
                due_at: None,
                dead_since: Some(now),
                detail,
                ..row
            };
            self.changed.insert(dead.position, Some(dead));
            return;
        }
        let due = now
            .saturating_add(schedule::after(detail.attempts))
            .unwrap_or(now)
            .min(last.max(now));
        let row = DeliveryRow {
            due_at: Some(due),
            detail,
            ..row
        };
        self.put_aside(lane, row);
    }

    /// Nothing but failures of more than one order, for as long as is tried.
    fn is_hopeless(&self, now: Timestamp) -> bool {
        let since = self.health.failing_since.unwrap_or(now);
        self.health.failures > 1 && now.duration_since(since) >= self.bounds.retry_for
    }

    /// Whether anything was sent or passed over: if not, there is no use in looking again at once.
    pub(super) fn has_moved(&self) -> bool {
        self.health != self.leased.row.health || self.end > self.leased.row.position
    }

    /// What the round came to. All that was begun has come back.
    pub(super) fn finish(mut self, now: Timestamp) -> SubscriptionRound {
        let all = self.queue.is_empty() && !self.stopped;
        let reached = if all {
            self.end.max(self.position)
        } else {
            self.position
        };
        let position = self.hold.map_or(reached, |hold| hold.min(reached));
        if self.is_hopeless(now) && self.health.disabled_reason.is_none() {
            self.health.disabled_reason = Some(DisabledReason::Failing);
        }
        if self.health.failures >= OPEN {
            let step = self.health.failures.saturating_sub(OPEN).saturating_add(1);
            let until = now.saturating_add(schedule::after_all(step)).unwrap_or(now);
            self.paused_until = self.paused_until.max(Some(until));
        }
        if self.probing {
            self.health.try_next = self.set_aside > 0 || !self.health.try_next;
        }
        let works_again = self.recovered && self.health.failures == 0;
        let (mut over, mut put) = (Vec::new(), Vec::new());
        for (position, row) in self.changed {
            match row {
                Some(row) => put.push(row),
                None => over.push(position),
            }
        }
        SubscriptionRound {
            id: self.leased.row.id,
            lease: self.leased.lease,
            version: self.leased.row.version,
            position,
            over,
            put,
            health: self.health,
            paused_until: self.paused_until,
            wake: works_again.then_some(now),
        }
    }
}

/// One attempt more.
fn tried(detail: DeliveryDetail, failure: DeliveryFailure, now: Timestamp) -> DeliveryDetail {
    DeliveryDetail {
        attempts: detail.attempts.saturating_add(1),
        first_failed_at: Some(detail.first_failed_at.unwrap_or(now)),
        last_failure: Some(failure),
        ..detail
    }
}

#[cfg(test)]
#[path = "round_tests.rs"]
mod tests;
