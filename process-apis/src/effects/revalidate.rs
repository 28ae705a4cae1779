//! Reads again what a provisional order stands on, before the ERP is asked to create it: by the same rules, from sources
//! that answer. A difference becomes a hold; without one the order goes on as it was taken.

use canonical_model::decision::DecisionRecord;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use service_runtime::problem::Problem;
use uuid::Uuid;

use super::{
    kind::calls,
    worker::{EffectError, Held, Worker},
};
use crate::{
    baskets::{
        assess::assess,
        facts::{GatherError, Purpose, gather_for},
    },
    clients::{Call, SystemError},
    orders::{
        Command, OrderState,
        event::{ClaimedStock, OrderEvent, Recorded},
        react::owner,
        revalidate::{basket, differences, without_own_claim},
        state::CreateStage,
        taking::TakingError,
    },
    store::StreamKind,
};

/// What became of it.
pub(super) enum Revalidated {
    /// The order goes on: it is to be read anew.
    GoesOn,
    /// It is held: the effect has ended.
    Held,
    /// The facts cannot be had now.
    Wait(SystemError),
}

impl Worker {
    /// Reads again what the order stands on, and writes down what came of it.
    pub(super) async fn revalidate(
        &self,
        held: &Held,
        state: &OrderState,
        call: &Call,
        progress: &Value,
    ) -> Result<Revalidated, EffectError> {
        let request = basket(state);
        let now = self.clock.now();
        let age = now.duration_since(state.order.received_at);
        let purpose = Purpose::Revalidation {
            seconds: u32::try_from(age.as_secs()).unwrap_or(0),
        };
        let (sources, own) = (self.sources(), Some(owner(state)));
        let facts = gather_for(&sources, call, &request, purpose, own);
        let mut facts = match calls::FACTS_AGAIN.run(facts).await {
            Ok(facts) if facts.degraded => {
                return Ok(Revalidated::Wait(SystemError::Unavailable {
                    retry_after: None,
                }));
            }
            Ok(facts) => facts,
            Err(GatherError::System(error)) => return Ok(Revalidated::Wait(error)),
            Err(GatherError::Store(error)) => return Err(error.into()),
            Err(GatherError::UnknownAccount) => {
                return Ok(Revalidated::Wait(SystemError::NotFound));
            }
            Err(GatherError::Malformed(problem)) => return Err(TakingError::from(problem).into()),
        };
        without_own_claim(state, &mut facts.credit);
        let claims = self.claims(state).await?;
        let policy = canonical_model::order::LinePolicy::TakeSoundLines;
        let assessment = assess(&request, policy, &facts, now);
        let differences = differences(state, &claims, &facts, &assessment);
        let decision = DecisionRecord {
            decision_id: Uuid::now_v7(),
            kind: "order_revalidation".to_owned(),
            account: state.order.account.clone(),
            subject: state.order_id().to_string(),
            decided_at: now,
            request: value(&request)?,
            facts: value(&facts)?,
            steps: assessment.steps.clone(),
            outcome: json!({
                "differences": differences, "taken_on": state.provisional, "lines": assessment.checked_lines(),
                "total": assessment.total, "credit": assessment.credit,
            }),
        };
        let command = Command::Revalidate {
            decision_id: decision.decision_id,
            differences,
        };
        let after = |after: &OrderState| match after.create {
            CreateStage::Waiting => held.done(),
            CreateStage::Begun => held.later(now, progress.clone(), true),
        };
        let is_held = self
            .settle_with(held, &command, Some(decision), after)
            .await?
            .is_some_and(|after| after.create == CreateStage::Waiting);
        count(is_held, now, state);
        Ok(if is_held {
            Revalidated::Held
        } else {
            Revalidated::GoesOn
        })
    }

    /// The stock that it claimed when it was taken.
    async fn claims(&self, state: &OrderState) -> Result<Vec<ClaimedStock>, EffectError> {
        let id = state.order_id().0;
        let first = self.store.stream(StreamKind::Order, id, 0, 1).await?;
        let first = first.into_iter().next().and_then(|event| {
            Recorded::read(&event.event_type, event.type_version, &event.data).ok()
        });
        Ok(match first {
            Some(Recorded::Known(OrderEvent::Received(received))) => received.stock,
            _ => Vec::new(),
        })
    }
}

fn count(is_held: bool, now: Timestamp, state: &OrderState) {
    let outcome = if is_held { "held" } else { "unchanged" };
    metrics::counter!("orderway_orders_revalidated_total", "outcome" => outcome).increment(1);
    let waited: SignedDuration = now.duration_since(state.order.received_at);
    metrics::histogram!("orderway_provisional_seconds").record(waited.as_secs_f64());
}

fn value(value: &impl serde::Serialize) -> Result<Value, EffectError> {
    serde_json::to_value(value).map_err(|error| TakingError::from(Problem::internal(&error)).into())
}
