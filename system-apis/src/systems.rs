//! The state of every guard, as `GET /v1/systems` shows it and as metrics and readiness tell it.

use std::hash::Hash;

use canonical_model::CompanyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::guard::{
    Guard, KeyedRead, Operation, breaker::BreakerState, budget::BudgetStatus, cache::CacheStatus,
};

/// What kind of system a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// The system of record.
    Erp,
    /// A warehouse.
    Wms,
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
    /// Its operations.
    pub operations: Vec<OperationStatus>,
}

/// The guard of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperationStatus {
    /// Its name.
    #[schema(example = "prices")]
    pub operation: String,
    /// What its breaker lets through.
    pub breaker: BreakerState,
    /// Calls under way.
    pub in_flight: u32,
    /// Its cache, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
}

impl OperationStatus {
    /// That of an operation without a cache.
    pub fn of(operation: &Operation) -> Self {
        Self {
            operation: operation.name().to_owned(),
            breaker: operation.breaker_state(),
            in_flight: operation.in_flight(),
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
            operations,
        }
    }

    /// Operations that are not let through, if there are any.
    pub fn stopped(&self) -> impl Iterator<Item = &str> {
        self.operations
            .iter()
            .filter(|operation| operation.breaker != BreakerState::Closed)
            .map(|operation| operation.operation.as_str())
    }
}
