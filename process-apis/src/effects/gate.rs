//! Whether an ERP takes calls: while it does not, one effect looks, and the rest wait without a timer of their own.
//!
//! When it answers again all are due at once, oldest first, and the budget of `system-apis` paces them.
//!
//! A gate is closed by an answer that says that the ERP was not reached, so whoever waits has burnt nothing. It is kept in
//! memory; what waits is in the store, and [`Gates::nothing_closed`] lets every instance wake what another left behind.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use canonical_model::CompanyId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{clients::SystemError, store::PARKED};

/// How soon the effect that looks looks again, and how seldom at most.
const SOONEST: SignedDuration = SignedDuration::from_secs(1);
const LATEST: SignedDuration = SignedDuration::from_secs(5);
/// So long after it should have looked, it is gone: another takes its place.
const GONE: SignedDuration = SignedDuration::from_secs(30);

/// The gates of all companies; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<HashMap<CompanyId, Closed>>>);

/// A gate that is closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    /// The effect that looks.
    looks: Uuid,
    /// When it looks again.
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
    fn lock(&self) -> MutexGuard<'_, HashMap<CompanyId, Closed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an effect goes on.
    pub fn pass(&self, company: &CompanyId, effect: Uuid, now: Timestamp) -> Pass {
        let mut gates = self.lock();
        let Some(gate) = gates.get_mut(company) else {
            return Pass::Go;
        };
        let is_gone = now.duration_since(gate.next) > GONE;
        if gate.looks != effect && !is_gone {
            return Pass::Wait(PARKED);
        }
        if gate.looks != effect {
            *gate = Closed {
                looks: effect,
                next: now,
            };
        }
        if now < gate.next {
            return Pass::Wait(gate.next);
        }
        Pass::Go
    }

    /// Notes what a call said. True = the gate was closed and is open now: all that waits is to be woken.
    pub fn heard<T>(
        &self,
        company: &CompanyId,
        effect: Uuid,
        answer: &Result<T, SystemError>,
        now: Timestamp,
    ) -> bool {
        match answer {
            Err(SystemError::Unavailable { retry_after }) => {
                self.close(company, effect, *retry_after, now);
                false
            }
            // These say nothing of whether it is reached.
            Err(
                SystemError::OutcomeUnknown
                | SystemError::DeadlineExceeded
                | SystemError::Throttled { .. }
                | SystemError::Parameter { .. }
                | SystemError::Protocol { .. },
            ) => false,
            Ok(_)
            | Err(
                SystemError::Rejected { .. } | SystemError::NotFound | SystemError::Conflict { .. },
            ) => self.open(company),
        }
    }

    fn open(&self, company: &CompanyId) -> bool {
        let mut gates = self.lock();
        let was_closed = gates.remove(company).is_some();
        tell_closed(&gates);
        was_closed
    }

    fn close(
        &self,
        company: &CompanyId,
        effect: Uuid,
        retry_after: Option<SignedDuration>,
        now: Timestamp,
    ) {
        let pause = retry_after.unwrap_or(SOONEST).clamp(SOONEST, LATEST);
        let next = now.saturating_add(pause).unwrap_or(now);
        let mut gates = self.lock();
        let gate = gates.entry(company.clone()).or_insert_with(|| {
            tracing::warn!(%company, "the ERP is not reached; what it is to do waits");
            Closed {
                looks: effect,
                next,
            }
        });
        if gate.looks == effect {
            gate.next = next;
        }
        tell_closed(&gates);
    }

    /// When an effect that was told to back off goes on: where its gate is closed, as that says.
    pub fn due(&self, company: &CompanyId, effect: Uuid) -> Option<Timestamp> {
        let gates = self.lock();
        let gate = gates.get(company)?;
        Some(if gate.looks == effect {
            gate.next
        } else {
            PARKED
        })
    }

    /// Whether no ERP is waited for here: what waits then was left behind by another instance, or by this one before it
    /// was started. A gate at which nobody looks any more is open.
    pub fn nothing_closed(&self, now: Timestamp) -> bool {
        let mut gates = self.lock();
        gates.retain(|_, gate| now.duration_since(gate.next) <= GONE);
        tell_closed(&gates);
        gates.is_empty()
    }
}

/// Told under the lock: a later count is never overtaken by an earlier one.
fn tell_closed(gates: &HashMap<CompanyId, Closed>) {
    let closed = u32::try_from(gates.len()).unwrap_or(u32::MAX);
    metrics::gauge!("orderway_erp_gates_closed").set(f64::from(closed));
}

/// How often an instance looks for what was left behind.
pub const LEFT_BEHIND: SignedDuration = SignedDuration::from_secs(15);

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn company() -> CompanyId {
        CompanyId::new("NWI").unwrap()
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
        let (gates, company) = (Gates::default(), company());
        let [first, second] = [1, 2].map(Uuid::from_u128);
        assert_eq!(gates.pass(&company, first, at(0)), Pass::Go);
        assert!(!gates.heard(&company, first, &away(), at(0)));
        assert!(!gates.heard(&company, second, &away(), at(1)));
        assert_eq!(gates.due(&company, first), Some(at(3)));
        assert_eq!(gates.due(&company, second), Some(PARKED));
        assert_eq!(gates.pass(&company, second, at(9)), Pass::Wait(PARKED));
        assert_eq!(gates.pass(&company, first, at(2)), Pass::Wait(at(3)));
        assert_eq!(gates.pass(&company, first, at(3)), Pass::Go);
        assert!(gates.heard(&company, first, &Ok(()), at(4)));
        assert!(!gates.heard(&company, second, &Ok(()), at(4)), "once");
        assert_eq!(gates.pass(&company, second, at(4)), Pass::Go);
        assert!(gates.nothing_closed(at(4)));
    }

    #[test]
    fn another_looks_where_the_one_that_did_is_gone() {
        let (gates, company) = (Gates::default(), company());
        let [first, second] = [1, 2].map(Uuid::from_u128);
        gates.heard(&company, first, &away(), at(0));
        assert_eq!(gates.pass(&company, second, at(33)), Pass::Wait(PARKED));
        assert_eq!(gates.pass(&company, second, at(34)), Pass::Go);
        assert_eq!(gates.pass(&company, first, at(34)), Pass::Wait(PARKED));
        assert!(!gates.nothing_closed(at(64)) && gates.nothing_closed(at(65)));
    }

    #[test]
    fn the_metric_comes_back_to_none_however_a_gate_is_opened() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = |gates| {
            let line = format!("orderway_erp_gates_closed {gates}\n");
            recorder.handle().render().contains(&line)
        };
        metrics::with_local_recorder(&recorder, || {
            let (gates, company, first) = (Gates::default(), company(), Uuid::from_u128(1));
            gates.heard(&company, first, &away(), at(0));
            assert!(shown(1));
            gates.heard(&company, first, &Ok(()), at(3));
            assert!(shown(0));
            // Nobody looks any more.
            gates.heard(&company, first, &away(), at(4));
            assert!(gates.nothing_closed(at(60)));
            assert!(shown(0));
        });
    }

    #[test]
    fn a_refusal_is_an_answer_and_an_unknown_outcome_is_none() {
        let (gates, company) = (Gates::default(), company());
        let first = Uuid::from_u128(1);
        gates.heard(&company, first, &away(), at(0));
        let unknown = Err::<(), _>(SystemError::OutcomeUnknown);
        assert!(!gates.heard(&company, first, &unknown, at(1)));
        let refused = Err::<(), _>(SystemError::NotFound);
        assert!(gates.heard(&company, first, &refused, at(2)));
    }
}
