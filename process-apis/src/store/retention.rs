//! How long what has ended is kept: which rows, and what goes with them, the same for both engines.

use canonical_model::CompanyId;
use jiff::Timestamp;
use uuid::Uuid;

/// What ended before these instants is no longer kept. Each goes with its events and the decisions about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Orders that were shipped, rejected or cancelled, on which nothing happened since, and for which nothing waits and
    /// no person is asked; with their effects.
    pub orders: Timestamp,
    /// Quotes that ran out.
    pub quotes: Timestamp,
    /// Reservations that no longer hold anything.
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
    /// Decisions about those orders, quotes and reservations.
    pub decisions: u64,
}

impl Outdated {
    pub(super) fn none(company: CompanyId) -> Self {
        Self {
            company,
            orders: 0,
            quotes: 0,
            reservations: 0,
            documents: 0,
            decisions: 0,
        }
    }
}

/// A kind of what ends.
pub(super) struct Kind {
    pub(super) table: &'static str,
    /// Which rows are no longer kept: `$1` is the least id given out at the instant `$2`. `SQLite` numbers them in the order
    /// in which they first stand.
    outdated: &'static str,
    pub(super) since: fn(&Kept) -> Timestamp,
    pub(super) count: fn(&mut Outdated) -> &mut u64,
    /// The word of its streams; None = it has none, and nothing was decided about it.
    pub(super) stream: Option<&'static str>,
    /// What else goes with it, by the column that names it.
    with_it: Option<(&'static str, &'static str)>,
}

pub(super) const KINDS: [Kind; 4] = [
    Kind {
        table: "sales_order",
        outdated: "id < $1 AND status IN ('shipped', 'rejected', 'cancelled')
            AND CAST(holds AS text) IN ('', '{}')
            AND NOT EXISTS (
                SELECT 1 FROM effect WHERE order_id = old.id AND state IN ('pending', 'leased', 'stopped'))
            AND NOT EXISTS (SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'order' AND time >= $2)",
        since: |kept| kept.orders,
        count: |of| &mut of.orders,
        stream: Some("order"),
        with_it: Some(("effect", "order_id")),
    },
    Kind {
        table: "quote",
        outdated: "id < $1 AND expires_at < $2",
        since: |kept| kept.quotes,
        count: |of| &mut of.quotes,
        stream: Some("quote"),
        with_it: None,
    },
    Kind {
        table: "reservation",
        outdated: "id < $1 AND expires_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM event WHERE stream_id = old.id AND stream_kind = 'reservation' AND time >= $2)",
        since: |kept| kept.reservations,
        count: |of| &mut of.reservations,
        stream: Some("reservation"),
        with_it: None,
    },
    Kind {
        table: "document",
        outdated: "id < $1 AND created_at < $2 AND state IN ('answered', 'delivered', 'refused')
            AND NOT EXISTS (SELECT 1 FROM document_key WHERE document_id = old.id)",
        since: |kept| kept.documents,
        count: |of| &mut of.documents,
        stream: None,
        with_it: Some(("document_outcome", "document_id")),
    },
];

impl Kind {
    /// Those that are no longer kept.
    pub(super) fn old(&self) -> String {
        let Self {
            table, outdated, ..
        } = self;
        format!("FROM {table} AS old WHERE {outdated}")
    }

    /// The events of those whose ids `ids` selects.
    pub(super) fn events(&self, ids: &str) -> Option<String> {
        let stream = self.stream?;
        Some(format!(
            "FROM event WHERE stream_kind = '{stream}' AND stream_id IN ({ids})"
        ))
    }

    /// Removes those whose ids `ids` selects, after their events and decisions.
    pub(super) fn deletes(&self, ids: &str) -> Vec<String> {
        let with_it = self.with_it.iter();
        let with_it =
            with_it.map(|(table, column)| format!("DELETE FROM {table} WHERE {column} IN ({ids})"));
        let own = format!("DELETE FROM {} WHERE id IN ({ids})", self.table);
        with_it.chain([own]).collect()
    }
}

/// The least id that could have been given out at an instant: ids are UUIDs of version 7, which begin with it.
pub(super) fn least_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}
