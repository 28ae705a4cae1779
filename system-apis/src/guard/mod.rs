//! What stands between callers and a backend, the same for every operation of every backend:
//! deadline → cache → single flight → batch → breaker → retry (reads only) → budget → connector.
//!
//! A connector has none of it. Reads of facts go through [`KeyedRead`]; everything else goes through [`Operation`]
//! directly and is never cached. Every call that a connector sends takes a slot of its own (`turn`), which is what makes
//! the budget exact.

mod batch;
pub mod breaker;
pub mod budget;
#[cfg(test)]
mod budget_tests;
pub mod cache;
pub mod lane;
pub mod operation;
mod pace;
pub mod policy;
mod queue;
pub mod read;
mod retry;
pub(crate) mod shares;
#[cfg(test)]
mod tests;
pub(crate) mod turn;

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use service_runtime::clock::Clock;
use tokio::time::Instant;

use crate::connector::ConnectorError;

use self::{
    breaker::Breaker,
    budget::Budget,
    policy::{BreakerPolicy, BudgetPolicy},
    retry::RetryBudget,
};
pub use self::{
    cache::{Fact, Matches, Started},
    lane::Lane,
    operation::{Kind, Operation, Terms},
    read::{Answer, Fetch, KeyedRead, Provenance},
    retry::RetryStatus,
};

/// Why a guarded call gave nothing. Everything but `Connector` and `Broken` says that the backend was not asked, or
/// that this caller did not wait for a read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GuardError {
    /// The caller's time was over before an answer.
    #[error(
        "the time for this call was over before the backend could answer: allow more, or try again later"
    )]
    DeadlineExceeded,
    /// Too many calls wait for this backend.
    #[error("too many calls wait for this backend: try again later")]
    Busy,
    /// The operation fails too often to be tried now.
    #[error(
        "this operation of the backend fails too often and is left alone for a while: try again later"
    )]
    CircuitOpen {
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The backend asked for a pause.
    #[error("the backend asks for fewer calls: try again later")]
    Paused {
        /// How long it lasts.
        retry_after: Duration,
    },
    /// The call broke off inside Orderway.
    #[error("the call broke off: report it with its correlation id")]
    Broken,
    /// The backend was asked.
    #[error("the backend did not do it")]
    Connector(#[source] Arc<ConnectorError>),
}

impl GuardError {
    /// Whether facts that are a little too old may stand in: when the source cannot say, not when it said no.
    pub(crate) fn allows_stale(&self) -> bool {
        match self {
            Self::DeadlineExceeded
            | Self::Busy
            | Self::CircuitOpen { .. }
            | Self::Paused { .. }
            | Self::Broken => true,
            Self::Connector(error) => match **error {
                ConnectorError::Throttled { .. }
                | ConnectorError::Unavailable(_)
                | ConnectorError::OutcomeUnknown(_)
                | ConnectorError::Protocol(_)
                | ConnectorError::NoSlot => true,
                ConnectorError::Rejected { .. }
                | ConnectorError::NotFound
                | ConnectorError::Conflict { .. } => false,
            },
        }
    }
}

/// The guard of one backend: what its operations share.
#[derive(Debug)]
pub struct Guard {
    name: String,
    budget: Budget,
    retries: RetryBudget,
    breakers: BreakerPolicy,
    clock: Clock,
    operations: Mutex<Vec<Weak<Operation>>>,
}

impl Guard {
    /// The guard of the backend of this name.
    pub fn new(
        name: String,
        budget: BudgetPolicy,
        breakers: BreakerPolicy,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            budget: Budget::new(budget),
            retries: RetryBudget::default(),
            breakers,
            clock,
            operations: Mutex::new(Vec::new()),
        })
    }

    /// An operation of it, with a breaker of its own.
    pub fn operation(
        self: &Arc<Self>,
        name: &'static str,
        kind: Kind,
        timeout: Duration,
    ) -> Arc<Operation> {
        let breaker = Breaker::new(self.breakers);
        let operation = Operation::new(Arc::clone(self), name, kind, timeout, breaker);
        let mut known = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.push(Arc::downgrade(&operation));
        operation
    }

    /// The operation of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Operation>> {
        let known = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut live = known.iter().filter_map(Weak::upgrade);
        live.find(|operation| operation.name() == name)
    }

    /// The backend's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Extra calls for reads that failed.
    pub fn retry_status(&self) -> RetryStatus {
        self.retries.status()
    }

    /// When an instant of the process's own clock was, or will be, by the wall.
    pub(crate) fn wall(&self, at: Instant) -> Timestamp {
        let (now, wall) = (Instant::now(), self.clock.now());
        let between = |one: Instant, other: Instant| {
            SignedDuration::try_from(one.saturating_duration_since(other))
                .unwrap_or(SignedDuration::ZERO)
        };
        wall.saturating_add(between(at, now))
            .and_then(|wall| wall.saturating_sub(between(now, at)))
            .unwrap_or(wall)
    }

    fn retries(&self) -> &RetryBudget {
        &self.retries
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn count(&self, operation: &'static str, lane: Lane, outcome: &'static str) {
        metrics::counter!(
            "orderway_backend_calls_total",
            "backend" => self.name.clone(),
            "operation" => operation,
            "lane" => lane.as_str(),
            "outcome" => outcome,
        )
        .increment(1);
    }
}
