//! Sends confirmations to where the partner wants them, until its system answers. What is sent are the stored bytes, with
//! our secret put in on the way out.

use canonical_model::document::{Document, RefuseDocument};
use rand::Rng as _;
use reqwest::{Client, StatusCode, header};
use service_runtime::{
    config::{HumanDuration, Secret},
    http_client::{BackendClientConfig, backend_client},
};

use super::{
    context,
    cxml::{
        MEDIA_TYPE, envelope,
        status::Status,
        xml::{self, Characters, Element, Node},
    },
    orders::{Failure, decode},
    profile::Profile,
};
use crate::{
    desk::{self, told},
    punchout::orders::Clerk,
};

/// The longest wait for the answer, connecting included.
const PATIENCE: HumanDuration = HumanDuration::from_secs(10);
/// An answer is a Response with a Status.
const MOST_ANSWER: usize = 64 * 1024;
/// Characters of a reason that is kept.
const MOST_REASON: usize = 1_000;
/// Up to this part of a wait is taken off it, so that those who failed together do not come back together.
const SPREAD: u16 = 10;

/// A client that follows nobody elsewhere.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    backend_client(&BackendClientConfig {
        connect_timeout: HumanDuration::from_secs(5),
        timeout: PATIENCE,
        ..BackendClientConfig::default()
    })
}

/// Why a document is sent again later.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("no connection, or no answer in time")]
    Http(#[from] reqwest::Error),
    #[error("HTTP {0}, where 200 with a cXML Response is due")]
    Code(StatusCode),
    #[error("the answer is longer than {MOST_ANSWER} bytes")]
    TooLong,
    #[error("the answer is no cXML Response")]
    NoResponse(#[source] Status),
    #[error("the answer is {0}")]
    Transient(String),
}

/// Sends a leased confirmation, and writes down what was answered.
pub(super) async fn send(
    clerk: &Clerk,
    profile: &Profile,
    document: &Document,
) -> Result<(), Failure> {
    let state = &clerk.state;
    let lease = document.lease.ok_or(Failure::NoContent(None))?;
    let (context, id) = (context::of_partner(profile), document.document_id);
    let cxml = profile.cxml.as_ref();
    let is_cxml = document.media_type.as_deref() == Some(MEDIA_TYPE);
    let url = cxml.and_then(|cxml| cxml.confirmation_url.as_deref());
    let Some(url) = url.filter(|_| is_cxml) else {
        // Nothing is sent to this partner, or nothing of this dialect.
        state.process.confirm_document(&context, id).await?;
        return Ok(());
    };
    let content = document.content_base64.as_deref();
    let bytes = decode(content.ok_or(Failure::NoContent(None))?)?;
    let secret = state.config.punchout.secret(&profile.id);
    let body = with_secret(&bytes, secret).map_err(Failure::NoLongerRead)?;
    let result = match post(&state.punchout.client, url, body).await {
        Ok(answer) if answer.is_success() => {
            state.process.confirm_document(&context, id).await?;
            "delivered"
        }
        Ok(answer) => {
            let reason = format!("{} {}", answer.code, answer.detail);
            let reason: String = reason.trim().chars().take(MOST_REASON).collect();
            tracing::warn!(
                partner = profile.id, document_id = %id, answer = reason,
                "a confirmation was refused: a person has to look, it is not sent again"
            );
            let refusal = RefuseDocument { lease, reason };
            state
                .process
                .refuse_document(&context, id, &refusal)
                .await?;
            "refused"
        }
        Err(unanswered) => {
            let seconds = again_in(document, clerk);
            tracing::warn!(
                partner = profile.id, document_id = %id, cause = told(&unanswered),
                again_in_seconds = seconds, "a confirmation is sent again"
            );
            desk::postpone(clerk, profile.company.as_str(), document, seconds).await;
            "postponed"
        }
    };
    metrics::counter!("orderway_punchout_confirmations_total", "result" => result).increment(1);
    Ok(())
}

/// After a minute, and then ever less often: once an hour at the least.
fn again_in(document: &Document, clerk: &Clerk) -> u16 {
    let longest = desk::longer(document, clerk.state.clock.now());
    let spread = rand::rng().random_range(0..=longest.div_euclid(SPREAD));
    longest.saturating_sub(spread)
}

async fn post(client: &Client, url: &str, body: String) -> Result<envelope::Answer, Unanswered> {
    let request = client
        .post(url)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::ACCEPT, "text/xml, application/xml")
        .body(body);
    let mut response = request.send().await?;
    if response.status() != StatusCode::OK {
        return Err(Unanswered::Code(response.status()));
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > MOST_ANSWER {
            return Err(Unanswered::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    let charset = content_type
        .as_deref()
        .and_then(super::cxml_routes::charset);
    let answer =
        envelope::read_answer(&bytes, MOST_ANSWER, charset).map_err(Unanswered::NoResponse)?;
    if answer.is_transient() {
        return Err(Unanswered::Transient(format!(
            "{} {}",
            answer.code, answer.detail
        )));
    }
    Ok(answer)
}

/// The stored document with the Sender's secret.
fn with_secret(bytes: &[u8], secret: Option<&Secret>) -> Result<String, Status> {
    let document = xml::read(bytes, bytes.len(), None)?;
    let mut root = document.root;
    if let Some(secret) = secret {
        let place = inside(&mut root, &["Header", "Sender", "Credential"]);
        let secret = Element::new("SharedSecret").text(secret.expose());
        if let Some(credential) = place {
            credential.children.push(Node::Element(secret));
        }
    }
    let dtd = document.doctype.and_then(|doctype| doctype.system);
    Ok(xml::document(&root, dtd.as_deref(), Characters::Unicode))
}

fn inside<'a>(element: &'a mut Element, path: &[&str]) -> Option<&'a mut Element> {
    let Some((name, rest)) = path.split_first() else {
        return Some(element);
    };
    let found = element.children.iter_mut().find_map(|node| match node {
        Node::Element(child) if child.name == *name => Some(child),
        Node::Element(_) | Node::Text(_) => None,
    });
    inside(found?, rest)
}
