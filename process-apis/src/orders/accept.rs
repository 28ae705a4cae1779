//! Takes an order: facts, decision, commit. It runs under its idempotency key, in a task that requests only await.

use axum::{extract::FromRef, http::StatusCode};
use canonical_model::{OrderId, order::SalesOrderRequest};
use jiff::Timestamp;
use service_runtime::{
    context::CallContext,
    problem::{FieldError, Problem},
    trace::{RequestScope, TraceContext},
};

use super::{
    change::{self, ChangeError},
    decide::Refusal,
    projection,
    provisional::Bound,
    state::OrderState,
    take,
    taking::{Taking, TakingError},
};
use crate::{
    baskets::facts::{Purpose, Sources},
    clients::{Call, Lane},
    crash_points, error,
    idempotency::{Answer, Keyed, WorkError},
    store::{Cause, Commit, StoreError},
};

/// How often a decision whose claims were taken by others is made again.
const DECISIONS_AGAIN: usize = 3;

/// Takes orders.
#[derive(Clone)]
pub struct Orders {
    pub(super) sources: Sources,
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

/// What a caller is told of an order that cannot be written.
pub fn taking_problem(error: TakingError) -> WorkError {
    match error {
        TakingError::Change(error) => change_problem(error),
        TakingError::Problem(problem) => problem.into(),
    }
}

/// What a caller is told of a refusal.
pub fn refusal_problem(refusal: &Refusal) -> Problem {
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
        Refusal::BeyondOutagePolicy(bound) => error::outage_limit(bound),
    }
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
            sources: &self.sources,
            call: &call,
            caller: &caller,
            trace: current_trace(),
            order_id: OrderId::generate(),
            replaces: None,
            request: &request,
        };
        let once = Once {
            taking,
            keyed: &keyed,
        };
        for _ in 0..=DECISIONS_AGAIN {
            match Box::pin(once.decide()).await? {
                Decided::Answer(answer) => return Ok(answer),
                Decided::Again => {}
            }
        }
        Err(error::contention().into())
    }

    /// The answers go to the partner of the document: it must be one of the caller's own.
    pub(super) async fn check_document(
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

/// One request that takes an order.
struct Once<'a> {
    taking: Taking<'a>,
    keyed: &'a Keyed,
}

fn answer(state: &OrderState) -> Result<Answer, Problem> {
    Answer::new(
        StatusCode::ACCEPTED,
        &projection::accepted(state),
        state.order_id().0,
    )
}

/// Counts an order that is taken.
pub fn count_taken(channel: &str) {
    metrics::counter!("orderway_orders_taken_total", "channel" => channel.to_owned()).increment(1);
}

impl Once<'_> {
    async fn decide(&self) -> Result<Decided, WorkError> {
        let Taking {
            sources,
            call,
            request,
            ..
        } = &self.taking;
        let assessed = self.taking.assess(Purpose::Order).await;
        let assessed = assessed.map_err(Problem::from)?;
        let (assessment, now) = (&assessed.assessment, assessed.now);
        let content = take::content(request, assessment)?;
        let (account, number) = (&request.account, &request.purchase_order_number);
        let release = request.release_number.as_deref();
        let first = sources
            .store
            .order_of_purchase_order(&call.company, account, number, release);
        if let Some(first) = first.await? {
            take::check_currency(request, assessment)
                .map_err(|refusal| refusal_problem(&refusal))?;
            return self.duplicate(first, &content, now).await;
        }
        let events = self.taking.decide(&assessed);
        let events = events.map_err(|refusal| refusal_problem(&refusal))?;
        let (commit, after) = self
            .taking
            .commit(&assessed, &events)
            .map_err(taking_problem)?;
        let answer = answer(&after)?;
        let commit = Commit {
            idempotency: Some(self.keyed.answer(&answer, now)),
            ..commit
        };
        match crash_points::ORDER_TAKE
            .run(sources.store.commit(commit))
            .await
        {
            Ok(_) => {
                count_taken(&self.taking.caller.channel);
                Ok(Decided::Answer(answer))
            }
            Err(
                StoreError::StockShort(_)
                | StoreError::CreditShort(_)
                | StoreError::VersionConflict { .. },
            ) => Ok(Decided::Again),
            Err(StoreError::BoundReached(key)) => Err(error::outage_limit(&Bound::of(&key)).into()),
            Err(StoreError::PurchaseOrderTaken(first)) => {
                self.duplicate(first, &content, now).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The purchase order is an order already: the same content gets the first answer, other content is refused.
    async fn duplicate(
        &self,
        first: OrderId,
        content: &str,
        now: Timestamp,
    ) -> Result<Decided, WorkError> {
        let store = self.taking.sources.store.as_ref();
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
            ..answer(&state)?
        };
        let idempotency = Some(self.keyed.answer(&answer, now));
        let committed = store.commit(Commit {
            idempotency,
            ..Commit::default()
        });
        crash_points::ORDER_REPEAT.run(committed).await?;
        Ok(Decided::Answer(answer))
    }
}
