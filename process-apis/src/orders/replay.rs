//! Replay: what the log makes of an order, compared with what its row says.
//!
//! The state is nothing but the fold of the
//! events; where the two differ, one of them was damaged or the rules of `evolve` have changed.

use std::fmt;

use canonical_model::OrderId;
use service_runtime::fingerprint;

use super::{
    change::{self, ChangeError},
    event::{EventError, Recorded},
    evolve::fold,
    state::OrderState,
};
use crate::store::{Store, StoreError, StreamKind};

/// Events read at a time.
const EVENTS: u16 = 500;
/// Orders read at a time.
const ORDERS: u16 = 500;

/// Why a replay did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// A state cannot be written.
    #[error("a state cannot be hashed")]
    Hash(#[source] serde_json::Error),
}

/// SHA-256 over the versioned projection of an order, in hexadecimal.
///
/// The same state has the same hash in every instance of a release: the projection is written in the order of its fields,
/// and names its version.
pub fn state_hash(state: &OrderState) -> Result<String, serde_json::Error> {
    let projection = serde_json::to_vec(state)?;
    Ok(fingerprint::sha256([projection.as_slice()]))
}

/// What became of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The order.
    pub order_id: OrderId,
    /// How many events it has.
    pub events: u64,
    /// What the fold of its events comes to.
    pub outcome: Outcome,
}

/// How the log and the row compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The row is what the log makes: its hash.
    Same(String),
    /// The hashes differ.
    Differs {
        /// Of the fold.
        log: String,
        /// Of the row.
        row: String,
    },
    /// The log holds types, or the row a schema, that a later release wrote.
    Later(String),
    /// An event or the row cannot be read, the log has a gap, or one of the two is missing.
    Unreadable(String),
}

impl Replayed {
    /// Whether the row is not what the log makes, or cannot be compared with it.
    pub fn is_wrong(&self) -> bool {
        match self.outcome {
            Outcome::Differs { .. } | Outcome::Unreadable(_) => true,
            Outcome::Same(_) | Outcome::Later(_) => false,
        }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            order_id, events, ..
        } = self;
        match &self.outcome {
            Outcome::Same(hash) => write!(out, "{order_id} same {events} {hash}"),
            Outcome::Differs { log, row } => {
                write!(out, "{order_id} DIFFERS {events} log {log} row {row}")
            }
            Outcome::Later(what) => write!(out, "{order_id} later {events} {what}"),
            Outcome::Unreadable(why) => write!(out, "{order_id} UNREADABLE {events} {why}"),
        }
    }
}

/// How a replay of all orders went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Orders replayed.
    pub orders: u64,
    /// Events folded.
    pub events: u64,
    /// Rows that are what the log makes.
    pub same: u64,
    /// Orders that only a later release can fold.
    pub later: u64,
    /// Rows that are not, or that cannot be compared.
    pub wrong: u64,
}

impl Summary {
    fn count(&mut self, replayed: &Replayed) {
        self.orders = self.orders.saturating_add(1);
        self.events = self.events.saturating_add(replayed.events);
        let kind = match replayed.outcome {
            Outcome::Same(_) => &mut self.same,
            Outcome::Later(_) => &mut self.later,
            Outcome::Differs { .. } | Outcome::Unreadable(_) => &mut self.wrong,
        };
        *kind = kind.saturating_add(1);
    }
}

/// Folds one order's log and compares it with its row; None where there is neither.
pub async fn replay(store: &dyn Store, id: OrderId) -> Result<Option<Replayed>, ReplayError> {
    // The row first: an event that comes meanwhile makes the log longer, and is left out of the fold.
    let row = store.state(StreamKind::Order, id.0).await?;
    let until = row.as_ref().map_or(u64::MAX, |row| row.version);
    let mut log = Log::default();
    log.read(store, id, until).await?;
    if log.events == 0 && row.is_none() {
        return Ok(None);
    }
    let outcome = match row {
        None => Outcome::Unreadable("the log has it, but there is no row".to_owned()),
        Some(row) => log
            .compare(change::read(&row.state))
            .map_err(ReplayError::Hash)?,
    };
    Ok(Some(Replayed {
        order_id: id,
        events: log.events,
        outcome,
    }))
}

/// Replays all orders, a share at a time, and tells of each.
pub async fn replay_all(
    store: &dyn Store,
    mut tell: impl FnMut(&Replayed),
) -> Result<Summary, ReplayError> {
    let mut summary = Summary::default();
    let mut after = None;
    loop {
        let ids = store.stream_ids(StreamKind::Order, after, ORDERS).await?;
        let Some(last) = ids.last().copied() else {
            return Ok(summary);
        };
        after = Some(last);
        for id in ids {
            if let Some(replayed) = replay(store, OrderId(id)).await? {
                summary.count(&replayed);
                tell(&replayed);
            }
        }
    }
}

#[derive(Default)]
struct Log {
    recorded: Vec<Recorded>,
    events: u64,
    fault: Option<String>,
}

impl Log {
    async fn read(
        &mut self,
        store: &dyn Store,
        id: OrderId,
        until: u64,
    ) -> Result<(), ReplayError> {
        loop {
            let share = store
                .stream(StreamKind::Order, id.0, self.events, EVENTS)
                .await?;
            if share.is_empty() {
                return Ok(());
            }
            for event in share {
                if event.version > until || self.fault.is_some() {
                    return Ok(());
                }
                let expected = self.events.saturating_add(1);
                if event.version != expected {
                    self.fault = Some(format!("event {expected} is missing"));
                    return Ok(());
                }
                self.events = expected;
                match Recorded::read(&event.event_type, event.type_version, &event.data) {
                    Ok(recorded) => self.recorded.push(recorded),
                    Err(error) => self.fault = Some(unreadable(expected, &error)),
                }
            }
        }
    }

    fn compare(&self, row: Result<OrderState, ChangeError>) -> Result<Outcome, serde_json::Error> {
        if let Some(fault) = &self.fault {
            return Ok(Outcome::Unreadable(fault.clone()));
        }
        let row = match row {
            Ok(row) => row,
            Err(ChangeError::Refused(refusal)) => return Ok(Outcome::Later(refusal.to_string())),
            Err(error) => {
                return Ok(Outcome::Unreadable(format!(
                    "the row cannot be read: {error}"
                )));
            }
        };
        if !row.unknown_events.is_empty() {
            return Ok(Outcome::Later(row.unknown_events.join(", ")));
        }
        let Some(state) = fold(&self.recorded) else {
            return Ok(Outcome::Unreadable(
                "the log does not begin with order.received".to_owned(),
            ));
        };
        let (log, row) = (state_hash(&state)?, state_hash(&row)?);
        Ok(if log == row {
            Outcome::Same(log)
        } else {
            Outcome::Differs { log, row }
        })
    }
}

fn unreadable(version: u64, error: &EventError) -> String {
    format!("event {version}: {error}")
}
