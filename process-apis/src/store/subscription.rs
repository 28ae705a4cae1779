//! Webhook subscriptions in the store: a cursor each in the log, and the orders and events that wait beside it.
//!
//! One instance at a time sends for a subscription, under a lease. What a round of sending came to is written only if
//! the lease is still held and the subscription was not changed meanwhile; else it is as if the round had not been, and
//! what it sent is sent again under the same ids.

use canonical_model::{
    AccountId, CompanyId, SubscriptionId,
    subscription::{DeliveryFailure, DisabledReason, SubscriptionState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// So long a dead letter is kept.
pub const DEAD_LETTERS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a subscriber chose, and what signs for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSettings {
    /// Where events are posted to.
    pub url: String,
    /// Which types of event, as the subscriber wrote them; empty = all.
    pub types: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What signs, newest first.
    pub secrets: Vec<SealedSecret>,
}

/// A signing secret, encrypted under a key that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Nonce and ciphertext, in base64.
    pub sealed: String,
    /// Until when it signs; None = it is the newest.
    pub until: Option<Timestamp>,
}

/// How sending went so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionHealth {
    /// Orders that have begun to fail since the last success, and what was tried since to see whether all do.
    pub failures: u32,
    /// Since when nothing but failures.
    pub failing_since: Option<Timestamp>,
    /// The last success.
    pub last_success_at: Option<Timestamp>,
    /// The last failure.
    pub last_failure: Option<DeliveryFailure>,
    /// Whether the next trial, while all fails, is of the next event of the log and not of an order that waits.
    pub try_next: bool,
    /// Why we have stopped.
    pub disabled_reason: Option<DisabledReason>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Its id.
    pub id: SubscriptionId,
    /// The company.
    pub company: CompanyId,
    /// The account whose orders it is about.
    pub account: AccountId,
    /// Rises with every change of settings, state or cursor that a person makes.
    pub version: u64,
    /// What was chosen.
    pub settings: SubscriptionSettings,
    /// Whether events are sent.
    pub state: SubscriptionState,
    /// How sending went.
    pub health: SubscriptionHealth,
    /// Nothing is sent before.
    pub paused_until: Option<Timestamp>,
    /// Up to here in the feed everything is sent, waits, or is a dead letter.
    pub position: u64,
    /// Orders that wait.
    pub waiting: u32,
    /// Dead letters.
    pub dead: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a person last changed it.
    pub changed_at: Timestamp,
}

/// A subscription that the caller alone sends for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedSubscription {
    /// As it is.
    pub row: SubscriptionRow,
    /// The lease.
    pub lease: Uuid,
    /// Until when it is held.
    pub until: Timestamp,
}

/// Which subscriptions to lease: those with something to send, longest not served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionLease {
    /// Now.
    pub now: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// At most so many whose last attempt succeeded.
    pub healthy: u16,
    /// At most so many of the others: they may not take all room from those that work.
    pub failing: u16,
}

/// Where an event stands that is not simply delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits to be tried again, and nothing later of its order is sent before it. One an order.
    Waiting,
    /// It was given up; sent again only where somebody asks for it.
    Dead,
}

/// An event that failed, or waits behind one of its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its position in the feed.
    pub position: u64,
    /// The event.
    pub event_id: Uuid,
    /// The order.
    pub subject: Uuid,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it is tried again.
    pub due_at: Option<Timestamp>,
    /// When it was given up.
    pub dead_since: Option<Timestamp>,
    /// What is told of it.
    pub detail: DeliveryDetail,
}

/// What is told of an event that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryDetail {
    /// Its type, in full.
    pub event_type: String,
    /// Its sequence in the order.
    pub sequence: u64,
    /// Attempts made.
    pub attempts: u32,
    /// When it first failed.
    pub first_failed_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_failure: Option<DeliveryFailure>,
}

/// Which deliveries to read, oldest event first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this subscription.
    pub subscription: SubscriptionId,
    /// In this state.
    pub state: DeliveryState,
    /// Only of this event.
    pub event: Option<Uuid>,
    /// Only those due by then.
    pub due_by: Option<Timestamp>,
    /// After this position.
    pub after: u64,
    /// At most so many.
    pub limit: u16,
}

/// Which subscriptions to list, oldest first.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// Only of these accounts; None = of all.
    pub accounts: Option<Vec<AccountId>>,
    /// After this one.
    pub after: Option<SubscriptionId>,
    /// At most so many.
    pub limit: u16,
}

/// A change to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// Makes one; refused (`SubscriptionLimit`) where the account has as many as it may.
    Create {
        /// Its id.
        id: SubscriptionId,
        /// The account.
        account: AccountId,
        /// What was chosen.
        settings: SubscriptionSettings,
        /// Events after this position are sent.
        position: u64,
        /// As many may the account have.
        most: u32,
    },
    /// Changes one; refused (`SubscriptionChanged`) unless it has the expected version.
    Change {
        /// Which.
        id: SubscriptionId,
        /// The version it must have.
        expected_version: u64,
        /// What is chosen from now on.
        settings: SubscriptionSettings,
        /// Whether events are sent. Made active, or given another address, it begins anew: nothing has failed, and what
        /// waits is due.
        state: SubscriptionState,
    },
    /// Moves the cursor back, and forgets what failed after it; refused (`SubscriptionChanged`) unless it has the
    /// expected version.
    Rewind {
        /// Which.
        id: SubscriptionId,
        /// The version it must have.
        expected_version: u64,
        /// To where. A cursor that stands before it stays.
        position: u64,
    },
    /// Ends one, with all that waits; refused (`SubscriptionChanged`) unless it has the expected version.
    Delete {
        /// Which.
        id: SubscriptionId,
        /// The version it must have.
        expected_version: u64,
    },
    /// A dead letter is to be sent again. Where there is none, nothing changes.
    Replay {
        /// Of which subscription.
        id: SubscriptionId,
        /// Its position.
        position: u64,
        /// When.
        due_at: Timestamp,
    },
    /// What a round of sending came to, and the end of its lease; refused (`LeaseLost`) unless the lease is held and
    /// the version is still the one that was leased.
    Settle(Box<SubscriptionRound>),
    /// The end of a lease, whatever else has changed.
    Release {
        /// Of which subscription.
        id: SubscriptionId,
        /// The lease.
        lease: Uuid,
    },
}

/// What a round of sending came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRound {
    /// For which subscription.
    pub id: SubscriptionId,
    /// The lease it was sent under.
    pub lease: Uuid,
    /// The version that was leased.
    pub version: u64,
    /// Where the cursor is to stand.
    pub position: u64,
    /// Deliveries that are over, by position.
    pub over: Vec<u64>,
    /// Deliveries as they stand now, in place of those at the same position.
    pub put: Vec<DeliveryRow>,
    /// How sending went.
    pub health: SubscriptionHealth,
    /// Nothing is sent before.
    pub paused_until: Option<Timestamp>,
    /// The receiver works again: all that waits is due now.
    pub wake: Option<Timestamp>,
}

impl SubscriptionRow {
    /// Whether its last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.health.failures > 0
    }
}
