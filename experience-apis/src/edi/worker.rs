//! Carries on what no request carries on: received documents whose orders are not all taken, and due ones without
//! bytes. Work is leased, so any number of instances share it, and a crash only means that a lease lapses.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use canonical_model::document::{
    Direction, Document, DocumentKind, LeaseDocuments, PostponeDocument,
};
use jiff::Timestamp;
use rand::Rng as _;
use service_runtime::trace::RequestScope;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    context,
    failure::{Failure, told},
    owed::{Intake, OrderNews, kept},
    receive::decode,
    render, take,
};
use crate::{LAYER, clients::process::CallError, state::AppState};

/// How long a document is ours; also how soon one is tried again whose failure may pass.
const LEASE_SECONDS: u16 = 60;
/// The longest that one waits whose failure does not pass.
const LONGEST_WAIT_SECONDS: u16 = 3_600;
/// How long orders of one are taken, counted from its lease.
const WORK: Duration = Duration::from_secs(50);
/// Accounts named in one call: the context that carries them has a size.
const MOST_ACCOUNTS: usize = 200;
/// How long the layer below waits for work before it answers empty.
const WAIT_SECONDS: u16 = 20;
/// An empty answer sooner than this was not waited for.
const SOON: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Works until told to stop, then waits for what was begun.
pub(super) async fn run(state: AppState, shutdown: CancellationToken) {
    let mut companies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for profile in state.edi.partners.values() {
        let accounts = companies
            .entry(profile.company.as_str().to_owned())
            .or_default();
        accounts.insert(profile.account.as_str().to_owned());
    }
    for (company, accounts) in companies {
        let accounts: Vec<String> = accounts.into_iter().collect();
        for accounts in accounts.chunks(MOST_ACCOUNTS) {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let desk = Desk {
                    state: state.clone(),
                    company: company.clone(),
                    accounts: accounts.to_vec(),
                    direction,
                };
                let shutdown = shutdown.clone();
                let scope = Arc::new(RequestScope::background(LAYER));
                state.edi.begun.spawn(scope.run(desk.lease_until(shutdown)));
            }
        }
    }
    shutdown.cancelled().await;
    state.edi.begun.close();
    state.edi.begun.wait().await;
}

/// Documents of one company and direction, and of some accounts.
struct Desk {
    state: AppState,
    company: String,
    accounts: Vec<String>,
    direction: Direction,
}

impl Desk {
    async fn lease_until(self, shutdown: CancellationToken) {
        let mut pause = SOON;
        loop {
            let started = Instant::now();
            let leased = tokio::select! {
                () = shutdown.cancelled() => return,
                leased = self.lease() => leased,
            };
            let rest = match leased {
                Ok(documents) if documents.is_empty() => SOON.saturating_sub(started.elapsed()),
                Ok(documents) => {
                    pause = SOON;
                    for document in documents {
                        self.begin(document).await;
                    }
                    Duration::ZERO
                }
                Err(error) => {
                    tracing::warn!(
                        cause = told(&error),
                        "no documents can be leased at the moment"
                    );
                    let spread = Duration::from_millis(rand::rng().random_range(0..500));
                    let rest = pause.saturating_add(spread);
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    rest
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// One at a time: each may be as large as an answer may be.
    async fn lease(&self) -> Result<Vec<Document>, CallError> {
        let context = context::of_worker(&self.company, self.accounts.clone());
        let request = LeaseDocuments {
            direction: self.direction,
            state: None,
            limit: 1,
            seconds: LEASE_SECONDS,
            wait_seconds: WAIT_SECONDS,
        };
        Ok(self
            .state
            .process
            .lease_documents(&context, &request)
            .await?
            .documents)
    }

    /// Waits for a free hand, and leaves the document to it.
    async fn begin(&self, document: Document) {
        let leased = Instant::now();
        let Ok(permit) = Arc::clone(&self.state.edi.work).acquire_owned().await else {
            return;
        };
        let state = self.state.clone();
        let company = self.company.clone();
        let scope = Arc::new(scope_of(&document));
        self.state.edi.begun.spawn(scope.run(async move {
            if let Err(failure) = carry_on(&state, &document, leased).await {
                put_off(&state, &company, &document, &failure).await;
            }
            drop(permit);
        }));
    }
}

/// Says why a document waits. Where nothing passes by itself, it waits as long again as it has waited already, an hour
/// at most: a document that can never be carried on does not keep everybody busy.
pub(super) async fn put_off(
    state: &AppState,
    company: &str,
    document: &Document,
    failure: &Failure,
) {
    let passing = failure.is_passing();
    let seconds = if passing {
        LEASE_SECONDS
    } else {
        longer(document, state.clock.now())
    };
    let kind = if passing { "passing" } else { "lasting" };
    metrics::counter!("orderway_edi_document_failures_total", "kind" => kind).increment(1);
    tracing::warn!(
        document_id = %document.document_id,
        cause = told(failure),
        kind,
        again_in_seconds = seconds,
        "a document waits for another attempt"
    );
    let (false, Some(lease)) = (passing, document.lease) else {
        return;
    };
    let context = context::of_worker(company, vec![document.account.as_str().to_owned()]);
    let postpone = PostponeDocument { lease, seconds };
    let id = document.document_id;
    if let Err(error) = state
        .process
        .postpone_document(&context, id, &postpone)
        .await
    {
        tracing::warn!(document_id = %id, cause = told(&error), "it is tried again when its lease ends");
    }
}

fn longer(document: &Document, now: Timestamp) -> u16 {
    let waited = now.duration_since(document.created_at).as_secs();
    let waited = waited.clamp(LEASE_SECONDS.into(), LONGEST_WAIT_SECONDS.into());
    u16::try_from(waited).unwrap_or(LONGEST_WAIT_SECONDS)
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
        return context::scope_of_origin(&news.order.trace_id, &news.order.correlation_id);
    }
    let intake = kept::<Intake>(document).ok();
    match intake.and_then(|intake| intake.request) {
        Some(request) => context::scope_of_origin(&request.trace_id, &request.correlation_id),
        None => context::scope_of_document(document.answers.unwrap_or(document.document_id)),
    }
}

/// Carries on a document that was leased at this instant.
pub(super) async fn carry_on(
    state: &AppState,
    document: &Document,
    begun: Instant,
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
                bytes,
                until: begun + WORK,
            };
            take::orders(state, profile, leased).await
        }
        Direction::Outbound => render::render(state, profile, document).await,
    }
}
