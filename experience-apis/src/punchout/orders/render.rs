//! Gives a confirmation that is due its bytes, from the document it answers and from what was kept when it became due.
//! Our secret is no part of them: it is put in when they are sent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use canonical_model::{
    DocumentId,
    document::{Document, DocumentContent},
};

use super::{
    Failure,
    answer::reread,
    kept::{OrderNews, Refusal, kept},
    read,
};
use crate::{
    punchout::{
        context,
        cxml::{
            MEDIA_TYPE,
            confirmation::{Confirmation, Outcome, write},
            outgoing::{Outgoing, Parties},
        },
        profile::{Cxml, Profile},
    },
    state::AppState,
};

/// Renders a leased confirmation.
pub(super) async fn render(
    state: &AppState,
    profile: &Profile,
    document: &Document,
) -> Result<(), Failure> {
    let lease = document.lease.ok_or(Failure::NoContent(None))?;
    let context = context::of_partner(profile);
    let inbound = document.answers.ok_or(Failure::AnswersNothing)?;
    let inbound = state.process.document(&context, inbound).await?;
    let is_cxml = inbound.media_type.as_deref() == Some(MEDIA_TYPE);
    let (bytes, media_type) = match profile.cxml.as_ref() {
        Some(cxml) if is_cxml => (confirmation(profile, cxml, document, &inbound)?, MEDIA_TYPE),
        None if is_cxml => return Err(Failure::NoCxml),
        // Nobody is sent anything: what there is to tell is kept for a person.
        _ => {
            let context = document.context.as_ref();
            let text = context.map(ToString::to_string).unwrap_or_default();
            (text, "application/json")
        }
    };
    let content = DocumentContent {
        lease,
        content_base64: STANDARD.encode(bytes),
        media_type: media_type.to_owned(),
    };
    let process = &state.process;
    let put = process.put_document_content(&context, document.document_id, &content);
    put.await?;
    Ok(())
}

fn confirmation(
    profile: &Profile,
    cxml: &Cxml,
    document: &Document,
    inbound: &Document,
) -> Result<String, Failure> {
    let content = inbound.content_base64.as_deref();
    let received = reread(&decode(content.ok_or(Failure::NoContent(None))?)?)?;
    let unsound = read::read(profile, &received.order).unsound;
    let refused_lines: Vec<(u32, String)> = unsound
        .into_iter()
        .map(|line| (line.number, line.reason))
        .collect();
    let news: OrderNews;
    let reasons: Vec<String>;
    let previous: Option<DocumentId>;
    let outcome = if document.order_id.is_some() {
        news = kept(document)?;
        match news.refused_change() {
            // It answers the document that asked for the change, and is the first to do so.
            Some(why) => {
                previous = None;
                reasons = why;
                Outcome::Refused(&reasons)
            }
            None => {
                previous = news.previous;
                Outcome::Order(&news.order)
            }
        }
    } else {
        previous = None;
        reasons = kept::<Refusal>(document)?.reasons;
        Outcome::Refused(&reasons)
    };
    let named = |id: DocumentId| {
        Outgoing::new(profile.version(), "confirmation", id.0, document.created_at)
    };
    let previous = previous.map(|id| named(id).payload_id);
    let outgoing = named(document.document_id);
    let parties = Parties {
        from: std::slice::from_ref(&cxml.us),
        to: cxml.theirs.get(..1).unwrap_or_default(),
        sender: &cxml.us,
        secret: None,
    };
    let confirmation = Confirmation {
        received: &received.order,
        request_payload_id: &received.payload_id,
        outcome,
        refused_lines: &refused_lines,
        previous: previous.as_deref(),
    };
    Ok(write(&outgoing, parties, &confirmation)?)
}

/// The bytes of a document.
pub(in crate::punchout) fn decode(content: &str) -> Result<Bytes, Failure> {
    let bytes = STANDARD.decode(content);
    bytes
        .map(Bytes::from)
        .map_err(|error| Failure::NoContent(Some(error)))
}
