//! What quotes and reservations write besides themselves: who caused it, and the decision record.

use canonical_model::{
    AccountId,
    basket::{BasketRequest, LineProblem, LineProblemCode},
};
use jiff::Timestamp;
use serde::Serialize;
use service_runtime::{
    problem::{FieldError, Problem, codes::BACKEND_UNAVAILABLE},
    trace::{RequestScope, TraceContext},
};
use uuid::Uuid;

use super::{Assessment, codes, facts::Facts};
use crate::{
    clients::Call,
    orders::provisional::COME_AGAIN,
    store::{Cause, NewDecision, Written},
};

/// How many faults one answer names.
const MAX_FAULTS: usize = 500;

/// Who and what causes a commit.
pub(crate) fn cause(call: &Call, at: Timestamp) -> Cause {
    let trace =
        RequestScope::current().map_or_else(TraceContext::generate, |scope| scope.trace.clone());
    Cause {
        company: call.company.clone(),
        at,
        principal: call.context.principal.clone(),
        channel: call.context.channel.clone(),
        correlation_id: call.context.correlation_id.clone(),
        traceparent: trace.traceparent(),
    }
}

/// What was decided, about what, for whom and when.
pub(crate) struct Decided<'a, T> {
    pub(crate) decision_id: Uuid,
    pub(crate) kind: &'static str,
    pub(crate) subject: Uuid,
    pub(crate) account: &'a AccountId,
    pub(crate) at: Timestamp,
    pub(crate) outcome: &'a T,
}

/// The record from which the same engine comes to the same outcome.
pub(crate) fn decision<T: Serialize>(
    decided: &Decided<'_, T>,
    request: &BasketRequest,
    facts: &Facts,
    assessment: &Assessment,
) -> Result<NewDecision, Problem> {
    Ok(NewDecision {
        decision_id: decided.decision_id,
        kind: decided.kind.to_owned(),
        account: decided.account.clone(),
        subject: decided.subject.to_string(),
        decided_at: decided.at,
        request: written(request)?,
        facts: written(facts)?,
        steps: assessment.steps.clone(),
        outcome: written(decided.outcome)?,
    })
}

/// JSON as the store keeps it.
pub(crate) fn written(value: &impl Serialize) -> Result<Written, Problem> {
    Written::of(value).map_err(|error| Problem::internal(&error))
}

/// The refusal of a basket that must be sound. What nobody can tell now is no fault of the basket.
pub(crate) fn rejected<'a>(problems: impl Iterator<Item = &'a LineProblem>) -> Problem {
    let problems: Vec<&LineProblem> = problems.collect();
    if let Some(unknown) = problems.iter().find(|problem| is_unknown(problem.code)) {
        return Problem::new(BACKEND_UNAVAILABLE, unknown.detail.clone())
            .with_retry_after(COME_AGAIN);
    }
    let mut refusal = Problem::new(
        codes::BASKET_REJECTED,
        "Correct what `errors` names and send it again with a new key.",
    );
    refusal.errors = problems.into_iter().take(MAX_FAULTS).map(fault).collect();
    refusal
}

/// Whether a source that does not answer stands behind a problem.
fn is_unknown(code: LineProblemCode) -> bool {
    matches!(
        code,
        LineProblemCode::PriceOnRequest | LineProblemCode::DateUnconfirmed
    )
}

/// A problem of a line, as the caller reads it.
pub(crate) fn fault(problem: &LineProblem) -> FieldError {
    let code = serde_json::to_value(problem.code)
        .ok()
        .and_then(|code| code.as_str().map(str::to_owned))
        .unwrap_or_default();
    FieldError::new(problem.pointer.clone(), code, problem.detail.clone())
}
