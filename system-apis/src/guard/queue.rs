//! Who waits for a slot of a budget: by lane, then by arrival, each woken by itself. It takes time as an argument.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{lane::Lane, pace::Pace};

/// A timer fires up to this much late without the lost time being lost for the next slot.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) woken: Arc<Notify>,
    pub(super) since: Instant,
}

/// What one that waits does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It has its slot.
    Go,
    /// It looks again then, or when it is woken.
    At(Instant),
    /// It looks again when it is woken.
    Wait,
}

/// The gate through which all calls to a backend go.
#[derive(Debug)]
pub(super) struct Gate {
    /// How far apart slots are.
    pub(super) pace: Pace,
    /// Until when the backend wants to be left alone.
    pub(super) paused_until: Option<Instant>,
    /// Calls under way.
    pub(super) in_flight: u32,
    places: u32,
    reserved: u32,
    next: Instant,
    queue: BTreeMap<Lane, BTreeMap<u64, Waiter>>,
    arrivals: u64,
    granted: VecDeque<Instant>,
}

impl Gate {
    /// Nobody waits. `reserved` of the `places` in flight are for orders alone.
    pub(super) fn new(pace: Pace, places: u32, reserved: u32, now: Instant) -> Self {
        Self {
            pace,
            paused_until: None,
            in_flight: 0,
            places,
            reserved: reserved.min(places.saturating_sub(1)),
            next: now,
            queue: BTreeMap::new(),
            arrivals: 0,
            granted: VecDeque::new(),
        }
    }

    /// How many wait in a lane.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.queue.get(&lane).map_or(0, BTreeMap::len)
    }

    /// Since when the first in a lane has waited.
    pub(super) fn oldest(&self, lane: Lane) -> Option<Instant> {
        let waiting = self.queue.get(&lane)?.values();
        waiting.map(|waiter| waiter.since).min()
    }

    /// Places in flight that are for orders alone.
    pub(super) fn reserved(&self) -> u32 {
        self.reserved
    }

    /// A new one waits; its number is its place among those of its lane.
    pub(super) fn enter(&mut self, lane: Lane, now: Instant) -> (u64, Arc<Notify>) {
        let (number, woken) = (self.arrivals, Arc::new(Notify::new()));
        self.arrivals += 1;
        let waiter = Waiter {
            woken: Arc::clone(&woken),
            since: now,
        };
        self.queue.entry(lane).or_default().insert(number, waiter);
        (number, woken)
    }

    /// Waits in another lane from now on, by its old number.
    pub(super) fn change(&mut self, from: Lane, to: Lane, number: u64) {
        let waiter = self.queue.get_mut(&from).and_then(|of| of.remove(&number));
        if let Some(waiter) = waiter {
            self.queue.entry(to).or_default().insert(number, waiter);
        }
    }

    /// Does not wait any more.
    pub(super) fn leave(&mut self, lane: Lane, number: u64) {
        if let Some(waiting) = self.queue.get_mut(&lane) {
            waiting.remove(&number);
        }
    }

    /// The most urgent for whom there is a place in flight.
    fn first(&self) -> Option<(Lane, u64, &Waiter)> {
        self.queue.iter().find_map(|(lane, waiting)| {
            let places = match lane {
                Lane::Order => self.places,
                Lane::Checkout | Lane::Browse | Lane::Bulk => self.places - self.reserved,
            };
            let (number, waiter) = waiting.first_key_value()?;
            (self.in_flight < places).then_some((*lane, *number, waiter))
        })
    }

    /// Has whoever is first look again.
    pub(super) fn wake_first(&self) {
        if let Some((_, _, waiter)) = self.first() {
            waiter.woken.notify_one();
        }
    }

    /// Gives the slot to this one if it is its turn. Who gets it is in flight, and does not wait any more.
    pub(super) fn step(&mut self, lane: Lane, number: u64, now: Instant) -> Step {
        let first = self.first().map(|(lane, number, _)| (lane, number));
        if first != Some((lane, number)) {
            return Step::Wait;
        }
        let Some(spacing) = self.pace.spacing(now) else {
            return Step::Wait;
        };
        let at = self
            .paused_until
            .map_or(self.next, |until| until.max(self.next));
        if at > now {
            return Step::At(at);
        }
        self.leave(lane, number);
        self.in_flight += 1;
        let slack = now.checked_sub(TIMER_SLACK).unwrap_or(now);
        self.next = at.max(slack) + spacing;
        self.granted.push_back(now);
        self.forget(now);
        self.wake_first();
        Step::Go
    }

    /// Calls begun within the last second.
    pub(super) fn last_second(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.granted.len()
    }

    fn forget(&mut self, now: Instant) {
        let over = |at: &Instant| now.duration_since(*at) >= Duration::from_secs(1);
        while self.granted.front().is_some_and(over) {
            self.granted.pop_front();
        }
    }
}
