//! What stands between callers and a backend, the same for every operation of every backend:
//! deadline → cache → single flight → breaker → retry (reads only) → budget → connector.
//!
//! A connector has none of it. Reads of facts go through [`KeyedRead`]; everything else goes through [`Operation`]
//! directly and is never cached. Each connector method is at most one backend call, which is what makes the budget
//! exact.

pub mod breaker;
pub mod budget;
pub mod cache;
pub mod lane;
pub mod operation;
pub mod policy;
pub mod read;
mod retry;
mod single_flight;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use service_runtime::clock::Clock;

use crate::connector::ConnectorError;

use self::{
    breaker::Breaker,
    budget::Budget,
    policy::{BreakerPolicy, BudgetPolicy},
    retry::RetryBudget,
};
pub use self::{
    cache::{Fact, Started},
    lane::Lane,
    operation::{Kind, Operation, Terms},
    read::{Answer, Fetch, KeyedRead, Provenance},
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
    fn allows_stale(&self) -> bool {
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
                | ConnectorError::Protocol(_) => true,
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
        Operation::new(Arc::clone(self), name, kind, timeout, breaker)
    }

    /// The backend's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    fn retries(&self) -> &RetryBudget {
        &self.retries
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}
