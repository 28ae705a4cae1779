//! Carries on what no request carries on: orders received and not settled, confirmations without bytes, and those that
//! are ready to be sent.

use std::sync::Arc;

use canonical_model::document::{Direction, Document, DocumentState};
use service_runtime::{context::CallContext, trace::RequestScope};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Failure,
    answer::{self, Waiting, settle},
    kept::{Intake, OrderNews, kept},
    render::render,
};
use crate::{
    desk::{self, scope_of_document, scope_of_origin},
    punchout::{CHANNEL, context, send},
    state::AppState,
};

/// Works until told to stop, then waits for what was begun.
pub(in crate::punchout) async fn run(state: AppState, shutdown: CancellationToken) {
    let partners = state.punchout.partners.values();
    let accounts = partners.map(|profile| (profile.company.clone(), profile.account.clone()));
    let accounts: Vec<_> = accounts.collect();
    let trays = [(Direction::Inbound, None), (Direction::Outbound, None)];
    let clerk = Clerk {
        state: state.clone(),
        hands: Arc::clone(&state.punchout.work),
    };
    desk::open(&clerk, accounts.clone(), &trays, &shutdown);
    // Hands of its own: a partner that does not answer keeps no order waiting.
    let sender = Clerk {
        state: state.clone(),
        hands: Arc::clone(&state.punchout.sending),
    };
    let tray = (Direction::Outbound, Some(DocumentState::Ready));
    desk::open(&sender, accounts, &[tray], &shutdown);
    shutdown.cancelled().await;
    state.punchout.begun.close();
    state.punchout.begun.wait().await;
}

/// The channel at its desk.
#[derive(Clone)]
pub(in crate::punchout) struct Clerk {
    pub(in crate::punchout) state: AppState,
    pub(in crate::punchout) hands: Arc<Semaphore>,
}

impl desk::Clerk for Clerk {
    const CHANNEL: &'static str = CHANNEL;
    type Failure = Failure;

    fn state(&self) -> &AppState {
        &self.state
    }

    fn hands(&self) -> &Arc<Semaphore> {
        &self.hands
    }

    fn begun(&self) -> &TaskTracker {
        &self.state.punchout.begun
    }

    fn context(&self, company: &str, accounts: Vec<String>) -> CallContext {
        context::of_worker(company, accounts)
    }

    /// A confirmation continues the order's trace, and an order that of the request that brought it.
    fn scope_of(&self, document: &Document) -> RequestScope {
        if let Ok(news) = kept::<OrderNews>(document) {
            return scope_of_origin(&news.order.trace_id, &news.order.correlation_id);
        }
        let intake = kept::<Intake>(document).ok();
        match intake.and_then(|intake| intake.request) {
            Some(request) => scope_of_origin(&request.trace_id, &request.correlation_id),
            None => scope_of_document(document.answers.unwrap_or(document.document_id)),
        }
    }

    async fn carry_on(&self, document: &Document, leased: Instant) -> Result<(), Failure> {
        let state = &self.state;
        let profile = state.punchout.partner(&document.partner);
        let profile = profile.ok_or(Failure::NoProfile)?;
        match (document.direction, document.state) {
            (Direction::Inbound, _) => {
                let ordered = answer::ordered(profile, document)?;
                let until = leased + desk::WORK;
                let waiting = (&Waiting::nobody(), until);
                settle(state, profile, document, &ordered, waiting)
                    .await
                    .map(drop)
            }
            (Direction::Outbound, DocumentState::Ready) => {
                send::send(self, profile, document).await
            }
            (Direction::Outbound, _) => render(state, profile, document).await,
        }
    }
}
