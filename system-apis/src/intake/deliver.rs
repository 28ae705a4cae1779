//! The delivery upward: to `process-apis`, under the identity of the source, for one company.

use std::collections::BTreeMap;

use canonical_model::{
    CompanyId,
    intake::{MOST_NEWS, News, NewsDelivery, NewsFate, NewsReceipt, SourceCursor},
    shipment::ShipmentNews,
};
use jiff::SignedDuration;
use service_runtime::{
    clock::Clock,
    context::{AccountScope, CallContext, LayerIdentity},
    http_client::{HopClient, HopError},
    problem::{Problem, codes},
    trace::RequestScope,
};

use super::feed::Unread;
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

    /// Delivers news about a company, and answers once they are durable there.
    pub async fn deliver(
        &self,
        company: &CompanyId,
        delivery: NewsDelivery,
    ) -> Result<NewsReceipt, HopError> {
        let source = delivery.source.as_str();
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

    /// Where the cursor of a source stands; None = it has not moved yet.
    pub async fn cursor(
        &self,
        source: &str,
        company: &CompanyId,
    ) -> Result<Option<String>, HopError> {
        let context = self.context(source, company);
        let path = format!("/v1/intake/{source}/cursor");
        let stands: SourceCursor = self.hop.get(&path, &context).await?;
        Ok(stands.cursor)
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

/// Delivers what is sound of some shipments, as many at once as may be, and answers why the others will not be taken as they
/// are, however often they are sent.
pub async fn deliver_sound<F>(
    shipments: Vec<ShipmentNews>,
    deliver: impl Fn(Vec<News>) -> F,
) -> Result<Vec<Unread>, HopError>
where
    F: Future<Output = Result<NewsReceipt, HopError>>,
{
    let mut faults = Vec::new();
    for some in shipments.chunks(MOST_NEWS) {
        let mut sound = some.to_vec();
        while !sound.is_empty() {
            let news = sound.iter().cloned().map(Box::new).map(News::Shipment);
            let Err(error) = deliver(news.collect()).await else {
                break;
            };
            let refused = never_taken(&error, sound.len());
            if refused.is_empty() {
                return Err(error);
            }
            let mut left = Vec::with_capacity(sound.len());
            for (index, shipment) in sound.into_iter().enumerate() {
                match refused.get(&index) {
                    Some(why) => {
                        let detail = format!("Shipment {}: {why}", shipment.shipment);
                        faults.push(Unread::of(&shipment, detail));
                    }
                    None => left.push(shipment),
                }
            }
            sound = left;
        }
    }
    Ok(faults)
}

/// Which of so many news will not be taken, by their index, and why: all of them where the refusal names none; none where it
/// says nothing against them.
pub(super) fn never_taken(error: &HopError, count: usize) -> BTreeMap<usize, String> {
    let HopError::Problem(problem) = error else {
        return BTreeMap::new();
    };
    if problem.code != codes::VALIDATION_FAILED.code {
        return BTreeMap::new();
    }
    let mut named = BTreeMap::new();
    for fault in &problem.errors {
        let index = fault.pointer.strip_prefix("/news/");
        let index = index.and_then(|rest| rest.split('/').next()?.parse().ok());
        if let Some(index) = index.filter(|index| *index < count) {
            named.entry(index).or_insert_with(|| fault.detail.clone());
        }
    }
    if named.is_empty() {
        let first = problem.errors.first().map(|fault| fault.detail.clone());
        let why = first.or_else(|| problem.detail.clone()).unwrap_or_default();
        named.extend((0..count).map(|index| (index, why.clone())));
    }
    named
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
