//! Who waits for a slot of a budget: by lane; within a lane operations take turns; of one operation by arrival, but behind those
//! that have begun and need a further call. Each is woken by itself. It takes time as an argument.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{lane::Lane, pace::Pace};

/// Of so many slots that check-outs want one goes to who looks around, where such a one waits.
const ONE_FOR_BROWSING: u32 = 4;
/// A timer fires up to this much late without the lost time being lost for the next slot.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Whose slot it is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant {
    /// The operation, which has its turn among the others of its lane.
    pub(super) operation: &'static str,
    /// Whether it has begun, and this is a further call: what was asked for before is not to be in vain.
    pub(super) has_begun: bool,
}

/// Where one waits among those of its lane and operation: those that have begun first, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    begins: bool,
    number: u64,
    operation: &'static str,
}

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
    in_flight: u32,
    /// Those of them for who looks around.
    browsing: u32,
    /// Which slot, counted from 1, an operation had last in a lane.
    served: HashMap<(Lane, &'static str), u64>,
    slots: u64,
    /// Slots of check-outs, one after the other, while somebody waited who looks around.
    check_outs: u32,
    places: u32,
    reserved: u32,
    next: Instant,
    queue: BTreeMap<Lane, BTreeMap<&'static str, BTreeMap<Place, Waiter>>>,
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
            browsing: 0,
            served: HashMap::new(),
            slots: 0,
            check_outs: 0,
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
        let operations = self.queue.get(&lane).into_iter().flat_map(BTreeMap::values);
        operations.map(BTreeMap::len).sum()
    }

    /// Since when the first in a lane has waited.
    pub(super) fn oldest(&self, lane: Lane) -> Option<Instant> {
        let operations = self.queue.get(&lane)?.values();
        let waiting = operations.flat_map(BTreeMap::values);
        waiting.map(|waiter| waiter.since).min()
    }

    /// Calls under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// A call of this lane is over.
    pub(super) fn end(&mut self, lane: Lane) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if lane == Lane::Browse {
            self.browsing = self.browsing.saturating_sub(1);
        }
    }

    /// Places in flight that are for orders alone.
    pub(super) fn reserved(&self) -> u32 {
        self.reserved
    }

    /// A new one waits.
    pub(super) fn enter(
        &mut self,
        lane: Lane,
        claimant: Claimant,
        now: Instant,
    ) -> (Place, Arc<Notify>) {
        let woken = Arc::new(Notify::new());
        let place = Place {
            begins: !claimant.has_begun,
            number: self.arrivals,
            operation: claimant.operation,
        };
        self.arrivals += 1;
        let waiter = Waiter {
            woken: Arc::clone(&woken),
            since: now,
        };
        self.stand(lane, place, waiter);
        (place, woken)
    }

    fn stand(&mut self, lane: Lane, place: Place, waiter: Waiter) {
        let operations = self.queue.entry(lane).or_default();
        let waiting = operations.entry(place.operation).or_default();
        waiting.insert(place, waiter);
    }

    /// Waits in another lane from now on, by its old place.
    pub(super) fn change(&mut self, from: Lane, to: Lane, place: Place) {
        if let Some(waiter) = self.leave(from, place) {
            self.stand(to, place, waiter);
        }
    }

    /// Does not wait any more.
    pub(super) fn leave(&mut self, lane: Lane, place: Place) -> Option<Waiter> {
        let operations = self.queue.get_mut(&lane)?;
        let waiting = operations.get_mut(place.operation)?;
        let left = waiting.remove(&place);
        if waiting.is_empty() {
            operations.remove(place.operation);
        }
        left
    }

    /// The first of a lane: of the operation whose last slot is the longest ago, so that one that asks for much holds back none
    /// of the others.
    fn first_of(&self, lane: Lane) -> Option<(Lane, Place, &Waiter)> {
        let firsts = self.queue.get(&lane)?.values();
        let firsts = firsts.filter_map(BTreeMap::first_key_value);
        let (place, waiter) = firsts.min_by_key(|(place, _)| {
            let last = self.served.get(&(lane, place.operation));
            (last.copied().unwrap_or_default(), **place)
        })?;
        Some((lane, *place, waiter))
    }

    /// The most urgent for whom there is a place in flight. Now and then check-outs give way to who looks around: buyers about
    /// to order must not keep a shop empty.
    fn first(&self) -> Option<(Lane, Place, &Waiter)> {
        if self.in_flight < self.places
            && let Some(order) = self.first_of(Lane::Order)
        {
            return Some(order);
        }
        let places = self.places - self.reserved;
        if self.in_flight >= places {
            return None;
        }
        let its_turn = self.check_outs >= ONE_FOR_BROWSING - 1;
        // Its calls may take long: then it has a quarter of the places, and not all of them in the end.
        let lanes = if its_turn && self.browsing < (places / ONE_FOR_BROWSING).max(1) {
            [Lane::Browse, Lane::Checkout, Lane::Bulk]
        } else {
            [Lane::Checkout, Lane::Browse, Lane::Bulk]
        };
        lanes.into_iter().find_map(|lane| self.first_of(lane))
    }

    /// Has whoever is first look again.
    pub(super) fn wake_first(&self) {
        if let Some((_, _, waiter)) = self.first() {
            waiter.woken.notify_one();
        }
    }

    /// Gives the slot to this one if it is its turn. Who gets it is in flight, and does not wait any more.
    pub(super) fn step(&mut self, lane: Lane, place: Place, now: Instant) -> Step {
        let first = self.first().map(|(lane, place, _)| (lane, place));
        if first != Some((lane, place)) {
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
        self.leave(lane, place);
        self.in_flight += 1;
        if lane == Lane::Browse {
            self.browsing += 1;
        }
        self.slots += 1;
        self.served.insert((lane, place.operation), self.slots);
        self.check_outs = match lane {
            Lane::Checkout if self.waiting(Lane::Browse) > 0 => self.check_outs.saturating_add(1),
            Lane::Order => self.check_outs,
            Lane::Checkout | Lane::Browse | Lane::Bulk => 0,
        };
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
