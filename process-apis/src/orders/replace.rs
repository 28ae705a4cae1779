//! Asks for another order in the place of one.
//!
//! The order is cancelled, and what is to take its place is written with the cancellation, so that whoever is there when
//! that is settled takes it: see `effects::take_replacement`.

use axum::http::StatusCode;
use canonical_model::{OrderId, order::SalesOrderRequest};
use service_runtime::{
    context::CallContext,
    extract::{Etag, IfMatch},
    problem::{FieldError, Problem, codes},
};

use super::{
    accept::{Orders, cause, change_problem, current_trace, refusal_problem},
    change,
    command::Command,
    event::Replacement,
    projection,
    routes::visible_order,
    state::OrderState,
    take,
    taking::Taking,
};
use crate::{
    baskets::facts::Purpose,
    clients::{Call, Lane},
    crash_points,
    idempotency::{Answer, Keyed, WorkError},
    store::{Commit, StoreError},
};

impl Orders {
    /// Replaces the version of the order that the caller saw, or does nothing.
    pub async fn replace(
        &self,
        caller: CallContext,
        (id, if_match): (OrderId, IfMatch),
        request: SalesOrderRequest,
        keyed: Keyed,
    ) -> Result<Answer, WorkError> {
        let call = Call::for_caller(&caller, Lane::Order)?;
        let before = visible_order(self.sources.store.as_ref(), &caller, id).await?;
        if_match.check(&Etag::version(before.version))?;
        check_names(&before, &request)?;
        self.check_document(&caller, &call, &request).await?;
        let taking = Taking {
            sources: &self.sources,
            call: &call,
            caller: &caller,
            trace: current_trace(),
            order_id: OrderId::generate(),
            replaces: Some(id),
            request: &request,
        };
        let assessed = taking.assess(Purpose::Order).await.map_err(Problem::from)?;
        let content = take::content(&request, &assessed.assessment)?;
        if is_already(&before, &content) || is_overtaken(&before, &request) {
            return self.nothing_changes(&before, &keyed).await;
        }
        let now = assessed.now;
        let command = Command::Replace {
            replacement: Box::new(Replacement {
                order_id: taking.order_id,
                request: request.clone(),
                content,
                channel: caller.channel.clone(),
                principal: caller.principal.clone(),
                correlation_id: caller.correlation_id.clone(),
                traceparent: taking.trace.traceparent(),
                requested_at: now,
            }),
            by_seller: caller.has_scope("holds:release"),
        };
        let cause = cause(&caller, &call, &taking.trace, now);
        let around = change::surroundings(&assessed.facts.capabilities, now);
        let changed = change::command(&before, &command, cause, around).map_err(change_problem)?;
        taking
            .decide(&assessed)
            .map_err(|refusal| refusal_problem(&refusal))?;
        let Some((mut commit, after)) = changed else {
            return self.nothing_changes(&before, &keyed).await;
        };
        let answer = answer(StatusCode::ACCEPTED, &after)?;
        commit.idempotency = Some(keyed.answer(&answer, now));
        let committed = self.sources.store.commit(commit);
        match crash_points::ORDER_REPLACE.run(committed).await {
            Ok(_) => Ok(answer),
            Err(StoreError::VersionConflict { .. }) => Err(changed_meanwhile().into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn nothing_changes(
        &self,
        state: &OrderState,
        keyed: &Keyed,
    ) -> Result<Answer, WorkError> {
        let answer = Answer {
            duplicate: true,
            ..answer(StatusCode::OK, state)?
        };
        let commit = Commit {
            idempotency: Some(keyed.answer(&answer, self.sources.clock.now())),
            ..Commit::default()
        };
        let committed = self.sources.store.commit(commit);
        crash_points::ORDER_REPLACE_REPEAT.run(committed).await?;
        Ok(answer)
    }
}

/// What an order is found by cannot be changed in it.
fn check_names(order: &OrderState, request: &SalesOrderRequest) -> Result<(), Problem> {
    let order = &order.order;
    let mut faults = Vec::new();
    let mut same = |same: bool, pointer: &str, what: &str| {
        if !same {
            let detail = format!("Give the order's own {what}, or place a new order instead.");
            faults.push(FieldError::new(pointer, "differs-from-order", detail));
        }
    };
    same(order.account == request.account, "/account", "account");
    same(
        order.purchase_order_number == request.purchase_order_number,
        "/purchase_order_number",
        "purchase order number",
    );
    same(
        order.release_number == request.release_number,
        "/release_number",
        "release number",
    );
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(faults))
    }
}

/// Whether this is what stands, or will: of an order that is cancelled, what is to take its place.
fn is_already(order: &OrderState, content: &str) -> bool {
    match &order.replacement {
        Some(replacement) => replacement.content == content,
        None => !order.is_closed() && order.cancelling.is_none() && order.order.content == content,
    }
}

/// Whether what stands, or will, came in a later document: an earlier one that was carried on late changes nothing. The
/// ids of documents are in the order in which they were stored.
fn is_overtaken(order: &OrderState, request: &SalesOrderRequest) -> bool {
    let standing = match &order.replacement {
        Some(replacement) => replacement.request.document.as_ref(),
        None => order.order.document.as_ref(),
    };
    match (standing, &request.document) {
        (Some(standing), Some(asking)) => standing.document_id > asking.document_id,
        _ => false,
    }
}

fn answer(status: StatusCode, state: &OrderState) -> Result<Answer, Problem> {
    Answer::new(status, &projection::sales_order(state), state.order_id().0)
}

fn changed_meanwhile() -> Problem {
    Problem::new(
        codes::PRECONDITION_FAILED,
        "The order has changed since you read it; read it again and decide anew.",
    )
}
