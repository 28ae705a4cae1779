//! Takes an order: facts, decision, commit. It runs under its idempotency key, in a task that requests only await.

use axum::{extract::FromRef, http::StatusCode};
use canonical_model::{OrderId, decision::DecisionRecord, order::SalesOrderRequest};
use jiff::Timestamp;
use serde_json::json;
use service_runtime::{
    context::CallContext,
    problem::{FieldError, Problem},
    trace::{RequestScope, TraceContext},
};
use uuid::Uuid;

use super::{
    change::{self, ChangeError},
    decide::Refusal,
    projection,
    state::OrderState,
    take::{self, Take},
};
use crate::{
    baskets::{
        Assessment,
        assess::assess,
        facts::{Facts, Purpose, Sources, basket_of, gather},
    },
    clients::{Call, Lane},
    error,
    idempotency::{Answer, Keyed, WorkError},
    promise::reservations,
    store::{Cause, Commit, StoreError},
};

/// How often a decision whose claims were taken by others is made again.
const DECISIONS_AGAIN: usize = 3;
/// How many things a channel may want looked at.
const MAX_REVIEWS: usize = 100;
/// How long a sentence about one may be.
const MAX_DETAIL: usize = 500;
/// How many faults one answer names.
const MAX_FAULTS: usize = 100;

/// Takes orders.
#[derive(Clone)]
pub struct Orders {
    sources: Sources,
}

impl<S> FromRef<S> for Orders
where
    Sources: FromRef<S>,
{
    fn from_ref(state: &S) -> Self {
        Self {
            sources: Sources::from_ref(state),
        }
    }
}

/// What one decision came to.
enum Decided {
    Answer(Answer),
    /// Others took what it needed: it is decided again from newer facts.
    Again,
}

/// The trace that the running request belongs to.
pub fn current_trace() -> TraceContext {
    RequestScope::current().map_or_else(TraceContext::generate, |scope| scope.trace.clone())
}

/// Who and what causes a commit.
pub fn cause(caller: &CallContext, call: &Call, trace: &TraceContext, at: Timestamp) -> Cause {
    Cause {
        company: call.company.clone(),
        at,
        principal: caller.principal.clone(),
        channel: caller.channel.clone(),
        correlation_id: caller.correlation_id.clone(),
        traceparent: trace.traceparent(),
    }
}

/// What a caller is told of an order that was not changed.
pub fn change_problem(error: ChangeError) -> WorkError {
    match error {
        ChangeError::NotFound => Problem::not_found().into(),
        ChangeError::Refused(refusal) => refusal_problem(&refusal).into(),
        ChangeError::Store(error) => error.into(),
        ChangeError::Event(_) | ChangeError::State(_) => Problem::internal(&error).into(),
    }
}

fn refusal_problem(refusal: &Refusal) -> Problem {
    let text = format!("{refusal}.");
    match refusal {
        Refusal::Faults(faults) => {
            let mut problem = Problem::new(
                error::ORDER_REJECTED,
                "Nothing was taken: correct what `errors` names, and send it with a new key.",
            );
            problem.errors = faults.clone();
            problem
        }
        Refusal::NotUnderstood(_) => Problem::new(error::ORDER_NOT_UNDERSTOOD, text),
        Refusal::NoSuchHold => Problem::not_found(),
        Refusal::HoldNeedsRetry => Problem::new(error::HOLD_NOT_RELEASABLE, text),
        Refusal::NothingToRetry => Problem::new(error::NOTHING_TO_RETRY, text),
        Refusal::NotCancellable(why) => Problem::new(error::ORDER_NOT_CANCELLABLE, *why),
    }
}

/// What the engine cannot see: the shape of what only an order has.
pub fn check_shape(request: &SalesOrderRequest) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut check = |text: Option<&str>, most: usize, pointer: &str| {
        if text.is_some_and(|text| !is_visible(text, most)) {
            faults.push(FieldError::new(pointer, "out-of-range", visible(most)));
        }
    };
    check(request.release_number.as_deref(), 30, "/release_number");
    check(
        request
            .document
            .as_ref()
            .map(|source| source.partner.as_str()),
        40,
        "/document/partner",
    );
    check(
        request
            .document
            .as_ref()
            .map(|source| source.transaction.as_str()),
        60,
        "/document/transaction",
    );
    faults.extend(review_faults(request));
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(faults))
    }
}

fn review_faults(request: &SalesOrderRequest) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |pointer: String, detail: String| {
        faults.push(FieldError::new(pointer, "out-of-range", detail));
    };
    if request.review.len() > MAX_REVIEWS {
        fault(
            "/review".to_owned(),
            format!("Name at most {MAX_REVIEWS} things to look at."),
        );
    }
    let lines = request.lines.len();
    for (index, reason) in request.review.iter().enumerate().take(MAX_REVIEWS) {
        if !is_visible(&reason.detail, MAX_DETAIL) {
            fault(format!("/review/{index}/detail"), visible(MAX_DETAIL));
        }
        let known = |line: u32| line > 0 && usize::try_from(line).is_ok_and(|line| line <= lines);
        if reason.line.is_some_and(|line| !known(line)) {
            let detail = format!("Name one of the lines 1 to {lines}, or none.");
            fault(format!("/review/{index}/line"), detail);
        }
    }
    faults
}

fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && text.trim() == text
}

fn visible(most: usize) -> String {
    format!("Give 1 to {most} visible characters without blanks at either end.")
}

impl Orders {
    /// Takes the order, once.
    pub async fn take(
        &self,
        caller: CallContext,
        request: SalesOrderRequest,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        let call = Call::for_caller(&caller, Lane::Order)?;
        self.check_document(&caller, &call, &request).await?;
        let taking = Taking {
            order_id: OrderId::generate(),
            trace: current_trace(),
            orders: self,
            caller: &caller,
            call: &call,
            request: &request,
            keyed: &keyed,
        };
        for _ in 0..=DECISIONS_AGAIN {
            match Box::pin(taking.decide_once()).await? {
                Decided::Answer(answer) => return Ok(answer),
                Decided::Again => {}
            }
        }
        Err(error::contention().into())
    }

    /// The answers go to the partner of the document: it must be one of the caller's own.
    async fn check_document(
        &self,
        caller: &CallContext,
        call: &Call,
        request: &SalesOrderRequest,
    ) -> Result<(), WorkError> {
        let Some(source) = &request.document else {
            return Ok(());
        };
        let stored = self
            .sources
            .store
            .document(&call.company, source.document_id)
            .await?;
        let own = stored.is_some_and(|stored| {
            stored.channel == caller.channel
                && stored.partner == source.partner
                && stored.account == request.account
        });
        if own {
            return Ok(());
        }
        let detail =
            "No such document of this channel, partner and account is stored; store it first.";
        let fault = FieldError::new("/document/document_id", "unknown-document", detail);
        Err(Problem::validation(vec![fault]).into())
    }
}

struct Taking<'a> {
    orders: &'a Orders,
    caller: &'a CallContext,
    call: &'a Call,
    trace: TraceContext,
    request: &'a SalesOrderRequest,
    keyed: &'a Keyed,
    order_id: OrderId,
}

impl Taking<'_> {
    async fn decide_once(&self) -> Result<Decided, WorkError> {
        let Sources { store, clock, .. } = &self.orders.sources;
        let basket = basket_of(self.request);
        let facts = gather(&self.orders.sources, self.call, &basket, Purpose::Order)
            .await
            .map_err(Problem::from)?;
        let now = clock.now();
        let assessment = assess(&basket, self.request.line_policy, &facts, now);
        let content = take::content(self.request, &assessment)?;
        let (account, number) = (&self.request.account, &self.request.purchase_order_number);
        let release = self.request.release_number.as_deref();
        if let Some(first) = store
            .order_of_purchase_order(&self.call.company, account, number, release)
            .await?
        {
            take::check_currency(self.request, &assessment)
                .map_err(|refusal| refusal_problem(&refusal))?;
            return self.duplicate(first, &content, now).await;
        }
        let (commit, after) = self.commit(&facts, &assessment, now)?;
        let answer = self.answer(&after)?;
        let commit = Commit {
            idempotency: Some(self.keyed.answer(&answer, now)),
            ..commit
        };
        match store.commit(commit).await {
            Ok(_) => {
                metrics::counter!("orderway_orders_taken_total", "channel" => self.caller.channel.clone()).increment(1);
                Ok(Decided::Answer(answer))
            }
            Err(
                StoreError::StockShort(_)
                | StoreError::CreditShort(_)
                | StoreError::VersionConflict { .. },
            ) => Ok(Decided::Again),
            Err(StoreError::PurchaseOrderTaken(first)) => {
                self.duplicate(first, &content, now).await
            }
            Err(error) => Err(error.into()),
        }
    }

    fn answer(&self, state: &OrderState) -> Result<Answer, Problem> {
        Answer::new(
            StatusCode::ACCEPTED,
            &projection::accepted(state),
            state.order_id().0,
        )
    }

    fn commit(
        &self,
        facts: &Facts,
        assessment: &Assessment,
        now: Timestamp,
    ) -> Result<(Commit, OrderState), WorkError> {
        let decision_id = Uuid::now_v7();
        let events = take::take(Take {
            order_id: self.order_id,
            decision_id,
            company: &self.call.company,
            channel: &self.caller.channel,
            correlation_id: &self.caller.correlation_id,
            trace_id: &self.trace.trace_id_hex(),
            request: self.request,
            assessment,
            limit_is_exclusive: facts.policies.credit.limit_is_exclusive,
            purchase_order_number_max_length: facts.capabilities.purchase_order_number_max_length,
            now,
        });
        let events = events.map_err(|refusal| change_problem(ChangeError::Refused(refusal)))?;
        let around = change::surroundings(&facts.capabilities, now);
        let cause = cause(self.caller, self.call, &self.trace, now);
        let decided = change::commit(None, &events, cause, around).map_err(change_problem)?;
        let (mut commit, after) = decided.ok_or_else(error::contention)?;
        if let Some(known) = &facts.reservation {
            // Its stock is given back by the reaction to `order.received`, before the order's own claims.
            let (consumed, _given_back) = reservations::consume(known, self.order_id)?;
            commit.changes.push(consumed);
        }
        commit.decision = Some(self.record(decision_id, facts, assessment, &after, now)?);
        Ok((commit, after))
    }

    fn record(
        &self,
        decision_id: Uuid,
        facts: &Facts,
        assessment: &Assessment,
        after: &OrderState,
        now: Timestamp,
    ) -> Result<DecisionRecord, Problem> {
        let internal = |error: serde_json::Error| Problem::internal(&error);
        let order = projection::sales_order(after);
        let lines = order.lines.iter().map(|line| {
            json!({
                "line": line.line, "item": line.item, "ordered": line.ordered, "price": line.price,
                "schedule": line.schedule, "problems": line.problems,
            })
        });
        Ok(DecisionRecord {
            decision_id,
            kind: "order".to_owned(),
            account: self.request.account.clone(),
            subject: self.order_id.to_string(),
            decided_at: now,
            request: serde_json::to_value(self.request).map_err(internal)?,
            facts: serde_json::to_value(facts).map_err(internal)?,
            steps: assessment.steps.clone(),
            outcome: json!({
                "status": order.status, "holds": take::holds(self.request, assessment), "total": order.total,
                "lines": lines.collect::<Vec<_>>(), "credit": assessment.credit,
            }),
        })
    }

    /// The purchase order is an order already: the same content gets the first answer, other content is refused.
    async fn duplicate(
        &self,
        first: OrderId,
        content: &str,
        now: Timestamp,
    ) -> Result<Decided, WorkError> {
        let store = self.orders.sources.store.as_ref();
        let state = change::load(store, first).await.map_err(change_problem)?;
        let Some(state) = state.filter(|state| !state.is_closed()) else {
            return Ok(Decided::Again);
        };
        if state.order.content != content {
            return Err(error::duplicate_purchase_order()
                .with_extension("order_id", first.to_string())
                .into());
        }
        let answer = Answer {
            duplicate: true,
            ..self.answer(&state)?
        };
        let idempotency = Some(self.keyed.answer(&answer, now));
        store
            .commit(Commit {
                idempotency,
                ..Commit::default()
            })
            .await?;
        Ok(Decided::Answer(answer))
    }
}
