//! The delivery upward: to `process-apis`, under the identity of the source, for one company.

use canonical_model::{
    CompanyId,
    intake::{News, NewsDelivery, NewsFate, NewsReceipt},
};
use jiff::SignedDuration;
use service_runtime::{
    clock::Clock,
    context::{AccountScope, CallContext, LayerIdentity},
    http_client::{HopClient, HopError},
    problem::{Problem, codes},
    trace::RequestScope,
};

use crate::crash_points::NEWS_DELIVER;

/// For a context that nobody waits for any longer.
const USUAL_TIME: SignedDuration = SignedDuration::from_secs(10);

/// Delivers news; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upward {
    hop: HopClient,
    clock: Clock,
}

impl Upward {
    /// Over this hop.
    pub const fn new(hop: HopClient, clock: Clock) -> Self {
        Self { hop, clock }
    }

    /// Delivers news of a source about a company, and answers once they are durable there.
    pub async fn deliver(
        &self,
        source: &str,
        company: &CompanyId,
        news: Vec<News>,
    ) -> Result<NewsReceipt, HopError> {
        let delivery = NewsDelivery {
            source: source.to_owned(),
            cursor: None,
            news,
        };
        let context = self.context(source, company);
        let delivered = self
            .hop
            .post::<_, NewsReceipt>("/v1/intake/events", &context, &delivery);
        let receipt = NEWS_DELIVER.run(delivered).await?;
        for outcome in &receipt.outcomes {
            let (key, version) = (&outcome.key, outcome.version);
            let reason = outcome
                .reason
                .map(canonical_model::intake::NewsReason::word);
            match outcome.outcome {
                NewsFate::Quarantined => {
                    tracing::warn!(source, key, version, reason, "news wait for a person");
                }
                fate @ (NewsFate::Applied | NewsFate::Known | NewsFate::Parked) => {
                    tracing::debug!(source, key, version, reason, ?fate, "news were delivered");
                }
            }
        }
        Ok(receipt)
    }

    /// It may only post, and read its own cursor: no scope, and no account.
    fn context(&self, source: &str, company: &CompanyId) -> CallContext {
        let correlation_id = RequestScope::current().map(|scope| scope.correlation_id.clone());
        let now = self.clock.now();
        CallContext {
            principal: format!("intake:{source}"),
            accounts: AccountScope::List(Vec::new()),
            company: Some(company.to_string()),
            channel: "intake".to_owned(),
            scopes: Vec::new(),
            correlation_id: correlation_id.unwrap_or_default(),
            deadline: now.saturating_add(USUAL_TIME).unwrap_or(now),
            remaining_ms: u64::try_from(USUAL_TIME.as_millis()).unwrap_or_default(),
            layer: LayerIdentity::SystemApis,
        }
    }
}

/// Why news will not be taken as they are, however often they are sent: a person is to see them.
pub fn never_taken(error: &HopError) -> Option<String> {
    let HopError::Problem(problem) = error else {
        return None;
    };
    if problem.code != codes::VALIDATION_FAILED.code {
        return None;
    }
    let first = problem.errors.first().map(|fault| fault.detail.clone());
    Some(first.or_else(|| problem.detail.clone()).unwrap_or_default())
}

/// What a backend is told whose news are not durable: to send them again.
pub fn not_taken(error: &HopError) -> Problem {
    let after = match error {
        HopError::Problem(problem) => problem.retry_after,
        _ => None,
    };
    Problem::new(
        codes::BACKEND_UNAVAILABLE,
        "The news are not stored; send them again.",
    )
    .with_retry_after(after.unwrap_or(SignedDuration::from_secs(2)))
    .caused_by(error)
}
