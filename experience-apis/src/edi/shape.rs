//! What partners read that is no X12: the mailbox, and a note where no acknowledgement is due.

use canonical_model::{
    DocumentId, OrderId,
    document::{Document, DocumentKind, DocumentState},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::agreement::control_number;

/// Interchanges that were taken and ask for no acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Taken {
    /// The stored documents, one for each interchange.
    pub(super) documents: Vec<DocumentId>,
    /// A sentence.
    pub(super) note: String,
}

/// Where a document in the mailbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MailboxState {
    /// It waits to be fetched and confirmed.
    Ready,
    /// You confirmed it.
    Delivered,
}

impl From<MailboxState> for DocumentState {
    fn from(state: MailboxState) -> Self {
        match state {
            MailboxState::Ready => Self::Ready,
            MailboxState::Delivered => Self::Delivered,
        }
    }
}

/// Which documents to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MailboxSearch {
    /// `ready` unless said.
    pub(super) state: Option<MailboxState>,
    /// Where to go on: `next` of the page before.
    pub(super) cursor: Option<String>,
    /// How many, 1 to 200; 50 unless said.
    pub(super) limit: Option<u16>,
}

/// A page of the mailbox, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MailboxPage {
    /// The documents.
    pub(super) items: Vec<MailboxEntry>,
    /// The cursor of the page after, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A document for you.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MailboxEntry {
    /// Its id: fetch and confirm it by this.
    pub(super) document_id: DocumentId,
    /// `997` (with TA1 where one is due) or `855`.
    #[schema(example = "855")]
    pub(super) transaction_set: String,
    /// Where it stands.
    pub(super) state: MailboxState,
    /// Its ISA13.
    #[schema(example = "000000042")]
    pub(super) control_number: String,
    /// Your document that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answers: Option<DocumentId>,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_id: Option<OrderId>,
    /// Since when it is due.
    pub(super) created_at: Timestamp,
}

impl MailboxEntry {
    /// As the partner sees it; `None` = it is nothing in the mailbox.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let state = match document.state {
            DocumentState::Ready => MailboxState::Ready,
            DocumentState::Delivered => MailboxState::Delivered,
            DocumentState::Received
            | DocumentState::Answered
            | DocumentState::Due
            | DocumentState::Refused => return None,
        };
        let transaction_set = match document.kind {
            DocumentKind::FunctionalAcknowledgment => "997",
            DocumentKind::OrderAcknowledgment => "855",
            DocumentKind::Interchange => return None,
        };
        let number = control_number(document.control_number.unwrap_or_default());
        Some(Self {
            document_id: document.document_id,
            transaction_set: transaction_set.to_owned(),
            state,
            control_number: edi::x12::control::interchange(number),
            answers: document.answers,
            order_id: document.order_id,
            created_at: document.created_at,
        })
    }
}
