//! The budget of one backend: how many calls a second and how many at a time, whatever callers do.
//!
//! Slots are spaced evenly rather than handed out in bursts, since two bursts whose network delays differ would meet at
//! the backend as one. The next slot is that of the most urgent lane in which somebody waits; some places in flight are
//! for orders alone, so that no crowd of others can hold them all, and check-outs leave one slot in four to those who look
//! around.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};
use utoipa::ToSchema;

use super::{
    lane::{Lane, Ride},
    pace::Pace,
    policy::BudgetPolicy,
    queue::{Claimant, Gate, Place, Step},
    shares,
};

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
    gate: Arc<Mutex<Gate>>,
}

/// Leave to make one call; the place in flight is free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    gate: Arc<Mutex<Gate>>,
    lane: Lane,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut gate = lock(&self.gate);
        gate.end(self.lane);
        gate.wake_first();
    }
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
    /// Calls a second that the backend allows.
    pub calls_per_second: u32,
    /// Those of them that this instance may make.
    pub share: u32,
    /// Whether that is agreed with the other instances now; false = the share that the configuration states.
    pub share_is_leased: bool,
    /// How much of its share it uses at most now, in percent: less than 100 while the backend is slow or asks for less.
    pub pace_percent: u32,
    /// How low that may go.
    pub floor_percent: u8,
    /// Calls begun within the last second.
    pub calls_last_second: u32,
    /// Calls at a time that are allowed.
    pub in_flight_limit: u32,
    /// Those of them that are kept for orders.
    pub reserved_for_orders: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls that wait for their slot.
    pub waiting: u32,
    /// The same by lane, the most urgent first.
    pub lanes: Vec<LaneStatus>,
    /// How long the backend still wants to be left alone, in milliseconds; 0 = not at all.
    pub paused_ms: u64,
}

/// Who waits in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaneStatus {
    /// The lane.
    pub lane: Lane,
    /// Calls that wait for their slot.
    pub waiting: u32,
    /// How long the first of them has waited, in milliseconds.
    pub oldest_ms: u64,
}

fn lock(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in the queue, left by dropping it.
struct Ticket<'a> {
    gate: &'a Mutex<Gate>,
    lane: Lane,
    place: Place,
    woken: Arc<Notify>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut gate = lock(self.gate);
        gate.leave(self.lane, self.place);
        gate.wake_first();
    }
}

impl Budget {
    /// An unused budget.
    pub fn new(policy: BudgetPolicy) -> Self {
        let gate = Gate::new(
            Pace::new(policy.stated_share(), policy.floor_percent),
            policy.in_flight.get(),
            policy.reserved_for_orders,
            Instant::now(),
        );
        Self {
            policy,
            gate: Arc::new(Mutex::new(gate)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    /// Waits for a slot, until the deadline at most.
    pub(super) async fn slot(
        &self,
        ride: &Ride,
        claimant: Claimant,
        deadline: Instant,
    ) -> Result<Slot, Refused> {
        let ticket = self.queue(ride.lane(), claimant, deadline)?;
        timeout_at(deadline, self.next_slot(ride, ticket))
            .await
            .map_err(|_elapsed| Refused::TooLate)
    }

    fn queue(
        &self,
        lane: Lane,
        claimant: Claimant,
        deadline: Instant,
    ) -> Result<Ticket<'_>, Refused> {
        let now = Instant::now();
        let mut gate = self.lock();
        if let Some(until) = gate.paused_until
            && until >= deadline
            && until > now
        {
            return Err(Refused::Paused {
                retry_after: until - now,
            });
        }
        // Counted apart: buyers who look around may fill their own queue, never that of the orders.
        let waiting: usize = match lane {
            Lane::Order => gate.waiting(lane),
            Lane::Checkout | Lane::Browse | Lane::Bulk => Lane::ALL
                .into_iter()
                .filter(|lane| *lane != Lane::Order)
                .map(|lane| gate.waiting(lane))
                .sum(),
        };
        let has_room = u32::try_from(waiting).is_ok_and(|waiting| waiting < self.policy.waiting);
        // What has begun was let in before.
        if has_room || claimant.has_begun {
            let (place, woken) = gate.enter(lane, claimant, now);
            drop(gate);
            return Ok(Ticket {
                gate: &self.gate,
                lane,
                place,
                woken,
            });
        }
        Err(Refused::QueueFull)
    }

    async fn next_slot(&self, ride: &Ride, mut ticket: Ticket<'_>) -> Slot {
        loop {
            match self.step(ride, &mut ticket) {
                Step::Go => {
                    return Slot {
                        gate: Arc::clone(&self.gate),
                        lane: ticket.lane,
                    };
                }
                Step::At(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = ticket.woken.notified() => {}
                    () = ride.lifted() => {}
                },
                Step::Wait => tokio::select! {
                    () = ticket.woken.notified() => {}
                    () = ride.lifted() => {}
                },
            }
        }
    }

    fn step(&self, ride: &Ride, ticket: &mut Ticket<'_>) -> Step {
        let lane = ride.lane();
        let mut gate = self.lock();
        if lane != ticket.lane {
            gate.change(ticket.lane, lane, ticket.place);
            // It may have been first where it was, and not be so here.
            gate.wake_first();
            ticket.lane = lane;
        }
        gate.step(lane, ticket.place, Instant::now())
    }

    /// The backend asked for fewer calls: none is begun for a while, and those after it come at a slower pace.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let pause = retry_after
            .unwrap_or(USUAL_PAUSE)
            .clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let now = Instant::now();
        let until = now + pause;
        let mut gate = self.lock();
        gate.paused_until = Some(gate.paused_until.map_or(until, |old| old.max(until)));
        gate.pace.cut(now);
    }

    /// A call to the backend has ended, and took much longer than usual or did not.
    pub(super) fn ended(&self, slow: bool) {
        let now = Instant::now();
        let mut gate = self.lock();
        if slow {
            gate.pace.cut(now);
        } else {
            gate.pace.rise(now);
        }
    }

    /// Its calls a second are shared with other instances: so many are this one's until then; none = those that the
    /// configuration states.
    pub(crate) fn set_share(&self, lease: Option<(u32, Instant)>) {
        let mut gate = self.lock();
        gate.pace.set_share(lease);
        gate.wake_first();
    }

    /// How it is shared.
    pub(crate) fn sharing(&self, lease: Duration) -> shares::Terms {
        shares::Terms {
            calls: self.policy.calls_per_second.get(),
            stated: self.policy.stated_share(),
            lease,
        }
    }

    /// How much of it is in use.
    pub fn status(&self) -> BudgetStatus {
        let now = Instant::now();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut gate = self.lock();
        let paused = gate
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let lanes = Lane::ALL.map(|lane| LaneStatus {
            lane,
            waiting: number(gate.waiting(lane)),
            oldest_ms: gate
                .oldest(lane)
                .map_or(0, |since| millis(now.saturating_duration_since(since))),
        });
        BudgetStatus {
            calls_per_second: self.policy.calls_per_second.get(),
            share: gate.pace.share(now),
            share_is_leased: gate.pace.is_leased(now),
            pace_percent: gate.pace.percent(),
            floor_percent: self.policy.floor_percent,
            calls_last_second: number(gate.last_second(now)),
            in_flight_limit: self.policy.in_flight.get(),
            reserved_for_orders: gate.reserved(),
            in_flight: gate.in_flight(),
            waiting: lanes.iter().map(|lane| lane.waiting).sum(),
            lanes: lanes.to_vec(),
            paused_ms: millis(paused),
        }
    }
}
