//! Carries on what no request carries on: received documents whose orders are not all taken, and due ones without
//! bytes.

use std::sync::Arc;

use bytes::Bytes;
use canonical_model::document::{Direction, Document, DocumentKind};
use service_runtime::{context::CallContext, trace::RequestScope};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CHANNEL, context,
    failure::Failure,
    owed::{Intake, OrderNews, kept},
    receive::decode,
    render, take,
};
use crate::{
    desk::{self, scope_of_document, scope_of_origin},
    state::AppState,
};

/// Works until told to stop, then waits for what was begun.
pub(super) async fn run(state: AppState, shutdown: CancellationToken) {
    let partners = state.edi.partners.values();
    let accounts = partners.map(|profile| (profile.company.clone(), profile.account.clone()));
    let trays = [(Direction::Inbound, None), (Direction::Outbound, None)];
    desk::open(&Clerk(state.clone()), accounts, &trays, &shutdown);
    shutdown.cancelled().await;
    state.edi.begun.close();
    state.edi.begun.wait().await;
}

/// The channel at its desk.
#[derive(Clone)]
pub(super) struct Clerk(pub(super) AppState);

impl desk::Clerk for Clerk {
    const CHANNEL: &'static str = CHANNEL;
    type Failure = Failure;

    fn state(&self) -> &AppState {
        &self.0
    }

    fn hands(&self) -> &Arc<Semaphore> {
        &self.0.edi.work
    }

    fn begun(&self) -> &TaskTracker {
        &self.0.edi.begun
    }

    fn context(&self, company: &str, accounts: Vec<String>) -> CallContext {
        context::of_worker(company, accounts)
    }

    fn scope_of(&self, document: &Document) -> RequestScope {
        scope_of(document)
    }

    async fn carry_on(&self, document: &Document, leased: Instant) -> Result<(), Failure> {
        carry_on(&self.0, document, leased).await
    }
}

/// An answer about an order continues the order's trace, and an interchange that of the request that brought it; all
/// else goes by the inbound document.
fn scope_of(document: &Document) -> RequestScope {
    let order = document
        .context
        .as_ref()
        .filter(|_| {
            document.kind == DocumentKind::OrderAcknowledgment && document.order_id.is_some()
        })
        .and_then(|context| serde_json::from_value::<OrderNews>(context.clone()).ok());
    if let Some(news) = order {
        return scope_of_origin(&news.order.trace_id, &news.order.correlation_id);
    }
    let intake = kept::<Intake>(document).ok();
    match intake.and_then(|intake| intake.request) {
        Some(request) => scope_of_origin(&request.trace_id, &request.correlation_id),
        None => scope_of_document(document.answers.unwrap_or(document.document_id)),
    }
}

/// Carries on a document that was leased at this instant.
pub(super) async fn carry_on(
    state: &AppState,
    document: &Document,
    leased: Instant,
) -> Result<(), Failure> {
    let profile = state
        .edi
        .partner(&document.partner)
        .ok_or(Failure::NoProfile)?;
    match document.direction {
        Direction::Inbound => {
            let content = document
                .content_base64
                .as_deref()
                .ok_or(Failure::NoContent(None))?;
            let bytes = Bytes::from(decode(content)?);
            let lease = document.lease.ok_or(Failure::NoContent(None))?;
            let leased = take::Leased {
                document,
                lease,
                content: take::Content::Bytes(bytes),
                until: leased + desk::WORK,
            };
            take::orders(state, profile, leased).await
        }
        Direction::Outbound => render::render(state, profile, document).await,
    }
}
