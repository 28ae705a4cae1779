//! An order on its way from what is asked to one `Commit`: facts, assessment, decision, record. Both doors use it: the
//! API's, and that of an order that takes another's place.

use canonical_model::{
    ItemNumber, Money, OrderId, Quantity,
    basket::{LinePrice, LineProblem},
    credit::CreditPosition,
    order::{HoldReason, OrderStatus, SalesOrderRequest, TakenOn},
    promise::ScheduleLine,
};
use jiff::Timestamp;
use serde::Serialize;
use service_runtime::{context::CallContext, problem::Problem, trace::TraceContext};
use uuid::Uuid;

use super::{
    accept::cause,
    change::{self, ChangeError},
    decide::Refusal,
    event::OrderEvent,
    provisional,
    state::OrderState,
    take::{self, Take},
};
use crate::{
    baskets::{
        Assessment,
        assess::assess,
        facts::{Facts, GatherError, Purpose, Sources, basket_of, gather},
        record::written,
    },
    clients::Call,
    promise::reservations,
    store::{Commit, NewDecision},
};

/// An order that is being taken.
pub struct Taking<'a> {
    /// Where facts come from.
    pub sources: &'a Sources,
    /// The call under which they are asked for.
    pub call: &'a Call,
    /// On whose behalf it is taken.
    pub caller: &'a CallContext,
    /// The trace it belongs to.
    pub trace: TraceContext,
    /// The id it will have.
    pub order_id: OrderId,
    /// The order that it takes the place of.
    pub replaces: Option<OrderId>,
    /// What is asked.
    pub request: &'a SalesOrderRequest,
}

/// What an order is decided from, and when.
pub struct Assessed {
    /// The facts.
    pub facts: Facts,
    /// What the engine says of them.
    pub assessment: Assessment,
    /// As at when.
    pub now: Timestamp,
}

/// Why there is no commit.
#[derive(Debug, thiserror::Error)]
pub enum TakingError {
    /// It cannot be written.
    #[error("the order cannot be written")]
    Change(#[from] ChangeError),
    /// Its reservation or its decision record cannot be written.
    #[error("what belongs to the order cannot be written")]
    Problem(#[from] Problem),
}

impl Taking<'_> {
    /// Gathers the facts and assesses them.
    pub async fn assess(&self, purpose: Purpose) -> Result<Assessed, GatherError> {
        let basket = basket_of(self.request);
        let facts = gather(self.sources, self.call, &basket, purpose).await?;
        let now = self.sources.clock.now();
        let assessment = assess(&basket, self.request.line_policy, &facts, now);
        Ok(Assessed {
            facts,
            assessment,
            now,
        })
    }

    /// What happens to it: taken, held, or refused.
    pub fn decide(&self, assessed: &Assessed) -> Result<Vec<OrderEvent>, Refusal> {
        let Assessed {
            facts,
            assessment,
            now,
        } = assessed;
        take::take(Take {
            order_id: self.order_id,
            replaces: self.replaces,
            decision_id: Uuid::now_v7(),
            company: &self.call.company,
            channel: &self.caller.channel,
            correlation_id: &self.caller.correlation_id,
            trace_id: &self.trace.trace_id_hex(),
            request: self.request,
            assessment,
            provisional: provisional::judge(facts, assessment, *now)
                .map_err(Refusal::BeyondOutagePolicy)?,
            limit_is_exclusive: facts.policies.credit.limit_is_exclusive,
            purchase_order_number_max_length: facts.capabilities.purchase_order_number_max_length,
            now: *now,
        })
    }

    /// All that its events change, with the state after them.
    pub fn commit(
        &self,
        assessed: &Assessed,
        events: &[OrderEvent],
    ) -> Result<(Commit, OrderState), TakingError> {
        let (facts, now) = (&assessed.facts, assessed.now);
        let around = change::surroundings(&facts.capabilities, now);
        let cause = cause(self.caller, self.call, &self.trace, now);
        let decided = change::commit(None, events, cause, around)?;
        let (mut commit, after) = decided.ok_or(ChangeError::NotFound)?;
        if let Some(known) = &facts.reservation {
            // Its stock is given back by the reaction to `order.received`, before the order's own claims.
            let (consumed, _given_back) = reservations::consume(known, self.order_id)?;
            commit.changes.push(consumed);
        }
        commit.decision = Some(self.record(assessed, &after)?);
        Ok((commit, after))
    }

    fn record(&self, assessed: &Assessed, after: &OrderState) -> Result<NewDecision, Problem> {
        let Assessed {
            facts,
            assessment,
            now,
        } = assessed;
        let lines = after.order.lines.iter().map(|line| OutcomeLine {
            line: line.line,
            item: line.item.as_ref(),
            ordered: line.ordered,
            price: line.price.as_ref(),
            schedule: &line.schedule,
            problems: &line.problems,
        });
        let outcome = Outcome {
            status: after.status(),
            holds: take::holds(self.request, assessment),
            total: after.order.total,
            lines: lines.collect(),
            credit: assessment.credit.as_ref(),
            provisional: after.provisional.is_some(),
            taken_on: &assessment.taken_on,
        };
        Ok(NewDecision {
            decision_id: after.order.decision_id,
            kind: "order".to_owned(),
            account: self.request.account.clone(),
            subject: self.order_id.to_string(),
            decided_at: *now,
            request: written(self.request)?,
            facts: written(facts)?,
            steps: assessment.steps.clone(),
            outcome: written(&outcome)?,
        })
    }
}

/// What came of it, as its decision record has it.
#[derive(Serialize)]
struct Outcome<'a> {
    status: OrderStatus,
    holds: Vec<HoldReason>,
    total: Money,
    lines: Vec<OutcomeLine<'a>>,
    credit: Option<&'a CreditPosition>,
    provisional: bool,
    taken_on: &'a TakenOn,
}

#[derive(Serialize)]
struct OutcomeLine<'a> {
    line: u32,
    item: Option<&'a ItemNumber>,
    ordered: Quantity,
    price: Option<&'a LinePrice>,
    schedule: &'a [ScheduleLine],
    problems: &'a [LineProblem],
}
