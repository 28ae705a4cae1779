//! Asks the source about news that wait: how the shipment stands is an absolute fact, so nothing is guessed. What the
//! source cannot settle in time waits for a person.

use std::{sync::Arc, time::Duration};

use canonical_model::intake::News;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use service_runtime::{
    clock::Clock,
    telemetry::error_chain,
    trace::{Deadline, RequestScope, TraceContext},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    IntakeConfig,
    draft::{Draft, later},
    take::DECISIONS,
};
use crate::{
    clients::{Call, Lane, SystemApis, SystemError},
    crash_points,
    orders::change::ChangeError,
    state::AppState,
    store::{Cause, ParkStage, ParkedNews, Store, StoreError},
};

/// So many are asked about in one go, and at a time.
const BATCH: u16 = 50;
const AT_ONCE: usize = 8;
/// What remains of a lease after the call's time is over, to write down what came of it.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// Asks about what waits until it is stopped.
pub struct Puller {
    store: Arc<dyn Store>,
    system: Arc<dyn SystemApis>,
    clock: Clock,
    config: IntakeConfig,
}

impl Puller {
    /// Over the shared services.
    pub fn new(state: &AppState) -> Self {
        Self {
            store: Arc::clone(&state.store),
            system: Arc::clone(&state.system),
            clock: state.clock.clone(),
            config: state.config.intake,
        }
    }

    /// Looks for what is due until stopped.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let asked = match self.settle_due().await {
                Ok(asked) => asked,
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(
                        error,
                        "news that wait could not be looked at; it is tried again"
                    );
                    0
                }
            };
            if asked == 0 {
                stop.run_until_cancelled(tokio::time::sleep(self.config.poll.get()))
                    .await;
            }
        }
    }

    /// Asks about some that are due; answers how many there were.
    pub async fn settle_due(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        // A look costs a read, a lease a write, and mostly nothing waits.
        if self
            .store
            .next_parked_due()
            .await?
            .is_none_or(|due| due > now)
        {
            return Ok(0);
        }
        let until = later(now, self.config.call_time.signed().saturating_add(MARGIN));
        let leased = self.store.lease_parked(now, until, BATCH);
        let due = crash_points::INTAKE_LEASE.run(leased).await?;
        let count = due.len();
        let settled = due.into_iter().map(|news| self.settle_alone(news));
        futures_util::stream::iter(settled)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
        Ok(count)
    }

    /// One that cannot be settled keeps no other.
    async fn settle_alone(&self, waited: ParkedNews) {
        let (source, key) = (waited.source.clone(), waited.key.clone());
        let correlation_id = Uuid::now_v7().to_string();
        let time = self.config.call_time.get();
        let scope = RequestScope::new(
            "process-apis",
            TraceContext::generate(),
            correlation_id.clone(),
            Some(Deadline::after(time)),
        );
        let settled = Arc::new(scope)
            .run(self.settle(waited, correlation_id, time))
            .await;
        match settled {
            Ok(()) => tracing::debug!(source, key, "news that waited were looked at"),
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(
                    source,
                    key,
                    error,
                    "news that wait could not be settled; it is tried again"
                );
            }
        }
    }

    async fn settle(
        &self,
        waited: ParkedNews,
        correlation_id: String,
        time: Duration,
    ) -> Result<(), ChangeError> {
        let told = self.ask(&waited, &correlation_id, time).await;
        for _ in 0..DECISIONS {
            let cause = self.cause(&waited, &correlation_id);
            let now = cause.at;
            let mut draft = Draft::new(self.store.as_ref(), self.config, &waited.source, cause);
            if let Some(told) = &told {
                draft.take(told, true).await?;
            }
            if let Some(waiting) = draft.waiting(&waited.key).await? {
                // What waits may be newer than what a lagging source tells, and then the very next.
                let news = serde_json::from_value::<News>(waiting.news.clone())?;
                draft.take(&news, false).await?;
            }
            if let Some(waiting) = draft.waiting(&waited.key).await? {
                self.put_off(&mut draft, waiting, now);
            }
            let Some(commit) = draft.commit()? else {
                return Ok(());
            };
            match crash_points::INTAKE_PULL
                .run(self.store.commit(commit))
                .await
            {
                Err(StoreError::VersionConflict { .. }) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Ok(())
    }

    /// What the source says now; None = it does not say.
    async fn ask(&self, waited: &ParkedNews, correlation_id: &str, time: Duration) -> Option<News> {
        let news = serde_json::from_value::<News>(waited.news.clone());
        let Ok(News::Shipment(news)) = news else {
            return None;
        };
        let call = Call::background(
            waited.company.clone(),
            correlation_id,
            self.clock.now(),
            time,
            Lane::Order,
        );
        let asked = self.system.shipment(&call, &news.site, &news.shipment);
        match crash_points::SHIPMENT_PULL.run(asked).await {
            Ok(told) => Some(News::Shipment(Box::new(told))),
            Err(SystemError::NotFound) => {
                tracing::warn!(key = waited.key, "the source does not know what it told of");
                None
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::info!(
                    key = waited.key,
                    error,
                    "the source of news that wait does not answer"
                );
                None
            }
        }
    }

    fn cause(&self, waited: &ParkedNews, correlation_id: &str) -> Cause {
        let trace = RequestScope::current()
            .map_or_else(TraceContext::generate, |scope| scope.trace.clone());
        Cause {
            company: waited.company.clone(),
            at: self.clock.now(),
            principal: format!("intake:{}", waited.source),
            channel: "intake".to_owned(),
            correlation_id: correlation_id.to_owned(),
            traceparent: trace.traceparent(),
        }
    }

    /// Asked again, the longer they have waited the later; beyond patience a person looks.
    fn put_off(&self, draft: &mut Draft<'_>, waiting: ParkedNews, now: Timestamp) {
        let age = now.duration_since(waiting.parked_at);
        if age >= self.config.patience.signed() {
            let (source, key, reason) = (&waiting.source, &waiting.key, &waiting.reason);
            tracing::warn!(
                source,
                key,
                reason,
                "news wait for a person: their source did not settle them"
            );
            draft.put(ParkedNews {
                stage: ParkStage::Quarantined,
                ..waiting
            });
        } else {
            let pause = age.clamp(self.config.pull_after.signed(), LONGEST_PAUSE);
            let stage = ParkStage::Waiting {
                due_at: later(now, pause),
            };
            draft.put(ParkedNews { stage, ..waiting });
        }
    }
}
