//! Whether an ERP takes calls: while it does not, one effect looks, and the rest wait without a timer of their own.
//!
//! An ERP has two gates: one for what is done with its orders, and one for the figures that a provisional order is read
//! again from, so that a figure that cannot be had holds up only those orders. When what is behind a gate answers again,
//! all that wait there are due at once, oldest first, and the budget of `system-apis` paces them.
//!
//! A gate is closed by an answer that says that the ERP was not reached, so whoever waits has burnt nothing. It is kept in
//! memory; what waits is in the store. Several instances take each other's effects, the one that looks too. So whoever
//! comes to a gate when a look is due looks; where nobody comes, [`Gates::overdue`] has one woken; and what waits at no
//! gate that is closed here ([`Gates::closed`]) was left behind by another instance, or by this one before it was started.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use canonical_model::CompanyId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{clients::SystemError, orders::OrderState, store::PARKED};

/// How soon the effect that looks looks again, and how seldom at most.
const SOONEST: SignedDuration = SignedDuration::from_secs(1);
const LATEST: SignedDuration = SignedDuration::from_secs(5);
/// So long a look takes at most, as long as a lease.
const LONGEST: SignedDuration = SignedDuration::from_secs(15);
/// So long after a look was due, or should be over, the effect that was to look is gone: another is woken.
const GONE: SignedDuration = SignedDuration::from_secs(5);

/// What an effect waits for: something of the ERP of a company.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gate {
    /// That it creates, shows and changes orders.
    Orders(CompanyId),
    /// That prices, stock and credit can be had.
    Figures(CompanyId),
}

impl Gate {
    /// Where what is to be done of an order waits. [`Self::KEY`] says the same of the order's row: keep them alike.
    pub fn of(state: &OrderState) -> Self {
        let company = state.order.company.clone();
        if state.provisional.is_some() && state.cancelling.is_none() {
            Self::Figures(company)
        } else {
            Self::Orders(company)
        }
    }

    /// Whose ERP it is.
    pub const fn company(&self) -> &CompanyId {
        match self {
            Self::Orders(company) | Self::Figures(company) => company,
        }
    }

    /// The gate of a row of `sales_order`, in the SQL of both stores: the [`Display`](fmt::Display) of it. The state is
    /// searched as text, since one that cannot be read must not keep the others from being woken.
    pub const KEY: &'static str = "company || CASE
        WHEN state LIKE '%\"provisional\":{%' AND state LIKE '%\"cancelling\":null%' THEN '/figures' ELSE '/orders' END";
}

impl fmt::Display for Gate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orders(company) => write!(out, "{company}/orders"),
            Self::Figures(company) => write!(out, "{company}/figures"),
        }
    }
}

/// The gates of all companies; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<HashMap<Gate, Closed>>>);

/// A gate that is closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    /// The effect that looks.
    looks: Uuid,
    /// When it looks next; while it does, when it is over at the latest.
    next: Timestamp,
}

/// What an effect does at its gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It goes on.
    Go,
    /// It waits, until this instant.
    Wait(Timestamp),
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, HashMap<Gate, Closed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an effect goes on. Whoever comes when a look is due looks.
    pub fn pass(&self, gate: &Gate, effect: Uuid, now: Timestamp) -> Pass {
        let mut gates = self.lock();
        match gates.get_mut(gate) {
            None => Pass::Go,
            Some(closed) if now >= closed.next => {
                *closed = Closed {
                    looks: effect,
                    next: after(now, LONGEST),
                };
                Pass::Go
            }
            Some(closed) => Pass::Wait(closed.due(effect)),
        }
    }

    /// Notes what a call said. True = the gate was closed and is open now: all that waits there is to be woken.
    pub fn heard<T>(
        &self,
        gate: &Gate,
        effect: Uuid,
        answer: &Result<T, SystemError>,
        now: Timestamp,
    ) -> bool {
        match answer {
            Err(SystemError::Unavailable { retry_after }) => {
                self.close(gate, effect, *retry_after, now);
                false
            }
            // These say nothing of whether it is reached.
            Err(
                SystemError::OutcomeUnknown
                | SystemError::DeadlineExceeded
                | SystemError::Throttled { .. }
                | SystemError::Parameter { .. }
                | SystemError::Protocol { .. },
            ) => {
                self.heard_nothing(gate, effect, now);
                false
            }
            Ok(_)
            | Err(
                SystemError::Rejected { .. } | SystemError::NotFound | SystemError::Conflict { .. },
            ) => self.open(gate),
        }
    }

    /// Notes that a look came to nothing: where this effect looked, a look is due again soon.
    pub fn heard_nothing(&self, gate: &Gate, effect: Uuid, now: Timestamp) {
        let mut gates = self.lock();
        let looked = gates.get_mut(gate).filter(|closed| closed.looks == effect);
        if let Some(closed) = looked {
            closed.next = after(now, SOONEST);
        }
    }

    /// Opens a gate. True = it was closed.
    pub fn open(&self, gate: &Gate) -> bool {
        let mut gates = self.lock();
        let was_closed = gates.remove(gate).is_some();
        tell_closed(&gates);
        was_closed
    }

    fn close(
        &self,
        gate: &Gate,
        effect: Uuid,
        retry_after: Option<SignedDuration>,
        now: Timestamp,
    ) {
        let pause = retry_after.unwrap_or(SOONEST).clamp(SOONEST, LATEST);
        let next = after(now, pause);
        let mut gates = self.lock();
        let closed = gates.entry(gate.clone()).or_insert_with(|| {
            tracing::warn!(%gate, "the ERP is not reached; what waits for that is put aside");
            Closed {
                looks: effect,
                next,
            }
        });
        if closed.looks == effect {
            closed.next = next;
        }
        tell_closed(&gates);
    }

    /// When an effect that was told to back off goes on: where its gate is closed, as that says.
    pub fn due(&self, gate: &Gate, effect: Uuid) -> Option<Timestamp> {
        self.lock().get(gate).map(|closed| closed.due(effect))
    }

    /// Gates at which nobody looks though it is time: one effect of each is to be woken, which looks. Each is named again
    /// while that is so, but not at once.
    pub fn overdue(&self, now: Timestamp) -> Vec<Gate> {
        let mut gates = self.lock();
        let late = gates
            .iter_mut()
            .filter(|(_, closed)| now.duration_since(closed.next) >= GONE);
        let late = late.map(|(gate, closed)| {
            closed.next = now;
            gate.clone()
        });
        late.collect()
    }

    /// All that are closed here.
    pub fn closed(&self) -> Vec<Gate> {
        self.lock().keys().cloned().collect()
    }
}

impl Closed {
    fn due(&self, effect: Uuid) -> Timestamp {
        if self.looks == effect {
            self.next
        } else {
            PARKED
        }
    }
}

fn after(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(now)
}

/// Told under the lock: a later count is never overtaken by an earlier one.
fn tell_closed(gates: &HashMap<Gate, Closed>) {
    let companies: BTreeSet<&CompanyId> = gates.keys().map(Gate::company).collect();
    let closed = u32::try_from(companies.len()).unwrap_or(u32::MAX);
    metrics::gauge!("orderway_erp_gates_closed").set(f64::from(closed));
}

/// How often an instance looks for what was left behind.
pub const LEFT_BEHIND: SignedDuration = SignedDuration::from_secs(15);

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn orders() -> Gate {
        Gate::Orders(CompanyId::new("NWI").unwrap())
    }

    fn at(second: i64) -> Timestamp {
        let noon: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_secs(second)
    }

    fn away() -> Result<(), SystemError> {
        Err(SystemError::Unavailable {
            retry_after: Some(SignedDuration::from_secs(3)),
        })
    }

    #[test]
    fn one_effect_looks_and_the_rest_wait_until_it_finds_the_erp_back() {
        let (gates, gate) = (Gates::default(), orders());
        let [first, second] = [1, 2].map(Uuid::from_u128);
        assert_eq!(gates.pass(&gate, first, at(0)), Pass::Go);
        assert!(!gates.heard(&gate, first, &away(), at(0)));
        assert!(!gates.heard(&gate, second, &away(), at(1)));
        assert_eq!(gates.due(&gate, first), Some(at(3)));
        assert_eq!(gates.due(&gate, second), Some(PARKED));
        assert_eq!(gates.pass(&gate, second, at(2)), Pass::Wait(PARKED));
        assert_eq!(gates.pass(&gate, first, at(2)), Pass::Wait(at(3)));
        assert_eq!(gates.pass(&gate, first, at(3)), Pass::Go);
        assert_eq!(gates.pass(&gate, second, at(4)), Pass::Wait(PARKED));
        assert!(gates.heard(&gate, first, &Ok(()), at(4)));
        assert!(!gates.heard(&gate, second, &Ok(()), at(4)), "once");
        assert_eq!(gates.pass(&gate, second, at(4)), Pass::Go);
        assert_eq!(gates.closed(), []);
    }

    #[test]
    fn a_gate_is_no_matter_of_the_other_of_its_erp_or_of_another_company() {
        let gates = Gates::default();
        let [first, second] = [1, 2].map(Uuid::from_u128);
        let company = || CompanyId::new("NWI").unwrap();
        let (orders, figures) = (Gate::Orders(company()), Gate::Figures(company()));
        gates.heard(&figures, first, &away(), at(0));
        assert_eq!(gates.pass(&orders, second, at(0)), Pass::Go);
        assert!(!gates.heard(&orders, second, &Ok(()), at(0)));
        assert_eq!(gates.closed(), std::slice::from_ref(&figures));
        assert_eq!(gates.pass(&figures, second, at(0)), Pass::Wait(PARKED));
        let elsewhere = Gate::Figures(CompanyId::new("DE01").unwrap());
        assert_eq!(gates.pass(&elsewhere, second, at(0)), Pass::Go);
    }

    #[test]
    fn whoever_comes_when_a_look_is_due_looks_and_somebody_is_woken_where_nobody_comes() {
        let (gates, gate) = (Gates::default(), orders());
        let [first, second, third] = [1, 2, 3].map(Uuid::from_u128);
        gates.heard(&gate, first, &away(), at(0));
        // Another instance has taken the first and put it aside.
        assert_eq!(gates.overdue(at(7)), []);
        assert_eq!(gates.overdue(at(8)), std::slice::from_ref(&gate));
        assert_eq!(gates.overdue(at(9)), [], "once in a while");
        assert_eq!(gates.pass(&gate, second, at(9)), Pass::Go);
        assert_eq!(gates.pass(&gate, third, at(10)), Pass::Wait(PARKED));
        assert_eq!(gates.pass(&gate, first, at(10)), Pass::Wait(PARKED));
        // Nothing comes of that look at all.
        assert_eq!(gates.overdue(at(28)), []);
        assert_eq!(gates.overdue(at(29)), std::slice::from_ref(&gate));
        // Nothing that says whether the ERP is reached.
        assert_eq!(gates.pass(&gate, third, at(30)), Pass::Go);
        let unknown = Err::<(), _>(SystemError::OutcomeUnknown);
        assert!(!gates.heard(&gate, third, &unknown, at(31)));
        assert_eq!(gates.due(&gate, third), Some(at(32)));
    }

    #[test]
    fn the_metric_counts_companies_and_comes_back_to_none() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = |gates| {
            let line = format!("orderway_erp_gates_closed {gates}\n");
            recorder.handle().render().contains(&line)
        };
        metrics::with_local_recorder(&recorder, || {
            let (gates, first) = (Gates::default(), Uuid::from_u128(1));
            let figures = Gate::Figures(orders().company().clone());
            gates.heard(&orders(), first, &away(), at(0));
            gates.heard(&figures, first, &away(), at(0));
            assert!(shown(1));
            gates.heard(&orders(), first, &Ok(()), at(3));
            assert!(shown(1));
            // Nobody waits there any more.
            assert!(gates.open(&figures));
            assert!(shown(0));
        });
    }

    #[test]
    fn a_refusal_is_an_answer_and_an_unknown_outcome_is_none() {
        let (gates, gate) = (Gates::default(), orders());
        let first = Uuid::from_u128(1);
        gates.heard(&gate, first, &away(), at(0));
        let unknown = Err::<(), _>(SystemError::OutcomeUnknown);
        assert!(!gates.heard(&gate, first, &unknown, at(1)));
        let refused = Err::<(), _>(SystemError::NotFound);
        assert!(gates.heard(&gate, first, &refused, at(2)));
    }
}
