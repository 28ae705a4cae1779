//! Takes a delivery: judged, and committed together with the source's cursor.
//!
//! Another instance may be first with the cursor, and the orders may have changed meanwhile: the one is told to the caller, the other is judged again.

use std::sync::Arc;

use axum::extract::FromRef;
use canonical_model::intake::{NewsDelivery, NewsReceipt};
use service_runtime::{clock::Clock, context::CallContext, problem::Problem};

use super::{IntakeConfig, draft::Draft};
use crate::{
    clients::{Call, Lane},
    crash_points,
    error::{contention, store_problem},
    idempotency::WorkError,
    orders::accept::{cause, change_problem, current_trace},
    state::AppState,
    store::{Commit, CursorMove, Store, StoreError},
};

/// How often a delivery is judged again when an order changed meanwhile.
pub(super) const DECISIONS: usize = 8;

/// Takes deliveries.
#[derive(Clone)]
pub(super) struct Intake {
    store: Arc<dyn Store>,
    clock: Clock,
    config: IntakeConfig,
}

impl FromRef<AppState> for Intake {
    fn from_ref(state: &AppState) -> Self {
        Self {
            store: Arc::clone(&state.store),
            clock: state.clock.clone(),
            config: state.config.intake,
        }
    }
}

/// The reader of a source's changes.
pub(super) fn reader(source: &str) -> String {
    format!("intake/{source}")
}

impl Intake {
    /// Where a source's cursor stands.
    pub(super) async fn cursor(&self, source: &str) -> Result<Option<String>, Problem> {
        let cursor = self.store.cursor(&reader(source)).await;
        cursor.map_err(|error| store_problem(&error))
    }

    /// Takes the delivery whole, or nothing of it.
    pub(super) async fn take(
        &self,
        caller: &CallContext,
        delivery: &NewsDelivery,
    ) -> Result<NewsReceipt, Problem> {
        let call = Call::for_caller(caller, Lane::Order)?;
        let trace = current_trace();
        for _ in 0..DECISIONS {
            let cause = cause(caller, &call, &trace, self.clock.now());
            let mut draft = Draft::new(
                self.store.as_ref(),
                self.config,
                &delivery.source,
                cause.clone(),
            );
            let mut outcomes = Vec::with_capacity(delivery.news.len());
            for news in &delivery.news {
                outcomes.push(draft.take(news, delivery.asked).await.map_err(told)?);
            }
            let mut commit = draft.commit().map_err(told)?;
            if let Some(step) = &delivery.cursor {
                let commit = commit.get_or_insert_with(Commit::default);
                commit.cause = Some(cause);
                commit.cursors.push(CursorMove {
                    reader: reader(&delivery.source),
                    from: step.from.clone(),
                    to: step.to.clone(),
                });
            }
            let receipt = NewsReceipt { outcomes };
            let Some(commit) = commit else {
                return Ok(receipt);
            };
            match crash_points::INTAKE_TAKE
                .run(self.store.commit(commit))
                .await
            {
                Ok(_) => {
                    count(&delivery.source, &receipt);
                    return Ok(receipt);
                }
                Err(StoreError::VersionConflict { .. }) => {}
                Err(error) => return Err(store_problem(&error)),
            }
        }
        Err(contention())
    }
}

fn told(error: crate::orders::change::ChangeError) -> Problem {
    match change_problem(error) {
        WorkError::Problem(problem) => problem,
        WorkError::KeyUsed(_) => contention(),
    }
}

fn count(source: &str, receipt: &NewsReceipt) {
    for outcome in &receipt.outcomes {
        let word = match outcome.outcome {
            canonical_model::intake::NewsFate::Applied => "applied",
            canonical_model::intake::NewsFate::Known => "known",
            canonical_model::intake::NewsFate::Parked => "parked",
            canonical_model::intake::NewsFate::Quarantined => "quarantined",
        };
        let source = source.to_owned();
        metrics::counter!("orderway_news_total", "source" => source, "outcome" => word)
            .increment(1);
    }
}
