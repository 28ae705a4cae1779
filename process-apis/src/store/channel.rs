//! What a [`Commit`](super::Commit) changes for channels: their documents and their sessions.

use canonical_model::{AccountId, DocumentId, OrderId, SessionId, document::DocumentKind};
use jiff::Timestamp;
use uuid::Uuid;

/// A change to channel documents.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentChange {
    /// Stores an inbound document; refused (`DocumentKnown`) where one of its keys is known.
    Store(NewDocument),
    /// An outbound document is owed: it gets the next control number of channel and partner.
    Owe {
        /// Its id.
        id: DocumentId,
        /// The channel.
        channel: String,
        /// The partner.
        partner: String,
        /// The account.
        account: AccountId,
        /// What it says.
        kind: DocumentKind,
        /// The inbound document it answers.
        answers: Option<DocumentId>,
        /// The order it is about.
        order_id: Option<OrderId>,
        /// What the channel needs to render it.
        context: serde_json::Value,
        /// Leased to the caller at once, under this lease and until then.
        lease: Option<(Uuid, Timestamp)>,
    },
    /// The inbound document is answered; refused (`LeaseLost`) without the lease. Said twice, it changes nothing.
    Answer {
        /// The document.
        id: DocumentId,
        /// The lease it is held under.
        lease: Uuid,
        /// What became of it, in the channel's own terms.
        outcome: Option<serde_json::Value>,
    },
    /// The document cannot be carried on now: nobody is given it before then; refused (`LeaseLost`) without the lease.
    Postpone {
        /// The document.
        id: DocumentId,
        /// The lease it is held under.
        lease: Uuid,
        /// Until when.
        until: Timestamp,
    },
    /// The outbound document has its bytes, and is free to be leased again; refused (`LeaseLost`) without the lease.
    Render {
        /// The document.
        id: DocumentId,
        /// The lease it is held under.
        lease: Uuid,
        /// The bytes.
        content: Vec<u8>,
        /// Their media type.
        media_type: String,
    },
    /// The partner has it, and nobody holds it any more. Said twice, it changes nothing.
    Deliver {
        /// The document.
        id: DocumentId,
    },
    /// The partner's system does not take it; refused (`LeaseLost`) without the lease. Said twice, it changes nothing.
    Refuse {
        /// The document.
        id: DocumentId,
        /// The lease it is held under.
        lease: Uuid,
        /// Why.
        outcome: serde_json::Value,
    },
}

/// An inbound document to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Its id.
    pub id: DocumentId,
    /// The channel.
    pub channel: String,
    /// The partner.
    pub partner: String,
    /// The account.
    pub account: AccountId,
    /// The bytes as they came.
    pub content: Vec<u8>,
    /// Their media type.
    pub media_type: String,
    /// What makes it a duplicate.
    pub duplicate_keys: Vec<String>,
    /// Until when the keys are kept.
    pub keys_expire_at: Timestamp,
    /// Whether there is anything left to do with it.
    pub work: bool,
    /// What the channel needs to carry it on.
    pub context: Option<serde_json::Value>,
    /// Leased to the caller at once, under this lease and until then.
    pub lease: Option<(Uuid, Timestamp)>,
}

/// A change to the sessions of the cause's company and channel.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionChange {
    /// Opens one. Refused where its id is known (`SessionKnown`), or its partner has as many that live as it may
    /// (`SessionLimit`).
    Open(NewSession),
    /// Changes one that lives; refused (`SessionChanged`) unless it has the expected version.
    Change {
        /// The session.
        id: SessionId,
        /// The version it must have.
        expected_version: u64,
        /// What the channel keeps from now on.
        content: serde_json::Value,
        /// Until when it lives.
        expires_at: Timestamp,
    },
}

/// A session to open.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The partner.
    pub partner: String,
    /// The account.
    pub account: AccountId,
    /// What it is found by.
    pub keys: Vec<String>,
    /// What the channel keeps.
    pub content: serde_json::Value,
    /// Of what opens it: tells whether another opening is this one again.
    pub fingerprint: String,
    /// Until when it lives.
    pub expires_at: Timestamp,
    /// As many sessions of the partner may live.
    pub most: u32,
}
