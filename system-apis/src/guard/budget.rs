//! The budget of one backend: how many calls a second and how many at a time, whatever callers do.
//!
//! Slots are spaced evenly rather than handed out in bursts, since two bursts whose network delays differ would meet at
//! the backend as one. Orders go before the rest: those others queue for a single place at the gate.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};
use utoipa::ToSchema;

use super::{lane::Lane, policy::BudgetPolicy};

/// Slots are this share of a second further apart than the budget says, so that jitter on the way does not make one
/// second at the backend hold more calls than the budget: 100 / 95.
const SPACING_PERCENT: u64 = 95;
/// A timer fires up to this much late without the lost time being lost for the next slot.
const TIMER_SLACK: Duration = Duration::from_millis(2);
/// A backend that asks for a pause gets at least this much …
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// … and, whatever it says, at most this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// What a backend gets that only says "too many".
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// The calls that one backend may be asked for.
#[derive(Debug)]
pub struct Budget {
    policy: BudgetPolicy,
    spacing: Duration,
    /// When the next slot is. Held while waiting for it.
    gate: Mutex<Instant>,
    /// Callers outside the order lane wait here for the one place they have at the gate.
    rest: Mutex<()>,
    in_flight: Arc<Semaphore>,
    waiting_orders: AtomicU32,
    waiting_rest: AtomicU32,
    record: StdMutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    paused_until: Option<Instant>,
    granted: VecDeque<Instant>,
}

/// Leave to make one call; the place in flight is free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    _in_flight: OwnedSemaphorePermit,
}

/// Why there is no slot. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// None came up before the deadline.
    TooLate,
    /// Too many wait already.
    QueueFull,
    /// The backend asked for a pause longer than the deadline.
    Paused {
        /// How long it still lasts.
        retry_after: Duration,
    },
}

/// How much of a budget is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BudgetStatus {
    /// Calls a second that are allowed.
    pub calls_per_second: u32,
    /// Calls begun within the last second.
    pub calls_last_second: u32,
    /// Calls at a time that are allowed.
    pub in_flight_limit: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls that wait for their slot.
    pub waiting: u32,
    /// How long the backend still wants to be left alone, in milliseconds; 0 = not at all.
    pub paused_ms: u64,
}

struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    /// An unused budget.
    pub fn new(policy: BudgetPolicy) -> Self {
        let rate = u64::from(policy.calls_per_second.get());
        let spacing = Duration::from_nanos(1_000_000_000 * 100 / (SPACING_PERCENT * rate));
        let in_flight = usize::try_from(policy.in_flight.get()).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            policy,
            spacing,
            gate: Mutex::new(Instant::now()),
            rest: Mutex::new(()),
            in_flight: Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS))),
            waiting_orders: AtomicU32::new(0),
            waiting_rest: AtomicU32::new(0),
            record: StdMutex::new(Record::default()),
        }
    }

    /// Waits for a slot, until the deadline at most.
    pub async fn slot(&self, lane: Lane, deadline: Instant) -> Result<Slot, Refused> {
        let now = Instant::now();
        if let Some(until) = self.paused_until()
            && until >= deadline
            && until > now
        {
            return Err(Refused::Paused {
                retry_after: until - now,
            });
        }
        // Counted apart: buyers who look around may fill their own queue, never that of the orders.
        let queue = match lane {
            Lane::Order => &self.waiting_orders,
            Lane::Checkout | Lane::Browse | Lane::Bulk => &self.waiting_rest,
        };
        let before = queue.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(queue);
        if before >= self.policy.waiting {
            return Err(Refused::QueueFull);
        }
        timeout_at(deadline, self.next_slot(lane))
            .await
            .unwrap_or(Err(Refused::TooLate))
    }

    async fn next_slot(&self, lane: Lane) -> Result<Slot, Refused> {
        let _place = match lane {
            Lane::Order => None,
            Lane::Checkout | Lane::Browse | Lane::Bulk => Some(self.rest.lock().await),
        };
        let mut next = self.gate.lock().await;
        let in_flight = Arc::clone(&self.in_flight)
            .acquire_owned()
            .await
            .map_err(|_closed| Refused::TooLate)?;
        let slot_at = loop {
            let at = self.paused_until().map_or(*next, |until| until.max(*next));
            if at <= Instant::now() {
                break at;
            }
            sleep_until(at).await;
        };
        let now = Instant::now();
        let slack = now.checked_sub(TIMER_SLACK).unwrap_or(now);
        *next = slot_at.max(slack) + self.spacing;
        self.note(now);
        Ok(Slot {
            _in_flight: in_flight,
        })
    }

    fn note(&self, now: Instant) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.granted.push_back(now);
        while record
            .granted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            record.granted.pop_front();
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .paused_until
    }

    /// The backend asked for fewer calls: none is begun for a while.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let pause = retry_after
            .unwrap_or(USUAL_PAUSE)
            .clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let until = Instant::now() + pause;
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.paused_until = Some(record.paused_until.map_or(until, |old| old.max(until)));
    }

    /// How much of it is in use.
    pub fn status(&self) -> BudgetStatus {
        let now = Instant::now();
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = record
            .granted
            .iter()
            .filter(|at| now.duration_since(**at) < Duration::from_secs(1))
            .count();
        let free = u32::try_from(self.in_flight.available_permits()).unwrap_or(u32::MAX);
        let paused = record
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        BudgetStatus {
            calls_per_second: self.policy.calls_per_second.get(),
            calls_last_second: u32::try_from(recent).unwrap_or(u32::MAX),
            in_flight_limit: self.policy.in_flight.get(),
            in_flight: self.policy.in_flight.get().saturating_sub(free),
            waiting: self
                .waiting_orders
                .load(Ordering::Relaxed)
                .saturating_add(self.waiting_rest.load(Ordering::Relaxed)),
            paused_ms: u64::try_from(paused.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use futures_util::future::join_all;

    use super::*;

    fn budget(calls_per_second: u32, in_flight: u32, waiting: u32) -> Arc<Budget> {
        Arc::new(Budget::new(BudgetPolicy {
            calls_per_second: NonZeroU32::new(calls_per_second).unwrap(),
            in_flight: NonZeroU32::new(in_flight).unwrap(),
            waiting,
        }))
    }

    fn soon(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    /// The most of `instants` in any window of one second, both ends counted.
    fn most_in_a_second(instants: &[Instant]) -> usize {
        instants
            .iter()
            .map(|start| {
                let end = *start + Duration::from_secs(1);
                instants
                    .iter()
                    .filter(|at| **at >= *start && **at <= end)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_budget_and_one_under_a_burst() {
        for rate in [1, 7, 50, 200] {
            let budget = budget(rate, 1_000, 10_000);
            let calls = join_all((0..rate * 3).map(|_| {
                let budget = Arc::clone(&budget);
                async move {
                    let _slot = budget.slot(Lane::Browse, soon(60)).await.unwrap();
                    Instant::now()
                }
            }))
            .await;
            let most = u32::try_from(most_in_a_second(&calls)).unwrap();
            assert!(most <= rate + 1, "{most} calls in a second at {rate}");
            let took = calls.iter().max().unwrap().duration_since(calls[0]);
            assert!(
                took < Duration::from_secs(4),
                "budget left unused: {took:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_in_flight_than_allowed() {
        let budget = budget(1_000, 2, 10);
        let first = budget.slot(Lane::Browse, soon(1)).await.unwrap();
        let _second = budget.slot(Lane::Browse, soon(1)).await.unwrap();
        assert_eq!(
            budget.slot(Lane::Browse, soon(1)).await.unwrap_err(),
            Refused::TooLate
        );
        assert_eq!(budget.status().in_flight, 2);
        drop(first);
        assert!(budget.slot(Lane::Browse, soon(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_waits_for_one_of_the_others_at_most() {
        let budget = budget(10, 100, 1_000);
        drop(budget.slot(Lane::Browse, soon(1)).await.unwrap());
        let served = Arc::new(StdMutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for lane in [Lane::Browse; 20].into_iter().chain([Lane::Order]) {
            let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
            tasks.push(tokio::spawn(async move {
                let _slot = budget.slot(lane, soon(60)).await.unwrap();
                served.lock().unwrap().push(lane);
            }));
            tokio::task::yield_now().await;
        }
        join_all(tasks).await;
        let place = served
            .lock()
            .unwrap()
            .iter()
            .position(|lane| *lane == Lane::Order);
        assert!(place.unwrap() <= 1, "the order came at place {place:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_all_calls_and_is_told_to_those_who_cannot_wait() {
        let budget = budget(100, 100, 1_000);
        budget.pause(Some(Duration::from_secs(3)));
        assert_eq!(
            budget.slot(Lane::Order, soon(1)).await.unwrap_err(),
            Refused::Paused {
                retry_after: Duration::from_secs(3)
            }
        );
        let start = Instant::now();
        let _slot = budget.slot(Lane::Order, soon(10)).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded() {
        let budget = budget(1, 1, 2);
        drop(budget.slot(Lane::Browse, soon(1)).await.unwrap());
        let (a, b, c) = tokio::join!(
            budget.slot(Lane::Browse, soon(30)),
            async {
                tokio::task::yield_now().await;
                budget.slot(Lane::Browse, soon(1)).await
            },
            async {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                budget.slot(Lane::Browse, soon(1)).await
            }
        );
        let refused = [a.err(), b.err(), c.err()];
        assert!(refused.contains(&Some(Refused::QueueFull)), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_full_of_others_turns_no_order_away() {
        let budget = budget(1, 10, 2);
        drop(budget.slot(Lane::Browse, soon(1)).await.unwrap());
        let browsing = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { budget.slot(Lane::Browse, soon(30)).await.map(drop) })
        });
        tokio::task::yield_now().await;
        assert_eq!(
            budget.slot(Lane::Checkout, soon(30)).await.unwrap_err(),
            Refused::QueueFull
        );
        assert!(budget.slot(Lane::Order, soon(30)).await.is_ok());
        for task in browsing {
            task.await.unwrap().unwrap();
        }
    }
}
