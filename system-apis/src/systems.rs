//! The state of every guard, as `GET /v1/systems` shows it and as metrics and readiness tell it.

use std::{hash::Hash, time::Duration};

use canonical_model::CompanyId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::guard::{
    Guard, KeyedRead, Operation, RetryStatus,
    breaker::{BreakerState, Held, Hold},
    budget::BudgetStatus,
    cache::CacheStatus,
};

/// What kind of system a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// The system of record.
    Erp,
    /// A warehouse.
    Wms,
    /// Those who look after customers.
    Crm,
}

/// The backends of this layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Systems {
    /// By kind, then name.
    pub systems: Vec<SystemStatus>,
}

/// The guard of one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SystemStatus {
    /// Its name in the configuration.
    #[schema(example = "main")]
    pub system: String,
    /// What it is.
    pub kind: SystemKind,
    /// Whom it serves.
    pub companies: Vec<CompanyId>,
    /// What it may be asked for.
    pub budget: BudgetStatus,
    /// Extra calls for reads that failed.
    pub retries: RetryStatus,
    /// Its operations.
    pub operations: Vec<OperationStatus>,
}

/// The guard of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperationStatus {
    /// Its name.
    #[schema(example = "prices")]
    pub operation: String,
    /// Its breaker.
    pub breaker: BreakerStatus,
    /// Calls under way.
    pub in_flight: u32,
    /// Keys that wait for a call, where it is a cached read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_keys: Option<usize>,
    /// Its cache, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
}

/// The breaker of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakerStatus {
    /// What it lets through.
    pub state: BreakerState,
    /// Since when it has been so.
    pub since: Timestamp,
    /// When one call may find out whether the backend is well; only while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_probe_at: Option<Timestamp>,
    /// The last call that spoke against the backend, since this instance started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureStatus>,
    /// What a person has ordered, while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<BreakerOrder>,
}

/// A call that spoke against the backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureStatus {
    /// How it ended, as it is counted.
    #[schema(example = "unavailable")]
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

/// A person's order about a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakerOrder {
    /// How it is held.
    pub held: Held,
    /// Until when; then it decides itself again.
    pub until: Timestamp,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl BreakerOrder {
    /// As a breaker takes it, which goes by the process's own clock.
    pub(crate) fn from(self, now: Timestamp) -> Hold {
        let left = Duration::try_from(self.until.duration_since(now)).unwrap_or(Duration::ZERO);
        Hold {
            held: self.held,
            until: Instant::now() + left,
            by: self.by,
            reason: self.reason,
        }
    }
}

impl BreakerStatus {
    pub(crate) fn of(operation: &Operation) -> Self {
        let guard = operation.guard();
        let view = operation.breaker().view();
        Self {
            state: view.state,
            since: guard.wall(view.since),
            next_probe_at: view.next_probe.map(|at| guard.wall(at)),
            last_failure: view.last_failure.map(|failure| FailureStatus {
                outcome: failure.outcome.to_owned(),
                at: guard.wall(failure.at),
            }),
            held: view.hold.map(|hold| BreakerOrder {
                held: hold.held,
                until: guard.wall(hold.until),
                by: hold.by,
                reason: hold.reason,
            }),
        }
    }
}

impl OperationStatus {
    /// That of an operation without a cache.
    pub fn of(operation: &Operation) -> Self {
        Self {
            operation: operation.name().to_owned(),
            breaker: BreakerStatus::of(operation),
            in_flight: operation.in_flight(),
            waiting_keys: None,
            cache: None,
        }
    }

    /// That of a cached read.
    pub fn of_read<S, K, V>(read: &KeyedRead<S, K, V>) -> Self
    where
        S: Hash + Eq + Clone + Send + Sync + 'static,
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Self {
            waiting_keys: Some(read.waiting_keys()),
            cache: Some(read.cache_status()),
            ..Self::of(read.operation())
        }
    }
}

impl SystemStatus {
    /// That of a backend.
    pub fn new(
        guard: &Guard,
        kind: SystemKind,
        companies: Vec<CompanyId>,
        operations: Vec<OperationStatus>,
    ) -> Self {
        Self {
            system: guard.name().to_owned(),
            kind,
            companies,
            budget: guard.budget().status(),
            retries: guard.retry_status(),
            operations,
        }
    }

    /// Operations that are not let through, if there are any.
    pub fn stopped(&self) -> impl Iterator<Item = &str> {
        self.operations
            .iter()
            .filter(|operation| operation.breaker.state != BreakerState::Closed)
            .map(|operation| operation.operation.as_str())
    }
}
