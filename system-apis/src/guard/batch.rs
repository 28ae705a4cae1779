//! Who waits for which key: the many who want the same one wait for one call, and the keys of one scope gather until a
//! call of theirs has its slot. Then it takes those that are wanted most urgently, and by the most.
//!
//! A call belongs to none of those who wait for it: a caller that goes away takes nothing with it.

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::lane::{Lane, Ride};

/// What all who want one key wait on.
#[derive(Debug)]
pub(super) struct Seat<T> {
    /// When the backend call started that it is in.
    begun: OnceLock<Instant>,
    outcome: watch::Receiver<Option<T>>,
}

impl<T: Clone> Seat<T> {
    /// Waits for the outcome; nothing if the call ended without one.
    pub(super) async fn outcome(&self) -> Option<T> {
        let mut outcome = self.outcome.clone();
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// A key that no call has taken yet.
#[derive(Debug)]
struct Waiting<T> {
    seat: Arc<Seat<T>>,
    sender: watch::Sender<Option<T>>,
    /// The oldest fact that all who wait take.
    limit: Duration,
    /// The most urgent of them.
    lane: Lane,
    /// How many they are.
    demand: u32,
    since: Instant,
    /// Its place among those of its scope.
    number: u64,
}

/// What is going on for one scope.
#[derive(Debug)]
struct Gathering<K, T> {
    /// By key: waiting, or under way.
    seats: HashMap<K, Arc<Seat<T>>>,
    waiting: HashMap<K, Waiting<T>>,
    /// Calls that have no slot yet, the most urgent first.
    rides: Vec<Arc<Ride>>,
    arrivals: u64,
}

impl<K, T> Default for Gathering<K, T> {
    fn default() -> Self {
        Self {
            seats: HashMap::new(),
            waiting: HashMap::new(),
            rides: Vec::new(),
            arrivals: 0,
        }
    }
}

/// All that is going on for one operation.
#[derive(Debug)]
pub(super) struct Gatherings<S, K, T> {
    scopes: Mutex<HashMap<S, Gathering<K, T>>>,
    /// Keys that one call takes at most.
    most: usize,
}

/// Seats to wait on, and which of them are new.
pub(super) struct Joined<K, T> {
    pub(super) seats: Vec<(K, Arc<Seat<T>>)>,
    pub(super) new: Vec<K>,
}

/// A key that a call has taken, and how those who wait for it are told.
type Taken<K, T> = (K, Arc<Seat<T>>, watch::Sender<Option<T>>);

/// The keys that a call has taken. Dropped without an outcome, those who wait get none.
#[derive(Debug)]
pub(super) struct Boarding<S: Hash + Eq, K: Hash + Eq, T> {
    gatherings: Arc<Gatherings<S, K, T>>,
    scope: S,
    taken: Vec<Taken<K, T>>,
}

/// Why a call took no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranded {
    /// It came to no slot since then: who came later is given more time.
    TooLate {
        /// When it began to wait.
        since: Instant,
    },
    /// It was refused.
    Refused,
}

impl<S, K, T> Gatherings<S, K, T>
where
    S: Hash + Eq + Clone,
    K: Hash + Eq + Clone,
{
    /// Nobody waits; a call takes at most so many keys.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            scopes: Mutex::new(HashMap::new()),
            most: most.max(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<S, Gathering<K, T>>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys that no call has taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.lock().values().map(|of| of.waiting.len()).sum()
    }

    /// Waits for these keys. A call under way serves if its facts will be younger than `limit`.
    pub(super) fn join(
        &self,
        scope: &S,
        keys: Vec<K>,
        limit: Duration,
        lane: Lane,
    ) -> Joined<K, T> {
        let now = Instant::now();
        let mut scopes = self.lock();
        let gathering = scopes.entry(scope.clone()).or_default();
        let mut joined = Joined {
            seats: Vec::with_capacity(keys.len()),
            new: Vec::new(),
        };
        for key in keys {
            if let Some(waiting) = gathering.waiting.get_mut(&key) {
                waiting.demand = waiting.demand.saturating_add(1);
                waiting.limit = waiting.limit.min(limit);
                waiting.lane = waiting.lane.min(lane);
                joined.seats.push((key, Arc::clone(&waiting.seat)));
                continue;
            }
            let under_way = gathering.seats.get(&key);
            let young = |seat: &&Arc<Seat<T>>| {
                let begun = seat.begun.get();
                begun.is_some_and(|at| now.duration_since(*at) < limit)
            };
            let seat = match under_way.filter(young) {
                Some(seat) => Arc::clone(seat),
                None => {
                    joined.new.push(key.clone());
                    gathering.seat(key.clone(), limit, lane, now)
                }
            };
            joined.seats.push((key, seat));
        }
        gathering.lift(self.most);
        if gathering.is_over() {
            scopes.remove(scope);
        }
        joined
    }

    /// The calls that are still needed for all that waits; who gets them makes them.
    pub(super) fn claim(&self, scope: &S) -> Vec<Arc<Ride>> {
        let mut scopes = self.lock();
        let Some(gathering) = scopes.get_mut(scope) else {
            return Vec::new();
        };
        let needed = gathering.waiting.len().div_ceil(self.most);
        let mut claimed = Vec::new();
        while gathering.rides.len() < needed {
            let ride = Arc::new(Ride::new(Lane::Bulk));
            gathering.rides.push(Arc::clone(&ride));
            claimed.push(ride);
        }
        gathering.lift(self.most);
        claimed
    }

    /// A fact was found for a key that waits: it is told if it is young enough for all who wait.
    pub(super) fn land_early(&self, scope: &S, key: &K, age: Duration, outcome: T) {
        let mut scopes = self.lock();
        let Some(gathering) = scopes.get_mut(scope) else {
            return;
        };
        let serves = gathering.waiting.get(key).is_some_and(|of| age < of.limit);
        if let Some(waiting) = serves.then(|| gathering.waiting.remove(key)).flatten() {
            gathering.seats.remove(key);
            waiting.sender.send_replace(Some(outcome));
        }
        if gathering.is_over() {
            scopes.remove(scope);
        }
    }

    /// A call has its slot: it takes what is wanted most urgently, then by most, then longest.
    pub(super) fn board(
        self: &Arc<Self>,
        scope: &S,
        ride: &Arc<Ride>,
        now: Instant,
    ) -> Boarding<S, K, T> {
        let mut scopes = self.lock();
        let gathering = scopes.entry(scope.clone()).or_default();
        gathering.forget(ride);
        let mut order = gathering.in_order();
        order.truncate(self.most);
        let taken = gathering.take(order);
        for (_, seat, _) in &taken {
            seat.begun.get_or_init(|| now);
        }
        ride.load(taken.len());
        Boarding {
            gatherings: Arc::clone(self),
            scope: scope.clone(),
            taken,
        }
    }

    /// A call ended without a slot: takes out the keys that nobody carries now.
    pub(super) fn strand(
        self: &Arc<Self>,
        scope: &S,
        ride: &Arc<Ride>,
        why: Stranded,
    ) -> Boarding<S, K, T> {
        let mut scopes = self.lock();
        let gathering = scopes.entry(scope.clone()).or_default();
        gathering.forget(ride);
        let mut order = gathering.in_order();
        match why {
            Stranded::TooLate { since } => {
                let waiting = &gathering.waiting;
                order.retain(|key| waiting.get(key).is_some_and(|of| of.since <= since));
            }
            Stranded::Refused => {
                let carried = gathering.rides.len().saturating_mul(self.most);
                order = order.split_off(carried.min(order.len()));
            }
        }
        Boarding {
            gatherings: Arc::clone(self),
            scope: scope.clone(),
            taken: gathering.take(order),
        }
    }

    /// Nobody joins a call that began before now for these keys.
    pub(super) fn part(&self, matches: impl Fn(&S, &K) -> bool) {
        for (scope, gathering) in self.lock().iter_mut() {
            let waiting = &gathering.waiting;
            gathering
                .seats
                .retain(|key, _| waiting.contains_key(key) || !matches(scope, key));
        }
    }
}

impl<K: Hash + Eq + Clone, T> Gathering<K, T> {
    fn seat(&mut self, key: K, limit: Duration, lane: Lane, now: Instant) -> Arc<Seat<T>> {
        let (sender, outcome) = watch::channel(None);
        let seat = Arc::new(Seat {
            begun: OnceLock::new(),
            outcome,
        });
        self.seats.insert(key.clone(), Arc::clone(&seat));
        let waiting = Waiting {
            seat: Arc::clone(&seat),
            sender,
            limit,
            lane,
            demand: 1,
            since: now,
            number: self.arrivals,
        };
        self.arrivals += 1;
        self.waiting.insert(key, waiting);
        seat
    }

    /// Nothing waits, nothing is under way and nothing is to be sent.
    fn is_over(&self) -> bool {
        self.seats.is_empty() && self.waiting.is_empty() && self.rides.is_empty()
    }

    fn forget(&mut self, ride: &Arc<Ride>) {
        self.rides.retain(|other| !Arc::ptr_eq(other, ride));
    }

    /// Each call waits in the lane of the most urgent key that it will take.
    fn lift(&self, most: usize) {
        let mut lanes = Lane::ALL.into_iter().map(|lane| {
            let in_lane = self.waiting.values().filter(|of| of.lane <= lane);
            (lane, in_lane.count())
        });
        let mut current = lanes.next();
        for (number, ride) in self.rides.iter().enumerate() {
            let first = number.saturating_mul(most);
            while current.is_some_and(|(_, up_to)| up_to <= first) {
                current = lanes.next();
            }
            let Some((lane, _)) = current else {
                return;
            };
            ride.lift(lane);
        }
    }

    /// All that waits, in the order in which calls take it.
    fn in_order(&self) -> Vec<K> {
        let mut order: Vec<(&K, &Waiting<T>)> = self.waiting.iter().collect();
        order.sort_by_key(|(_, of)| (of.lane, Reverse(of.demand), of.number));
        order.into_iter().map(|(key, _)| key.clone()).collect()
    }

    fn take(&mut self, keys: Vec<K>) -> Vec<Taken<K, T>> {
        keys.into_iter()
            .filter_map(|key| {
                let waiting = self.waiting.remove(&key)?;
                Some((key, waiting.seat, waiting.sender))
            })
            .collect()
    }
}

impl<S: Hash + Eq, K: Hash + Eq + Clone, T> Boarding<S, K, T> {
    /// The keys.
    pub(super) fn keys(&self) -> Vec<K> {
        self.taken.iter().map(|(key, _, _)| key.clone()).collect()
    }

    /// Whose keys they are.
    pub(super) fn scope(&self) -> &S {
        &self.scope
    }

    /// Tells those who wait. What is to be kept must be kept before.
    pub(super) fn land(self, outcome: impl Fn(&K) -> T) {
        for (key, _, sender) in &self.taken {
            sender.send_replace(Some(outcome(key)));
        }
    }
}

impl<S: Hash + Eq, K: Hash + Eq, T> Drop for Boarding<S, K, T> {
    fn drop(&mut self) {
        let mut scopes = self
            .gatherings
            .scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(gathering) = scopes.get_mut(&self.scope) else {
            return;
        };
        for (key, seat, _) in &self.taken {
            // A later call may have taken the key over.
            let still_this = gathering.seats.get(key);
            if still_this.is_some_and(|other| Arc::ptr_eq(other, seat)) {
                gathering.seats.remove(key);
            }
        }
        let over = gathering.seats.is_empty()
            && gathering.waiting.is_empty()
            && gathering.rides.is_empty();
        if over {
            scopes.remove(&self.scope);
        }
    }
}
