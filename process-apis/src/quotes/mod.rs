//! Quotes: prices locked for a time. A quote is whole or it is not made; it expires by the clock.

mod routes;

use axum::http::StatusCode;
use canonical_model::{
    CompanyId, QuoteId,
    basket::{BasketRequest, Verdict},
    order::LinePolicy,
    quote::{Quote, QuoteRequest, QuoteState},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_runtime::problem::{FieldError, Problem};
use uuid::Uuid;

pub use routes::router;

use crate::{
    baskets::{
        Assessment,
        assess::assess,
        facts::{Facts, Purpose, Sources, gather},
        record::{Decided, cause, decision, rejected, written},
    },
    clients::Call,
    crash_points,
    idempotency::{Answer, Keyed, WorkError},
    policy::QuotePolicy,
    store::{Commit, NewEvent, QuoteRow, StateRow, Store, StoreError, StreamChange, StreamKind},
};

/// A quote as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredQuote {
    /// The company it was made in.
    pub company: CompanyId,
    /// The quote as it was made.
    pub quote: Quote,
}

impl StoredQuote {
    /// The quote as it is now.
    pub fn at(self, now: Timestamp) -> Quote {
        let state = if now < self.quote.expires_at {
            QuoteState::Open
        } else {
            QuoteState::Expired
        };
        Quote {
            state,
            ..self.quote
        }
    }
}

/// A quote of the company; another's is as if it did not exist.
pub async fn load(
    store: &dyn Store,
    company: &CompanyId,
    id: QuoteId,
) -> Result<Option<StoredQuote>, StoreError> {
    let Some(found) = store.state(StreamKind::Quote, id.0).await? else {
        return Ok(None);
    };
    let stored: StoredQuote = found
        .state
        .read()
        .map_err(|error| StoreError::Failed(error.into()))?;
    Ok(Some(stored).filter(|stored| stored.company == *company))
}

/// Makes a quote, or refuses with every fault.
pub(crate) async fn create(
    sources: &Sources,
    call: &Call,
    request: QuoteRequest,
    keyed: &Keyed,
) -> Result<Answer, WorkError> {
    let lifetime = lifetime(request.seconds, &sources.policies.quote)?;
    let basket = basket_of(request);
    let facts = gather(sources, call, &basket, Purpose::Checkout)
        .await
        .map_err(Problem::from)?;
    let now = sources.clock.now();
    let assessment = assess(&basket, LinePolicy::AllOrNothing, &facts, now);
    let quote = decide(&assessment, now, lifetime)?;
    let answer = Answer::new(StatusCode::CREATED, &quote, quote.quote_id.0)?;
    let commit = commit(call, &basket, &facts, &assessment, quote)?;
    let idempotency = Some(keyed.answer(&answer, now));
    let committed = sources.store.commit(Commit {
        idempotency,
        ..commit
    });
    crash_points::QUOTE_LOCK.run(committed).await?;
    Ok(answer)
}

fn lifetime(seconds: Option<u32>, policy: &QuotePolicy) -> Result<SignedDuration, Problem> {
    match seconds {
        Some(0) => Err(Problem::validation(vec![FieldError::new(
            "/seconds",
            "out-of-range",
            "Lock the prices for at least one second, or leave this out.",
        )])),
        Some(seconds) => {
            Ok(SignedDuration::from_secs(i64::from(seconds)).min(policy.max_lifetime.signed()))
        }
        None => Ok(policy.lifetime.signed()),
    }
}

/// A quote is made of the prices as they are now: an earlier one's cannot be renewed by it.
fn basket_of(request: QuoteRequest) -> BasketRequest {
    let mut lines = request.lines;
    for line in &mut lines {
        line.expected_unit_price = None;
        line.quote_id = None;
    }
    BasketRequest {
        account: request.account,
        ship_to: request.ship_to,
        requested_delivery_date: None,
        quote_id: None,
        reservation_id: None,
        ship_complete: false,
        lines,
    }
}

fn decide(
    assessment: &Assessment,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Quote, Problem> {
    // Credit is looked at when it is ordered: a hold does not stand in a quote's way.
    let ship_to = match (&assessment.ship_to, assessment.verdict) {
        (Some(ship_to), Verdict::Accept | Verdict::Hold) => ship_to.ship_to.clone(),
        (_, Verdict::Reject) | (None, _) => return Err(rejected(assessment.all_problems())),
    };
    Ok(Quote {
        quote_id: QuoteId::generate(),
        account: assessment.account.account.clone(),
        ship_to,
        lines: assessment.checked_lines(),
        total: assessment.total,
        created_at: now,
        expires_at: now.saturating_add(lifetime).unwrap_or(now),
        state: QuoteState::Open,
        decision_id: Uuid::now_v7(),
    })
}

fn commit(
    call: &Call,
    basket: &BasketRequest,
    facts: &Facts,
    assessment: &Assessment,
    quote: Quote,
) -> Result<Commit, Problem> {
    let (id, account, at) = (quote.quote_id.0, quote.account.clone(), quote.created_at);
    let decided = Decided {
        decision_id: quote.decision_id,
        kind: "quote",
        subject: id,
        account: &account,
        at,
        outcome: &quote,
    };
    let decision = decision(&decided, basket, facts, assessment)?;
    let (data, expires_at) = (written(&quote)?, quote.expires_at);
    let state = written(&StoredQuote {
        company: call.company.clone(),
        quote,
    })?;
    let change = StreamChange {
        kind: StreamKind::Quote,
        id,
        expected_version: 0,
        account,
        events: vec![NewEvent {
            event_type: "quote.created",
            type_version: 1,
            data,
        }],
        row: StateRow::Quote(QuoteRow { state, expires_at }),
    };
    Ok(Commit {
        cause: Some(cause(call, at)),
        changes: vec![change],
        decision: Some(decision),
        ..Commit::default()
    })
}

#[cfg(test)]
mod tests;
