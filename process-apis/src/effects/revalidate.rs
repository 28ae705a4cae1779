//! Reads again what a provisional order stands on, before the ERP is asked to create it: by the same rules, from sources
//! that answer. A difference becomes a hold; without one the order goes on as it was taken.
//!
//! What is free is at times less than there is: while the ERP counts an order that still is a claim of ours, its quantity
//! is taken twice (DESIGN section 6). Stock that is short by no more than that is looked at again, until the other order is
//! settled and a newer figure counts it once; after the time in which an effect must settle, it counts as short.

use canonical_model::{
    basket::BasketRequest,
    decision::DecisionStep,
    order::{HoldReason, LinePolicy},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use service_runtime::problem::Problem;
use uuid::Uuid;

use super::{
    create_order::Progress,
    gate::Gate,
    kind::calls,
    perform::noted,
    tries::Tries,
    worker::{EffectError, Held, Worker},
};
use crate::{
    baskets::{
        assess::assess,
        facts::{Facts, GatherError, Purpose, gather_for},
        record,
    },
    clients::{Call, SystemError},
    orders::{
        Command, OrderState,
        event::{ClaimedStock, OrderEvent, Recorded},
        react::owner,
        revalidate::{basket, changed, differences, gone, without_own_claim},
        state::CreateStage,
        taking::TakingError,
    },
    promise::atp::FreeStock,
    store::{NewDecision, StockKey, StreamKind, Written},
};

/// What became of it.
pub(super) enum Revalidated {
    /// The order goes on: it is to be read anew.
    GoesOn,
    /// It is held: the effect has ended.
    Held,
    /// The facts cannot be had now.
    Wait(SystemError),
    /// Whether its stock is there cannot be told yet: another order may count twice.
    InDoubt,
}

/// The figures, as far as they can be had.
enum Figures {
    Read(Box<Facts>),
    /// The order would be refused before any is asked for: why.
    Refused(String),
    /// They cannot be had now.
    Wait(SystemError),
}

/// What came of comparing, and what it was compared with.
#[derive(Default)]
struct Found {
    differences: Vec<HoldReason>,
    facts: Option<Facts>,
    steps: Vec<DecisionStep>,
    lines: Value,
    total: Value,
    credit: Value,
}

/// A person decides, by the reason.
fn refused(why: &str) -> Found {
    Found {
        differences: vec![changed(why, None)],
        ..Found::default()
    }
}

impl Worker {
    /// Reads again what the order stands on, and writes down what came of it.
    pub(super) async fn revalidate(
        &self,
        held: &Held,
        state: &OrderState,
        call: &Call,
        progress: &Progress,
    ) -> Result<Revalidated, EffectError> {
        let request = basket(state);
        let now = self.clock.now();
        let taken = state.order.received_at;
        let since = |then| u32::try_from(now.duration_since(then).as_secs()).unwrap_or(0);
        let purpose = Purpose::Revalidation {
            seconds: since(taken),
            stock_seconds: since(progress.tries.last().unwrap_or(taken)),
        };
        let (sources, own) = (self.sources(), Some(owner(state)));
        let facts = gather_for(&sources, call, &request, purpose, own);
        let facts = calls::FACTS_AGAIN.run(facts).await;
        let found = match self.figures(held, state, facts).await? {
            Figures::Read(facts) => {
                let claims = self.claims(state).await?;
                let late = progress.tries.took_longer_than(self.settle_within(), now);
                let doubtful = if late {
                    0
                } else {
                    self.doubtful(state, &claims, &facts.stock).await?
                };
                let found = compare(state, &request, &claims, *facts, now)?;
                // What differs besides is certain, and is not kept back.
                if doubtful > 0 && found.differences.len() == doubtful {
                    return Ok(Revalidated::InDoubt);
                }
                found
            }
            Figures::Refused(why) => refused(&why),
            Figures::Wait(error) => return Ok(Revalidated::Wait(error)),
        };
        let differences = found.differences;
        let decision = NewDecision {
            decision_id: Uuid::now_v7(),
            kind: "order_revalidation".to_owned(),
            account: state.order.account.clone(),
            subject: state.order_id().to_string(),
            decided_at: now,
            request: written(&request)?,
            facts: written(&found.facts)?,
            steps: found.steps,
            outcome: written(&json!({
                "differences": differences, "taken_on": state.provisional, "lines": found.lines,
                "total": found.total, "credit": found.credit,
            }))?,
        };
        let command = Command::Revalidate {
            decision_id: decision.decision_id,
            differences,
        };
        let begins = noted(&Progress {
            tries: Tries::default(),
            ..progress.clone()
        })?;
        let after = |after: &OrderState| match after.create {
            CreateStage::Waiting => held.done(),
            CreateStage::Begun => held.later(now, begins.clone(), true),
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

    /// What was read, of which the gate is told what the ERP said.
    async fn figures(
        &self,
        held: &Held,
        state: &OrderState,
        facts: Result<Facts, GatherError>,
    ) -> Result<Figures, EffectError> {
        let (gate, effect) = (Gate::of(state), held.effect.effect);
        let answer = match facts {
            Ok(facts) if facts.degraded => Err(SystemError::Unavailable { retry_after: None }),
            Ok(facts) => Ok(facts),
            Err(GatherError::System(error)) => Err(error),
            Err(GatherError::Store(error)) => return Err(error.into()),
            // No figure was asked for.
            Err(GatherError::UnknownAccount) => {
                self.gates.heard_nothing(&gate, effect, self.clock.now());
                let account = &state.order.account;
                return Ok(Figures::Refused(format!(
                    "account {account} is not known any more."
                )));
            }
            Err(GatherError::Malformed(problem)) => {
                self.gates.heard_nothing(&gate, effect, self.clock.now());
                let faults = problem.errors.iter().map(|fault| fault.detail.as_str());
                let faults: Vec<&str> = faults.collect();
                return Ok(Figures::Refused(faults.join(" ")));
            }
        };
        self.heard(held, &gate, &answer).await;
        Ok(answer.map_or_else(Figures::Wait, |facts| Figures::Read(Box::new(facts))))
    }

    /// How many of its claims are short, where none may be once no other order counts twice; 0 where one stays short.
    async fn doubtful(
        &self,
        state: &OrderState,
        claims: &[ClaimedStock],
        free: &[FreeStock],
    ) -> Result<usize, EffectError> {
        let short = gone(claims, free).len();
        if short == 0 {
            return Ok(0);
        }
        // A row of which the source tells nothing any more stays short.
        let key = |row: &FreeStock| {
            let company = state.order.company.clone();
            StockKey::new(company, row.item.clone(), row.site.clone())
        };
        let keys: Vec<StockKey> = free.iter().map(key).collect();
        let at_best = self.store.stock_at_best(&keys, owner(state)).await?;
        let at_best: Vec<FreeStock> = at_best.iter().map(FreeStock::of).collect();
        let is_whole = gone(claims, &at_best).is_empty();
        Ok(if is_whole { short } else { 0 })
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

/// What differs from what it was taken at.
fn compare(
    state: &OrderState,
    request: &BasketRequest,
    claims: &[ClaimedStock],
    mut facts: Facts,
    now: Timestamp,
) -> Result<Found, EffectError> {
    without_own_claim(state, &mut facts.credit);
    let assessment = assess(request, LinePolicy::TakeSoundLines, &facts, now);
    Ok(Found {
        differences: differences(state, claims, &facts, &assessment),
        facts: Some(facts),
        lines: value(&assessment.checked_lines())?,
        total: value(&assessment.total)?,
        credit: value(&assessment.credit)?,
        steps: assessment.steps,
    })
}

fn count(is_held: bool, now: Timestamp, state: &OrderState) {
    let outcome = if is_held { "held" } else { "unchanged" };
    metrics::counter!("orderway_orders_revalidated_total", "outcome" => outcome).increment(1);
    let waited: SignedDuration = now.duration_since(state.order.received_at);
    metrics::histogram!("orderway_provisional_seconds").record(waited.as_secs_f64());
}

fn written(value: &impl serde::Serialize) -> Result<Written, EffectError> {
    Ok(record::written(value).map_err(TakingError::from)?)
}

fn value(value: &impl serde::Serialize) -> Result<Value, EffectError> {
    serde_json::to_value(value).map_err(|error| TakingError::from(Problem::internal(&error)).into())
}
