//! A person's command on an order: read it, compare the version the person saw, decide, commit with the audit entry.

use axum::{extract::FromRef, http::StatusCode};
use canonical_model::OrderId;
use service_runtime::{
    context::CallContext,
    extract::{Etag, IfMatch},
    problem::{Problem, codes},
};

use crate::{
    clients::{Call, Lane},
    crash_points,
    idempotency::{Answer, Keyed, WorkError},
    orders::{
        Command, OrderState,
        accept::{cause, change_problem, current_trace},
        change, projection,
        routes::visible_order,
    },
    state::AppState,
    store::StoreError,
};

/// Carries out commands on orders.
#[derive(Clone)]
pub(super) struct Commands {
    state: AppState,
}

impl FromRef<AppState> for Commands {
    fn from_ref(state: &AppState) -> Self {
        Self {
            state: state.clone(),
        }
    }
}

impl Commands {
    /// The order, if the caller may see it.
    pub(super) async fn order(
        &self,
        caller: &CallContext,
        id: OrderId,
    ) -> Result<OrderState, Problem> {
        visible_order(self.state.store.as_ref(), caller, id).await
    }

    /// Carries it out on the version that the caller saw, or not at all.
    pub(super) async fn carry_out(
        &self,
        caller: &CallContext,
        id: OrderId,
        if_match: &IfMatch,
        command: &Command,
        keyed: &Keyed,
    ) -> Result<Answer, WorkError> {
        let before = self.order(caller, id).await?;
        if_match.check(&Etag::version(before.version))?;
        if let Command::ReleaseHold { hold, .. } = command {
            let held = before
                .holds
                .iter()
                .find(|held| held.hold == *hold)
                .ok_or_else(Problem::not_found)?;
            caller.require(&held.reason.released_by)?;
        }
        let call = Call::for_caller(caller, Lane::Order)?;
        let capabilities = self
            .state
            .capabilities
            .of(&call)
            .await
            .map_err(Problem::from)?;
        let now = self.state.clock.now();
        let cause = cause(caller, &call, &current_trace(), now);
        let around = change::surroundings(&capabilities, now);
        let changed = change::command(&before, command, cause, around).map_err(change_problem)?;
        let Some((mut commit, after)) = changed else {
            return Ok(answer(&before)?);
        };
        let answer = answer(&after)?;
        commit.idempotency = Some(keyed.answer(&answer, now));
        let committed = self.state.store.commit(commit);
        match crash_points::ORDER_COMMAND.run(committed).await {
            Ok(_) => Ok(answer),
            Err(StoreError::VersionConflict { .. }) => Err(changed_meanwhile().into()),
            Err(error) => Err(error.into()),
        }
    }
}

fn answer(state: &OrderState) -> Result<Answer, Problem> {
    Answer::new(
        StatusCode::OK,
        &projection::sales_order(state),
        state.order_id().0,
    )
}

fn changed_meanwhile() -> Problem {
    Problem::new(
        codes::PRECONDITION_FAILED,
        "The order has changed since you read it; read it again and decide anew.",
    )
}
