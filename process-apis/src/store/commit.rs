//! [`Commit`]: everything one command changes, as one value.

use canonical_model::{
    AccountId, CompanyId, OrderId, OrderReference, PurchaseOrderNumber,
    decision::DecisionStep,
    document::Document,
    order::{HoldKind, OrderStatus},
    session::Session,
};
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    bounds::BoundMovement,
    channel::{DocumentChange, SessionChange},
    ledger::{CreditKey, StockKey},
    news::{CursorMove, ParkChange},
    subscription::SubscriptionChange,
    written::Written,
};

/// The kinds of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A sales order.
    Order,
    /// A price quote.
    Quote,
    /// A stock reservation.
    Reservation,
}

/// Everything one command changes. Expected versions, unique keys and claims are tested inside the transaction; if
/// one fails, nothing is written and the error names it.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Who and what caused it; None only for housekeeping that writes no event.
    pub cause: Option<Cause>,
    /// The streams, each with its new events and the state after them.
    pub changes: Vec<StreamChange>,
    /// Stock movements, applied in this order.
    pub stock: Vec<StockMovement>,
    /// Credit movements, applied in this order.
    pub credit: Vec<CreditMovement>,
    /// Movements in the sums that bound what is taken unasked, applied in this order.
    pub bounds: Vec<BoundMovement>,
    /// Effects to do, and what became of the one being done.
    pub effects: Vec<EffectChange>,
    /// Channel documents.
    pub documents: Vec<DocumentChange>,
    /// Channel sessions.
    pub sessions: Vec<SessionChange>,
    /// Webhook subscriptions.
    pub subscriptions: Vec<SubscriptionChange>,
    /// How far readers have come.
    pub cursors: Vec<CursorMove>,
    /// News that wait, or wait no longer.
    pub parked: Vec<ParkChange>,
    /// The answer to give to whoever sends the same key again.
    pub idempotency: Option<IdempotencyAnswer>,
    /// Why.
    pub decision: Option<NewDecision>,
    /// What the audit trail says.
    pub audit: Vec<AuditEntry>,
}

/// Who and what caused a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The company it happens in.
    pub company: CompanyId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal: String,
    /// Through which channel.
    pub channel: String,
    /// Business correlation id.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: String,
}

/// New events of one stream and the state after them.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamChange {
    /// Which kind.
    pub kind: StreamKind,
    /// Which.
    pub id: Uuid,
    /// The version it must have; 0 = it must not exist.
    pub expected_version: u64,
    /// The account it is about.
    pub account: AccountId,
    /// The events, oldest first; at least one.
    pub events: Vec<NewEvent>,
    /// The state after them, and what it is found by.
    pub row: StateRow,
}

/// An event to write.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// `order.received` …, without prefix and version.
    pub event_type: &'static str,
    /// The version of the payload's shape.
    pub type_version: u16,
    /// The payload.
    pub data: Written,
}

/// The current state of a stream and the columns it is found by.
#[derive(Debug, Clone, PartialEq)]
pub enum StateRow {
    /// An order.
    Order(OrderRow),
    /// A quote.
    Quote(QuoteRow),
    /// A reservation.
    Reservation(ReservationRow),
}

/// An order's row.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRow {
    /// The state.
    pub state: Written,
    /// Our reference.
    pub reference: OrderReference,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The release of a blanket order.
    pub release_number: Option<String>,
    /// Whether it still stands for its purchase order: a rejected or cancelled one does not.
    pub holds_purchase_order: bool,
    /// Where it stands.
    pub status: OrderStatus,
    /// What it waits for.
    pub holds: Vec<HoldKind>,
}

/// A quote's row.
#[derive(Debug, Clone, PartialEq)]
pub struct QuoteRow {
    /// The state.
    pub state: Written,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

/// A reservation's row.
#[derive(Debug, Clone, PartialEq)]
pub struct ReservationRow {
    /// The state.
    pub state: Written,
    /// When it expires; None = it no longer holds anything.
    pub expires_at: Option<Timestamp>,
}

/// Who holds stock or credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// An order or a reservation.
    pub kind: StreamKind,
    /// Which.
    pub id: Uuid,
}

/// A movement in the stock ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum StockMovement {
    /// Takes stock, if every bucket from its day on still has it.
    Claim(StockClaim),
    /// Gives back all that the owner holds, or what it holds for one line.
    Release {
        /// The owner.
        owner: Owner,
        /// One line only.
        line: Option<u32>,
    },
    /// The source counts the owner's claims from now on: they stop counting once a fact is newer than this and the lag.
    Confirm {
        /// The owner.
        owner: Owner,
        /// When the source's answer was received.
        at: Timestamp,
    },
}

/// A claim on stock, in the item's base unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockClaim {
    /// The row.
    pub key: StockKey,
    /// Who holds it.
    pub owner: Owner,
    /// For which of its lines.
    pub line: u32,
    /// From which day on it is taken, by the site's calendar.
    pub day: Date,
    /// How much; more than zero.
    pub quantity: Decimal,
}

/// A movement in the credit ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum CreditMovement {
    /// Takes credit at every level, if each still has it.
    Claim(CreditClaim),
    /// Gives back all that the owner holds.
    Release {
        /// The owner.
        owner: Owner,
    },
    /// The source counts the owner's claims from now on.
    Confirm {
        /// The owner.
        owner: Owner,
        /// When the source's answer was received.
        at: Timestamp,
    },
}

/// A claim on credit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditClaim {
    /// The levels: the account and all above it.
    pub levels: Vec<CreditKey>,
    /// Who holds it.
    pub owner: Owner,
    /// How much, in the account's currency.
    pub amount: Decimal,
    /// Whether reaching the limit exactly is already too much.
    pub limit_is_exclusive: bool,
    /// Taken whatever the limit says: a person released the hold, or the policy takes orders whose credit is not known.
    pub forced: bool,
}

/// An effect to do, or what became of one.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectChange {
    /// To do.
    New(NewEffect),
    /// What became of the one that the caller holds.
    Outcome(EffectOutcome),
    /// Those of the order that have stopped are due again.
    ResumeStopped {
        /// The order.
        order_id: OrderId,
        /// When.
        due_at: Timestamp,
    },
}

/// An effect to do.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEffect {
    /// What is to be done: the doer's own word.
    pub kind: &'static str,
    /// The order it is for.
    pub order_id: OrderId,
    /// What the doer needs.
    pub payload: serde_json::Value,
    /// When it may be done.
    pub due_at: Timestamp,
    /// Effects with the same key are done one at a time.
    pub serial_key: Option<String>,
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectOutcome {
    /// It is done.
    Done {
        /// The effect.
        effect: Uuid,
        /// The lease it was held under.
        lease: Uuid,
    },
    /// It is to be gone on with later.
    Later {
        /// The effect.
        effect: Uuid,
        /// The lease it was held under.
        lease: Uuid,
        /// When.
        due_at: Timestamp,
        /// What the doer writes down; None = what was written down stays.
        progress: Option<serde_json::Value>,
        /// Whether the lease is kept, to go on at once (`due_at` is then not looked at).
        keep_lease: bool,
    },
    /// It has stopped: a person is needed.
    Stopped {
        /// The effect.
        effect: Uuid,
        /// The lease it was held under.
        lease: Uuid,
        /// What the doer writes down; None = what was written down stays.
        progress: Option<serde_json::Value>,
    },
}

/// Begins an attempt: refused (`LeaseLost`) unless the lease is held and exactly `attempts_before` were begun.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptStart {
    /// The effect.
    pub effect: Uuid,
    /// The lease it is held under.
    pub lease: Uuid,
    /// Attempts begun so far, as the caller read it.
    pub attempts_before: u32,
    /// Now: past the lease's end nothing begins.
    pub now: Timestamp,
    /// What the doer writes down before the call.
    pub progress: serde_json::Value,
}

/// An answer kept for its idempotency key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyAnswer {
    /// Whose key, for which operation.
    pub scope: String,
    /// The key.
    pub key: String,
    /// Fingerprint of the canonical request.
    pub fingerprint: String,
    /// The HTTP status answered.
    pub status: u16,
    /// The body answered.
    pub body: serde_json::Value,
    /// What it is about, for `Location` and for a look at its current state.
    pub subject: Option<Uuid>,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// A line in the audit trail; the store chains it to the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// What was done: `order.received`, `hold.released` …
    pub action: String,
    /// To what.
    pub subject: String,
    /// Details, without personal data.
    pub detail: serde_json::Value,
}

/// A decision record to write: a [`DecisionRecord`](canonical_model::decision::DecisionRecord) with what is JSON in it as its
/// text.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDecision {
    /// Its id.
    pub decision_id: Uuid,
    /// What was decided: `order`, `quote` …
    pub kind: String,
    /// The account.
    pub account: AccountId,
    /// What it is about.
    pub subject: String,
    /// When.
    pub decided_at: Timestamp,
    /// What was asked.
    pub request: Written,
    /// What was known.
    pub facts: Written,
    /// The rules, in the order in which they were applied.
    pub steps: Vec<DecisionStep>,
    /// What came of it.
    pub outcome: Written,
}

#[cfg(test)]
impl NewDecision {
    /// A record as it is to be written.
    pub fn of(record: canonical_model::decision::DecisionRecord) -> serde_json::Result<Self> {
        Ok(Self {
            decision_id: record.decision_id,
            kind: record.kind,
            account: record.account,
            subject: record.subject,
            decided_at: record.decided_at,
            request: Written::of(&record.request)?,
            facts: Written::of(&record.facts)?,
            steps: record.steps,
            outcome: Written::of(&record.outcome)?,
        })
    }
}

/// What a commit came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Committed {
    /// Feed position of its last event; None = it had none, or the store gives positions after the commit, as
    /// `PostgreSQL` does: wait for [`position`](super::Store::position).
    pub position: Option<u64>,
    /// The documents it stored or owes, as they are now.
    pub documents: Vec<Document>,
    /// The sessions it opened or changed, as they are now.
    pub sessions: Vec<Session>,
}
