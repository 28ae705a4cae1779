//! What the sender is told, and how: in the Response while it waits for one, else by a `ConfirmationRequest`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use canonical_model::document::{AnswerDocument, Document, DocumentKind, OwedDocument};
use tokio::time::Instant;

use super::{
    Failure, Ordered,
    kept::{Outcome, Refusal},
    read,
    render::decode,
    take::{Taken, take},
};
use crate::{
    placing::patiently,
    punchout::{
        context,
        cxml::{
            MEDIA_TYPE, envelope, order,
            status::{Code, Status},
            xml,
        },
        oci,
        profile::Profile,
    },
    state::AppState,
};

/// Whether somebody waits for the Response. Who is first decides: an order that is settled while its sender waits is
/// answered in the Response, and a sender that goes is told otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Nobody waits.
    pub(super) fn nobody() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Decides it; true for who is first.
    pub(super) fn decide(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// An `OrderRequest`, as it was received.
pub(super) struct Received {
    /// Its payloadID.
    pub(super) payload_id: String,
    /// What it asks for.
    pub(super) order: order::OrderRequest,
}

/// Reads what a stored document orders once more.
pub(super) fn ordered(profile: &Profile, document: &Document) -> Result<Ordered, Failure> {
    let content = document.content_base64.as_deref();
    let bytes = decode(content.ok_or(Failure::NoContent(None))?)?;
    match document.media_type.as_deref() {
        Some(MEDIA_TYPE) => Ok(read::read(profile, &reread(&bytes)?.order)),
        Some(oci::ORDER_MEDIA_TYPE) => oci::ordered(profile, &bytes).ok_or_else(|| {
            let sentence = "The order is no longer as it was agreed.";
            Failure::NoLongerRead(Status::new(Code::BadRequest, sentence))
        }),
        other => Err(Failure::NoDialect(other.unwrap_or_default().to_owned())),
    }
}

/// Reads a stored `OrderRequest` once more.
pub(super) fn reread(bytes: &Bytes) -> Result<Received, Failure> {
    let document = xml::read(bytes, bytes.len(), None);
    let document = document.map_err(|error| Failure::NoLongerRead(error.into()))?;
    let envelope = envelope::read(&document).map_err(Failure::NoLongerRead)?;
    let order = order::read(&envelope.request).map_err(Failure::NoLongerRead)?;
    Ok(Received {
        payload_id: envelope.payload_id,
        order,
    })
}

/// Takes the order of a leased document, and answers the document. What the Response says, if anybody waits for it.
pub(super) async fn settle(
    state: &AppState,
    profile: &Profile,
    document: &Document,
    ordered: &Ordered,
    (waiting, until): (&Waiting, Instant),
) -> Result<Status, Failure> {
    let lease = document.lease.ok_or(Failure::NoContent(None))?;
    let taken = match read::check(profile, ordered) {
        Ok(()) => take(state, profile, document, ordered, until).await?,
        // Something else was agreed since it was received.
        Err(status) => Taken::Refused(status),
    };
    let outcome = match &taken {
        Taken::Done(_) => "taken",
        Taken::Refused(_) => "refused",
        Taken::Rejected(_) => "rejected",
    };
    let confirmed = confirms(profile, document.media_type.as_deref());
    let (status, refusal) = said(taken, waiting.decide(), confirmed);
    let owed = refusal.map(|refusal| {
        let context = serde_json::to_value(refusal).map_err(Failure::Owed)?;
        let kind = DocumentKind::OrderAcknowledgment;
        Ok::<_, Failure>(OwedDocument { kind, context })
    });
    let answer = AnswerDocument {
        lease,
        owed: owed.transpose()?.into_iter().collect(),
        outcome: Some(serde_json::to_value(Outcome::from(&status)).map_err(Failure::Owed)?),
    };
    let (process, context) = (&state.process, context::of_partner(profile));
    patiently(|| process.answer_document(&context, document.document_id, &answer)).await?;
    metrics::counter!("orderway_punchout_orders_total", "outcome" => outcome).increment(1);
    tracing::info!(
        partner = profile.id,
        document_id = %document.document_id,
        outcome,
        status = status.code.number(),
        "order request settled"
    );
    Ok(status)
}

/// The Status, and what a confirmation owed says besides. Without an address for confirmations the Status is all that
/// can be said.
fn said(taken: Taken, in_time: bool, confirmed: bool) -> (Status, Option<Refusal>) {
    let received = |detail: &str| Status::new(Code::Ok, detail);
    match taken {
        // Who was told so already is told the same again.
        Taken::Done(_) if confirmed && !in_time => (received(FOLLOWS), None),
        Taken::Done(said) if confirmed => (
            received(&format!("{said} A ConfirmationRequest follows.")),
            None,
        ),
        Taken::Done(said) => (received(&said), None),
        Taken::Refused(status) if in_time || !confirmed => (status, None),
        Taken::Refused(status) => {
            let reasons = vec![status.detail];
            (received(FOLLOWS), Some(Refusal { reasons }))
        }
        Taken::Rejected(reasons) if confirmed => (received(FOLLOWS), Some(Refusal { reasons })),
        Taken::Rejected(reasons) => (
            Status::new(Code::ExpectationFailed, reasons.join(" ")),
            None,
        ),
    }
}

/// Whether confirmations tell the sender of a document what becomes of it.
pub(super) fn confirms(profile: &Profile, media_type: Option<&str>) -> bool {
    let spoken = profile.cxml.as_ref();
    media_type == Some(MEDIA_TYPE) && spoken.is_some_and(|cxml| cxml.confirmation_url.is_some())
}

/// Received, and nothing more can be said yet.
pub(super) fn follows(confirmed: bool) -> Status {
    let sentence = if confirmed {
        FOLLOWS
    } else {
        "Received, and being worked on: send the same document again to hear what became of it."
    };
    Status::new(Code::Ok, sentence)
}

const FOLLOWS: &str = "Received. What becomes of it is told by a ConfirmationRequest.";
