//! One call for the many who miss the same key at the same time. The call belongs to none of them: a caller that goes
//! away takes nothing with it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// A call under way for a set of keys, and what comes of it.
#[derive(Debug)]
pub(super) struct Flight<T> {
    id: u64,
    /// The oldest facts that it may take from the cache at its departure.
    limit: Duration,
    begun: OnceLock<Instant>,
    outcome: watch::Receiver<Option<T>>,
}

impl<T: Clone> Flight<T> {
    /// Waits for the outcome; nothing if the call ended without one.
    pub(super) async fn outcome(&self) -> Option<T> {
        let mut outcome = self.outcome.clone();
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// The backend call starts now: who asks for younger facts than this does not join any more.
    pub(super) fn begin(&self, at: Instant) {
        self.begun.get_or_init(|| at);
    }

    fn serves(&self, limit: Duration) -> bool {
        self.limit <= limit && self.begun.get().is_none_or(|at| at.elapsed() < limit)
    }
}

/// The calls under way.
#[derive(Debug)]
pub(super) struct Flights<K: Hash + Eq, T> {
    open: Mutex<HashMap<K, Arc<Flight<T>>>>,
    next_id: AtomicU64,
}

/// A flight that this caller has to make.
pub(super) struct Lead<K: Hash + Eq, T> {
    pub(super) flight: Arc<Flight<T>>,
    pub(super) keys: Vec<K>,
    sender: watch::Sender<Option<T>>,
    flights: Arc<Flights<K, T>>,
}

/// Flights to wait for, and those to make.
pub(super) struct Joined<K: Hash + Eq, T> {
    pub(super) waiting: Vec<(Arc<Flight<T>>, Vec<K>)>,
    pub(super) leads: Vec<Lead<K, T>>,
}

impl<K: Hash + Eq + Clone, T> Flights<K, T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(HashMap::new()),
            next_id: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<T>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the calls under way for these keys if their facts will be younger than `limit`; the other keys become
    /// calls of at most `most` keys each.
    pub(super) fn join(self: &Arc<Self>, keys: Vec<K>, limit: Duration, most: usize) -> Joined<K, T>
    where
        T: Clone,
    {
        let mut open = self.lock();
        let mut waiting: Vec<(Arc<Flight<T>>, Vec<K>)> = Vec::new();
        let mut unserved = Vec::new();
        for key in keys {
            match open.get(&key).filter(|flight| flight.serves(limit)) {
                Some(flight) => match waiting.iter_mut().find(|(known, _)| known.id == flight.id) {
                    Some((_, keys)) => keys.push(key),
                    None => waiting.push((Arc::clone(flight), vec![key])),
                },
                None => unserved.push(key),
            }
        }
        let leads = unserved
            .chunks(most.max(1))
            .map(|keys| self.lead(&mut open, keys.to_vec(), limit))
            .collect();
        Joined { waiting, leads }
    }

    fn lead(
        self: &Arc<Self>,
        open: &mut HashMap<K, Arc<Flight<T>>>,
        keys: Vec<K>,
        limit: Duration,
    ) -> Lead<K, T> {
        let (sender, outcome) = watch::channel(None);
        let flight = Arc::new(Flight {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            limit,
            begun: OnceLock::new(),
            outcome,
        });
        for key in &keys {
            open.insert(key.clone(), Arc::clone(&flight));
        }
        Lead {
            flight,
            keys,
            sender,
            flights: Arc::clone(self),
        }
    }
}

impl<K: Hash + Eq, T> Lead<K, T> {
    /// Tells those who wait. What was stored must be stored before.
    pub(super) fn land(self, outcome: T) {
        self.sender.send_replace(Some(outcome));
    }
}

impl<K: Hash + Eq, T> Drop for Lead<K, T> {
    fn drop(&mut self) {
        let mut open = self
            .flights
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            // A later flight may have taken the key over.
            if open
                .get(key)
                .is_some_and(|flight| flight.id == self.flight.id)
            {
                open.remove(key);
            }
        }
    }
}
