//! How long what has ended is kept.

use canonical_model::CompanyId;
use jiff::Timestamp;
use uuid::Uuid;

/// What ended before these instants is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Orders that were shipped, rejected or cancelled, and on which nothing happened since and nothing waits; with
    /// their events and effects. All decision records are kept as long.
    pub orders: Timestamp,
    /// Quotes that ran out, with their events.
    pub quotes: Timestamp,
    /// Reservations that no longer hold anything, with their events.
    pub reservations: Timestamp,
    /// Channel documents that are answered, delivered or refused, and whose duplicate keys have run out.
    pub documents: Timestamp,
}

/// What one company has that is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outdated {
    /// The company.
    pub company: CompanyId,
    /// Orders.
    pub orders: u64,
    /// Quotes.
    pub quotes: u64,
    /// Reservations.
    pub reservations: u64,
    /// Documents.
    pub documents: u64,
}

impl Outdated {
    pub(super) fn none(company: CompanyId) -> Self {
        Self {
            company,
            orders: 0,
            quotes: 0,
            reservations: 0,
            documents: 0,
        }
    }
}

/// The least id that could have been given out at an instant: ids are UUIDs of version 7, which begin with it.
pub(super) fn least_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}
