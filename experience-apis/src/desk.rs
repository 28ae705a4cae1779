//! The desk of a channel that works on documents: leases what waits, gives each to a free hand, and puts off what
//! cannot be carried on. Work is leased, so any number of instances share it, and a crash only means that a lease
//! lapses.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::Arc,
    time::Duration,
};

use canonical_model::{
    AccountId, CompanyId,
    document::{Direction, Document, DocumentState, LeaseDocuments, PostponeDocument},
};
use jiff::Timestamp;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use service_runtime::{
    context::CallContext,
    trace::{RequestScope, TraceContext},
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{LAYER, clients::process::CallError, state::AppState};

/// How long a document is ours; also how soon one is tried again whose failure may pass.
const LEASE_SECONDS: u16 = 60;
/// The longest that one waits whose failure does not pass.
const LONGEST_WAIT_SECONDS: u16 = 3_600;
/// Accounts named in one call: the context that carries them has a size.
const MOST_ACCOUNTS: usize = 200;
/// How long the layer below waits for work before it answers empty.
const WAIT_SECONDS: u16 = 20;
/// An empty answer sooner than this was not waited for.
const SOON: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a leased document may be worked on, counted from its lease: nobody works beside us until then.
pub(crate) const WORK: Duration = Duration::from_secs(50);

/// Which documents wait at a desk: which way they go, and where they stand (`None` = received or due).
pub(crate) type Tray = (Direction, Option<DocumentState>);

/// A channel's way with its documents.
pub(crate) trait Clerk: Clone + Send + Sync + 'static {
    /// The channel's name in metrics.
    const CHANNEL: &'static str;
    /// Why a document is not carried on.
    type Failure: Failure;

    /// The shared services.
    fn state(&self) -> &AppState;
    /// Documents worked on at once.
    fn hands(&self) -> &Arc<Semaphore>;
    /// Where begun work is counted, so that a stop can wait for it.
    fn begun(&self) -> &TaskTracker;
    /// For leasing the documents of these accounts.
    fn context(&self, company: &str, accounts: Vec<String>) -> CallContext;
    /// Whose trace and correlation id the work on a document continues.
    fn scope_of(&self, document: &Document) -> RequestScope;
    /// Carries on a document that was leased at this instant.
    fn carry_on(
        &self,
        document: &Document,
        leased: Instant,
    ) -> impl Future<Output = Result<(), Self::Failure>> + Send;
}

/// Why a document is not carried on.
pub(crate) trait Failure: Error + Send + Sync + 'static {
    /// Whether it may go well under the next lease. All else needs somebody to put something right.
    fn is_passing(&self) -> bool;
}

/// Works for these accounts until told to stop. What was begun is left to the clerk's tracker.
pub(crate) fn open<C: Clerk>(
    clerk: &C,
    accounts: impl IntoIterator<Item = (CompanyId, AccountId)>,
    trays: &[Tray],
    shutdown: &CancellationToken,
) {
    let mut companies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (company, account) in accounts {
        let accounts = companies.entry(company.as_str().to_owned()).or_default();
        accounts.insert(account.as_str().to_owned());
    }
    for (company, accounts) in companies {
        let accounts: Vec<String> = accounts.into_iter().collect();
        for accounts in accounts.chunks(MOST_ACCOUNTS) {
            for tray in trays {
                let desk = Desk {
                    clerk: clerk.clone(),
                    company: company.clone(),
                    accounts: accounts.to_vec(),
                    tray: *tray,
                };
                let scope = Arc::new(RequestScope::background(LAYER));
                let shutdown = shutdown.clone();
                clerk.begun().spawn(scope.run(desk.lease_until(shutdown)));
            }
        }
    }
}

/// Documents of one company and tray, and of some accounts.
struct Desk<C> {
    clerk: C,
    company: String,
    accounts: Vec<String>,
    tray: Tray,
}

impl<C: Clerk> Desk<C> {
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
                        channel = C::CHANNEL,
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
        let context = self.clerk.context(&self.company, self.accounts.clone());
        let (direction, state) = self.tray;
        let request = LeaseDocuments {
            direction,
            state,
            limit: 1,
            seconds: LEASE_SECONDS,
            wait_seconds: WAIT_SECONDS,
        };
        let process = &self.clerk.state().process;
        Ok(process.lease_documents(&context, &request).await?.documents)
    }

    /// Waits for a free hand, and leaves the document to it.
    async fn begin(&self, document: Document) {
        let leased = Instant::now();
        let Ok(permit) = Arc::clone(self.clerk.hands()).acquire_owned().await else {
            return;
        };
        let clerk = self.clerk.clone();
        let company = self.company.clone();
        let scope = Arc::new(clerk.scope_of(&document));
        self.clerk.begun().spawn(scope.run(async move {
            if let Err(failure) = clerk.carry_on(&document, leased).await {
                put_off(&clerk, &company, &document, &failure).await;
            }
            drop(permit);
        }));
    }
}

/// Says why a document waits. Where nothing passes by itself, it waits as long again as it has waited already, an hour
/// at most: a document that can never be carried on does not keep everybody busy.
pub(crate) async fn put_off<C: Clerk>(
    clerk: &C,
    company: &str,
    document: &Document,
    failure: &C::Failure,
) {
    let passing = failure.is_passing();
    let seconds = if passing {
        LEASE_SECONDS
    } else {
        longer(document, clerk.state().clock.now())
    };
    let kind = if passing { "passing" } else { "lasting" };
    metrics::counter!("orderway_document_failures_total", "channel" => C::CHANNEL, "kind" => kind)
        .increment(1);
    tracing::warn!(
        document_id = %document.document_id,
        cause = told(failure),
        kind,
        again_in_seconds = seconds,
        "a document waits for another attempt"
    );
    if !passing {
        postpone(clerk, company, document, seconds).await;
    }
}

/// Nobody is given the document before the time is over.
pub(crate) async fn postpone<C: Clerk>(
    clerk: &C,
    company: &str,
    document: &Document,
    seconds: u16,
) {
    let Some(lease) = document.lease else {
        return;
    };
    let context = clerk.context(company, vec![document.account.as_str().to_owned()]);
    let postpone = PostponeDocument { lease, seconds };
    let (process, id) = (&clerk.state().process, document.document_id);
    if let Err(error) = process.postpone_document(&context, id, &postpone).await {
        tracing::warn!(document_id = %id, cause = told(&error), "it is tried again when its lease ends");
    }
}

/// As long again as the document has waited already: a minute at least, an hour at most.
pub(crate) fn longer(document: &Document, now: Timestamp) -> u16 {
    let waited = now.duration_since(document.created_at).as_secs();
    let waited = waited.clamp(LEASE_SECONDS.into(), LONGEST_WAIT_SECONDS.into());
    u16::try_from(waited).unwrap_or(LONGEST_WAIT_SECONDS)
}

/// A request, as far as work that outlives it is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Its trace.
    pub(crate) trace_id: String,
    /// Its correlation id.
    pub(crate) correlation_id: String,
}

impl Origin {
    /// The running request.
    pub(crate) fn current() -> Option<Self> {
        RequestScope::current().map(|scope| Self {
            trace_id: scope.trace.trace_id_hex(),
            correlation_id: scope.correlation_id.clone(),
        })
    }
}

/// For work on a document about which neither a request nor an order is known: every attempt runs under the same trace
/// and correlation id, which are the document's own id.
pub(crate) fn scope_of_document(document: canonical_model::DocumentId) -> RequestScope {
    scope(Some(document.0.as_u128()), document.to_string())
}

/// For work that goes on under the trace and correlation id that were kept for it.
pub(crate) fn scope_of_origin(trace_id: &str, correlation_id: &str) -> RequestScope {
    scope(
        u128::from_str_radix(trace_id, 16).ok(),
        correlation_id.to_owned(),
    )
}

fn scope(trace_id: Option<u128>, correlation_id: String) -> RequestScope {
    let mut trace = TraceContext::generate();
    if let Some(trace_id) = trace_id.filter(|id| *id != 0) {
        trace.trace_id = trace_id;
    }
    RequestScope::new(LAYER, trace, correlation_id, None)
}

/// The error and its causes, on one line.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<String> = chain.take(6).map(ToString::to_string).collect();
    texts.join(": ")
}
