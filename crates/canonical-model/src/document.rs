//! Channel documents: what a channel received and sent, kept for it as opaque bytes with keys.
//!
//! A channel stores what it received before it acknowledges anything, and asks in the same step for the documents it
//! owes (such as the syntax acknowledgement): they are made `due`, each with its control number, in the same commit.
//! It then leases a due document, renders it, and posts the bytes. A crash in between changes nothing: the next lease
//! renders the same document with the same control number.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ids::{AccountId, DocumentId, OrderId};

/// Which way a document goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the partner.
    Inbound,
    /// To the partner.
    Outbound,
}

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    /// Inbound: stored, and to be carried on from its bytes.
    Received,
    /// Inbound: everything in it has been answered.
    Answered,
    /// Outbound: to be rendered.
    Due,
    /// Outbound: rendered, and waits in the mailbox.
    Ready,
    /// Outbound: the partner confirmed that it has it.
    Delivered,
    /// Outbound: the partner's system answered that it does not take it; a person has to look.
    Refused,
}

/// What an outbound document says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// What came in.
    Interchange,
    /// Whether the syntax was understood (X12 997 and TA1).
    FunctionalAcknowledgment,
    /// What became of an order (X12 855).
    OrderAcknowledgment,
}

/// Stores an inbound document; `POST /v1/documents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreDocument {
    /// The trading partner.
    #[schema(max_length = 40)]
    pub partner: String,
    /// The account the partner orders for.
    pub account: AccountId,
    /// The bytes as they came, in base64.
    pub content_base64: String,
    /// Their media type.
    #[schema(max_length = 100)]
    pub media_type: String,
    /// What makes it a duplicate of another (such as sender, receiver and interchange control number).
    #[schema(max_items = 100)]
    pub duplicate_keys: Vec<String>,
    /// Whether there is anything left to do with it after it is stored.
    pub work: bool,
    /// What the channel needs to carry it on, in its own terms; given back with the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<serde_json::Value>,
    /// The documents owed for it.
    #[schema(max_items = 100)]
    pub owed: Vec<OwedDocument>,
}

/// An outbound document that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwedDocument {
    /// What it says.
    pub kind: DocumentKind,
    /// What the channel needs to render it, in its own terms.
    #[schema(value_type = Object)]
    pub context: serde_json::Value,
}

/// The answer to a stored document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredDocument {
    /// The document; the first one where this is a repetition.
    pub document: Document,
    /// True where the same bytes with one of the same keys were stored before: nothing was written.
    pub repeated: bool,
    /// The documents owed for it, leased to the caller where they are due.
    pub owed: Vec<Document>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its id.
    pub document_id: DocumentId,
    /// The channel.
    pub channel: String,
    /// The trading partner.
    pub partner: String,
    /// The account.
    pub account: AccountId,
    /// Which way it goes.
    pub direction: Direction,
    /// What it says.
    pub kind: DocumentKind,
    /// Where it stands.
    pub state: DocumentState,
    /// Outbound: its control number, counted up by channel and partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_number: Option<u64>,
    /// Outbound: the inbound document it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<DocumentId>,
    /// Outbound: the order it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// What the channel needs to carry it on, or to render it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<serde_json::Value>,
    /// Inbound: what became of it, in the channel's own terms, so that the same once more is answered alike. Outbound: why
    /// it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<serde_json::Value>,
    /// When it was stored or became due.
    pub created_at: Timestamp,
    /// Media type of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The bytes in base64; absent in lists, and while it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// The lease under which the caller holds it; absent = it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Uuid>,
}

/// Leases documents to work on; `POST /v1/documents/leases`.
///
/// Inbound: `received` ones. Outbound: `due` ones, to be rendered, or, for a channel that sends, `ready` ones: of one order only the oldest that is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseDocuments {
    /// Which way.
    pub direction: Direction,
    /// Where they stand: `received`, `due` or `ready`; absent = `received` or `due`, by the direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DocumentState>,
    /// How many, 1 to 100.
    pub limit: u16,
    /// For how long, 1 to 60 seconds.
    pub seconds: u16,
    /// Waits so long for work before answering empty, 0 to 30 seconds.
    #[serde(default)]
    pub wait_seconds: u16,
}

/// The leased documents, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeasedDocuments {
    /// With content and lease.
    pub documents: Vec<Document>,
}

/// Says that everything in an inbound document is answered; `POST /v1/documents/{document_id}/answer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerDocument {
    /// The lease it is held under.
    pub lease: Uuid,
    /// The documents owed for what became no order.
    #[schema(max_items = 10000)]
    pub owed: Vec<OwedDocument>,
    /// What became of it, in the channel's own terms; given back with the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<serde_json::Value>,
}

/// Says that the partner's system does not take an outbound document; `POST /v1/documents/{document_id}/refuse`. It is
/// not sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefuseDocument {
    /// The lease it is held under.
    pub lease: Uuid,
    /// What the partner's system answered.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// Puts off a document that cannot be carried on now; `POST /v1/documents/{document_id}/postpone`. Nobody is given it
/// before the time is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostponeDocument {
    /// The lease it is held under.
    pub lease: Uuid,
    /// For how long, 1 to 3,600 seconds.
    pub seconds: u16,
}

/// Gives a due document its bytes; `PUT /v1/documents/{document_id}/content`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentContent {
    /// The lease it is held under.
    pub lease: Uuid,
    /// The bytes in base64.
    pub content_base64: String,
    /// Their media type.
    #[schema(max_length = 100)]
    pub media_type: String,
}

/// Lists documents; `GET /v1/documents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DocumentSearch {
    /// The trading partner.
    pub partner: String,
    /// Which way.
    pub direction: Direction,
    /// Where they stand; absent = anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DocumentState>,
    /// Where to go on: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many, 1 to 200; 50 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// A page of documents, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentPage {
    /// Without content.
    pub items: Vec<Document>,
    /// The cursor of the page after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
