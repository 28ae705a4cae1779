//! The store: the coordination state, and the one seam through which it changes.
//!
//! A command's whole result is one [`Commit`], applied in one transaction or not at all. The trait is cut at whole
//! commands, so that both engines can batch; no caller ever holds a transaction.

mod audit;
mod bounds;
mod channel;
mod commit;
mod config;
mod engine;
mod facts;
mod ledger;
mod moving;
#[cfg(test)]
mod moving_tests;
mod news;
pub mod postgres;
mod retention;
pub mod sqlite;
mod steps;
mod subscription;
#[cfg(test)]
mod suite;
mod written;

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, DocumentId, ItemNumber, OrderId, OrderReference, PurchaseOrderNumber,
    SessionId, SiteId, SubscriptionId,
    decision::DecisionRecord,
    document::{Direction, Document, DocumentState},
    event::CloudEvent,
    order::{HoldKind, OrderStatus},
    session::Session,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

pub use bounds::{BoundClaim, BoundFilter, BoundKey, BoundMovement, BoundSum};
pub use channel::{DocumentChange, NewDocument, NewSession, SessionChange};
pub use commit::{
    AttemptStart, AuditEntry, Cause, Commit, Committed, CreditClaim, CreditMovement, EffectChange,
    EffectOutcome, IdempotencyAnswer, NewDecision, NewEffect, NewEvent, OrderRow, Owner, QuoteRow,
    ReservationRow, StateRow, StockClaim, StockMovement, StreamChange, StreamKind,
};
pub use config::StoreConfig;
pub use engine::Engine;
pub use ledger::{CreditKey, CreditLevel, CreditLevelFact, StockKey, StockPosition, StockSnapshot};
pub use moving::{Moved, move_store};
pub use news::{CursorMove, DISMISSED_NEWS_KEPT, ParkChange, ParkStage, ParkStageWord, ParkedNews};
pub use retention::{Kept, Outdated};
pub use steps::Steps;
pub use subscription::{
    DEAD_LETTERS_KEPT, DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryState,
    LeasedSubscription, SealedSecret, SubscriptionChange, SubscriptionFilter, SubscriptionHealth,
    SubscriptionLease, SubscriptionRound, SubscriptionRow, SubscriptionSettings,
};
pub use written::{Payload, Written};

use crate::effects::gate::Gate;

/// So long after its end a session is still known by its id: what opened it does not open another.
pub const SESSION_KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Until when an effect waits that is woken rather than due.
pub const PARKED: Timestamp = Timestamp::constant(7_258_118_400, 0);

/// The position that a store set back at an instant goes on behind: the microseconds since 1970.
///
/// Readers that have come further than the store go on where they are, and none of their positions is given to another
/// event, however often and to whichever state it is set back. JSON holds it exactly until 2255.
pub fn set_back_position(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Why a commit, or a read, did not happen. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A stream is not at the version the commit expects: load it and decide again.
    #[error("{kind:?} {id} changed in the meantime")]
    VersionConflict {
        /// Which kind of stream.
        kind: StreamKind,
        /// Which stream.
        id: Uuid,
    },
    /// The idempotency key was used before: its answer.
    #[error("the idempotency key was used before")]
    KeyUsed(Box<IdempotencyAnswer>),
    /// The purchase order is another order already.
    #[error("the purchase order is order {0} already")]
    PurchaseOrderTaken(OrderId),
    /// A stock claim does not fit: decide again with newer positions.
    #[error("stock of {item} at {site} does not cover the claim", item = .0.item, site = .0.site)]
    StockShort(StockKey),
    /// A credit claim does not fit at this level: decide again with newer positions.
    #[error("the credit of {account} does not cover the claim", account = .0.account)]
    CreditShort(CreditKey),
    /// A claim would pass a bound: nothing more is taken under it.
    #[error("the bound {bound} does not cover the claim", bound = .0.bound)]
    BoundReached(BoundKey),
    /// The reader's cursor does not stand where the commit expects it: another instance was first. Read it anew.
    #[error("the cursor of {0} has moved")]
    CursorMoved(String),
    /// As many news wait as may: nothing more is taken before a person has looked at some.
    #[error("as many news wait as may")]
    ParkedFull,
    /// The lease under which the caller works is no longer its own, or the attempt was begun by another.
    #[error("the lease is held by another worker")]
    LeaseLost,
    /// A document with one of the duplicate keys is stored already; its content may be the same or not.
    #[error("the document was stored before")]
    DocumentKnown(Box<Document>),
    /// A session with this id was opened already, from the same content or not; it may have ended.
    #[error("the session was opened before")]
    SessionKnown {
        /// As it is now.
        session: Box<Session>,
        /// Of what opened it.
        fingerprint: String,
    },
    /// The partner has as many living sessions as it may.
    #[error("the partner has as many sessions as it may")]
    SessionLimit,
    /// The session is not at the version the commit expects, or has ended: read it and decide again.
    #[error("session {0} changed in the meantime")]
    SessionChanged(SessionId),
    /// The account has as many webhook subscriptions as it may.
    #[error("the account has as many subscriptions as it may")]
    SubscriptionLimit,
    /// The subscription is not at the version the commit expects, or is gone: read it and decide again.
    #[error("subscription {0} changed in the meantime")]
    SubscriptionChanged(SubscriptionId),
    /// Others wrote the same at the same time, again and again: send it again.
    #[error("others write the same at the same time")]
    Contended(#[source] anyhow::Error),
    /// This instance's clock is not the database server's: it takes up no work by it.
    #[error(
        "this instance's clock and the database server's are {0:#} apart; set both by NTP, then restart the instance"
    )]
    ClocksApart(SignedDuration),
    /// A newer release has brought the schema up to what this one would spoil.
    #[error(
        "the database was brought up by a newer release that this one cannot work with; stop this one and start that one"
    )]
    NewerRelease,
    /// The disk is full: nothing is taken until there is room.
    #[error("the store has no room left")]
    Full,
    /// The store does not answer, or what it holds cannot be read.
    #[error("the store failed")]
    Failed(#[source] anyhow::Error),
}

/// A state with the version it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// Events in the stream so far.
    pub version: u64,
    /// The state after them.
    pub state: T,
}

/// An event as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its place in the stream, from 1.
    pub version: u64,
    /// `order.received` …, without prefix and version.
    pub event_type: String,
    /// The version of the payload's shape.
    pub type_version: u16,
    /// The payload.
    pub data: Written,
}

/// Which orders to list.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only of these accounts; None = of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Only of this purchase order.
    pub purchase_order_number: Option<PurchaseOrderNumber>,
    /// Only where they stand here.
    pub status: Option<OrderStatus>,
    /// Only held ones: of one kind, or (`Some(None)`) of any.
    pub held: Option<Option<HoldKind>>,
    /// Before this order, in the order of the list (newest first).
    pub before: Option<OrderId>,
    /// At most so many.
    pub limit: u16,
}

/// Which documents to list.
#[derive(Debug, Clone)]
pub struct DocumentFilter {
    /// Only of these accounts; None = of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Only what answers this inbound document.
    pub answers: Option<DocumentId>,
    /// Of this channel.
    pub channel: String,
    /// Of this partner.
    pub partner: String,
    /// Which way.
    pub direction: Direction,
    /// Where they stand; None = anywhere.
    pub state: Option<DocumentState>,
    /// After this document (oldest first).
    pub after: Option<DocumentId>,
    /// At most so many.
    pub limit: u16,
}

/// What there is to do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentWork {
    /// Inbound and `received`: to be carried on.
    CarryOn,
    /// Outbound and `due`: to be rendered.
    Render,
    /// Outbound and `ready`: to be sent. Of one order and channel, only the oldest that is neither delivered nor refused.
    Send,
}

/// Which documents to lease, of those that nobody holds.
#[derive(Debug, Clone)]
pub struct DocumentLease {
    /// Of this company.
    pub company: CompanyId,
    /// Only of these accounts; None = of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Only what answers this inbound document.
    pub answers: Option<DocumentId>,
    /// Of this channel.
    pub channel: String,
    /// What is to be done with them.
    pub work: DocumentWork,
    /// At most so many, oldest first.
    pub limit: u16,
    /// Now.
    pub now: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Which sessions to find: living ones.
#[derive(Debug, Clone)]
pub struct SessionFilter {
    /// Only of these accounts; None = of all.
    pub accounts: Option<Vec<AccountId>>,
    /// Of this channel.
    pub channel: String,
    /// Of this partner.
    pub partner: String,
    /// With this key.
    pub key: String,
    /// Now.
    pub now: Timestamp,
    /// At most so many, newest first.
    pub limit: u16,
}

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// After this feed position.
    pub after: u64,
    /// At most so many.
    pub limit: u16,
    /// Only about these accounts; None = about all.
    pub accounts: Option<Vec<AccountId>>,
    /// Only of this company.
    pub company: Option<CompanyId>,
    /// Only of this stream.
    pub subject: Option<Uuid>,
    /// Only of these types (`order.received` …); empty = of all.
    pub types: Vec<String>,
}

/// What is on its way into an ERP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Orders whose creation there was written and is not done; those that wait for a person do not count.
    pub awaiting_erp: u64,
    /// When the oldest of those was written.
    pub oldest_since: Option<Timestamp>,
    /// Owners that take of a bound.
    pub provisional: u64,
}

/// Which of the effects that wait until [`PARKED`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parked {
    /// Those that wait at this gate.
    At(Gate),
    /// Those that wait at none of these.
    AtNoneOf(Vec<Gate>),
}

impl Parked {
    /// The gates, as [`Gate::KEY`] has them, and whether it is those that wait there.
    fn keys(&self) -> (Vec<String>, bool) {
        match self {
            Self::At(gate) => (vec![gate.to_string()], true),
            Self::AtNoneOf(gates) => (gates.iter().map(Gate::to_string).collect(), false),
        }
    }
}

/// An effect that a worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedEffect {
    /// Its id.
    pub effect: Uuid,
    /// What is to be done: the doer's own word.
    pub kind: String,
    /// The order it is for.
    pub order_id: OrderId,
    /// What the doer needs.
    pub payload: serde_json::Value,
    /// What the doer wrote down so far.
    pub progress: serde_json::Value,
    /// Attempts begun so far.
    pub attempt: u32,
    /// The lease.
    pub lease: Uuid,
    /// Until when it is held.
    pub until: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// W3C trace context of its cause.
    pub traceparent: String,
    /// Business correlation id of its cause.
    pub correlation_id: String,
    /// When the store was last set back to an earlier state, if ever.
    pub set_back_at: Option<Timestamp>,
}

/// What was written down of an effect. What is no JSON is given as its text: whoever is to do that effect cannot read it,
/// and all others are leased nevertheless.
fn as_written(text: String) -> serde_json::Value {
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

/// Where the coordination state is kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies the commit, durably, or nothing of it.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Installs newer stock facts, and answers the position of each key as it is now. An older fact changes nothing.
    async fn install_stock(
        &self,
        snapshots: Vec<StockSnapshot>,
    ) -> Result<Vec<StockPosition>, StoreError>;
    /// The position of each key that has one, and what `own` holds of it.
    async fn stock(
        &self,
        keys: &[StockKey],
        own: Option<Owner>,
    ) -> Result<Vec<StockPosition>, StoreError>;
    /// The same of one state of the store as it is at best: without the claims of others that the source may count already.
    /// Those are what is confirmed and no fact has covered yet, and what an order takes whose create was begun and is not
    /// settled; where a person was asked about that, nobody knows when it will be, and the claim counts.
    async fn stock_at_best(
        &self,
        keys: &[StockKey],
        own: Owner,
    ) -> Result<Vec<StockPosition>, StoreError>;
    /// Installs newer credit facts, and answers each level as it is now.
    async fn install_credit(
        &self,
        facts: Vec<CreditLevelFact>,
    ) -> Result<Vec<CreditLevel>, StoreError>;
    /// Each level that is known.
    async fn credit(&self, keys: &[CreditKey]) -> Result<Vec<CreditLevel>, StoreError>;

    /// What is taken of the sums that bound what is taken unasked, by name.
    async fn bounds(
        &self,
        company: &CompanyId,
        filter: BoundFilter,
    ) -> Result<Vec<BoundSum>, StoreError>;

    /// The answer stored under an idempotency key.
    async fn idempotency(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<IdempotencyAnswer>, StoreError>;
    /// The current state of a stream.
    async fn state(
        &self,
        kind: StreamKind,
        id: Uuid,
    ) -> Result<Option<Versioned<Written>>, StoreError> {
        let found = self.changed_state(kind, id, 0).await?;
        Ok(found.and_then(|Versioned { version, state }| {
            Some(Versioned {
                version,
                state: state?,
            })
        }))
    }
    /// The same without the state where that is the one at the version `known`.
    async fn changed_state(
        &self,
        kind: StreamKind,
        id: Uuid,
        known: u64,
    ) -> Result<Option<Versioned<Option<Written>>>, StoreError>;
    /// The ids of the streams of a kind, rising, after one: a share of all that have a row or an event.
    async fn stream_ids(
        &self,
        kind: StreamKind,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError>;
    /// The events of a stream after a version, oldest first: what its state is made of.
    async fn stream(
        &self,
        kind: StreamKind,
        id: Uuid,
        after: u64,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// The order that a purchase order is, unless it was freed.
    async fn order_of_purchase_order(
        &self,
        company: &CompanyId,
        account: &AccountId,
        purchase_order_number: &PurchaseOrderNumber,
        release_number: Option<&str>,
    ) -> Result<Option<OrderId>, StoreError>;
    /// Orders of a company, newest first: their states.
    async fn orders(
        &self,
        company: &CompanyId,
        filter: OrderFilter,
    ) -> Result<Vec<Versioned<Written>>, StoreError>;
    /// Reservations held beyond their time, oldest first.
    async fn expired_reservations(
        &self,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Uuid>, StoreError>;
    /// The states of the reservations that an account holds, as far as they have not been seen to expire.
    async fn held_reservations(
        &self,
        company: &CompanyId,
        account: &AccountId,
        limit: u32,
    ) -> Result<Vec<Written>, StoreError>;
    /// A decision record.
    async fn decision(&self, id: Uuid) -> Result<Option<(CompanyId, DecisionRecord)>, StoreError>;

    /// Events in feed order.
    async fn events(&self, filter: EventFilter) -> Result<Vec<CloudEvent>, StoreError>;
    /// The newest feed position; changes with, or soon after, every commit that brings events, and wakes who waits.
    fn position(&self) -> watch::Receiver<u64>;

    /// Leases due effects, oldest first; of effects with one serial key at most one is leased at a time.
    async fn lease_effects(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<LeasedEffect>, StoreError>;
    /// Counts an attempt by compare-and-set, before the call it stands for.
    async fn begin_attempt(&self, start: AttemptStart) -> Result<(), StoreError>;
    /// Makes effects due that wait until [`PARKED`], so many at most, oldest first; answers how many.
    async fn wake_parked(&self, parked: &Parked, most: u32) -> Result<u64, StoreError>;
    /// What is on its way into an ERP.
    async fn backlog(&self) -> Result<Backlog, StoreError>;
    /// When the next effect is due, if any waits.
    async fn next_effect_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Leases documents; each comes with its content and lease.
    async fn lease_documents(&self, lease: DocumentLease) -> Result<Vec<Document>, StoreError>;
    /// Documents, oldest first, without content.
    async fn documents(
        &self,
        company: &CompanyId,
        filter: DocumentFilter,
    ) -> Result<Vec<Document>, StoreError>;
    /// A document with its content.
    async fn document(
        &self,
        company: &CompanyId,
        id: DocumentId,
    ) -> Result<Option<Document>, StoreError>;
    /// Changes whenever a document may have become workable, and wakes who waits.
    fn document_work(&self) -> watch::Receiver<u64>;

    /// A session that lives.
    async fn session(
        &self,
        company: &CompanyId,
        channel: &str,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;
    /// Living sessions by a key, newest first.
    async fn sessions(
        &self,
        company: &CompanyId,
        filter: SessionFilter,
    ) -> Result<Vec<Session>, StoreError>;

    /// The order that has a reference.
    async fn order_of_reference(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Option<OrderId>, StoreError>;
    /// Where a reader's cursor stands; None = it has not moved yet.
    async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError>;
    /// What is parked under a key of a source.
    async fn parked(&self, source: &str, key: &str) -> Result<Option<ParkedNews>, StoreError>;
    /// Parked news by their id.
    async fn parked_by_id(
        &self,
        company: &CompanyId,
        id: Uuid,
    ) -> Result<Option<ParkedNews>, StoreError>;
    /// News of a company that a person has to look at, oldest first, after this one.
    async fn quarantined(
        &self,
        company: &CompanyId,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError>;
    /// Takes parked news that are due, oldest first, and puts each off until then, so that nobody else takes it.
    async fn lease_parked(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<ParkedNews>, StoreError>;
    /// When the next parked news are due, if any wait.
    async fn next_parked_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// A webhook subscription.
    async fn subscription(
        &self,
        company: &CompanyId,
        id: SubscriptionId,
    ) -> Result<Option<SubscriptionRow>, StoreError>;
    /// Webhook subscriptions, oldest first.
    async fn subscriptions(
        &self,
        company: &CompanyId,
        filter: SubscriptionFilter,
    ) -> Result<Vec<SubscriptionRow>, StoreError>;
    /// Leases subscriptions for which there is something to send.
    async fn lease_subscriptions(
        &self,
        lease: SubscriptionLease,
    ) -> Result<Vec<LeasedSubscription>, StoreError>;
    /// Events of a subscription that failed, oldest first.
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Deletes idempotency answers and document keys that have expired, and sessions that ended [`SESSION_KNOWN_FOR`]
    /// ago, news put aside [`DISMISSED_NEWS_KEPT`] and dead letters [`DEAD_LETTERS_KEPT`] ago, a bounded number at a
    /// time; answers how many. Call it again while it answers more than 0.
    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError>;
    /// What is no longer kept, by company.
    async fn outdated(&self, kept: Kept) -> Result<Vec<Outdated>, StoreError>;
    /// Removes a share of what is no longer kept; answers how many rows. Call it again while it answers more than 0.
    async fn forget(&self, kept: Kept, limit: u16) -> Result<u64, StoreError>;
    /// Notes that the store was set back to an earlier state: what was done outside for older orders is in doubt. New
    /// events have positions beyond [`set_back_position`].
    async fn set_back(&self, at: Timestamp) -> Result<(), StoreError>;
    /// Whether it can be written to.
    async fn check(&self) -> Result<(), StoreError>;
}

impl StockKey {
    /// A key from its parts.
    pub fn new(company: CompanyId, item: ItemNumber, site: SiteId) -> Self {
        Self {
            company,
            item,
            site,
        }
    }
}
