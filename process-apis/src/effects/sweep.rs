//! Takes the steps of a sweep: see [`super::sweep_order`].

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrder};

use super::{
    backend,
    backoff::Pause,
    kind::calls,
    perform::noted,
    sweep_order::{self, Observation, Situation, Step},
    worker::{EffectError, Held, Worker, within},
};
use crate::{
    clients::{Call, Lane},
    orders::{Command, OrderState, react::KEPT},
};

/// Counts orders that the ERP had besides the right one, by what became of them.
fn count(outcome: &'static str) {
    metrics::counter!("orderway_erp_duplicates_total", "outcome" => outcome).increment(1);
}

impl Worker {
    pub(super) async fn sweep_order(&self, held: &mut Held) -> Result<(), EffectError> {
        let mut progress: sweep_order::Progress = held.progress()?;
        let mut observation = Observation::Fresh;
        loop {
            let Some(state) = self.order(held).await? else {
                return self.write(held, held.done()).await;
            };
            let (call, _) = self.in_time(held, &state, &progress).await?;
            let call = Call {
                lane: Lane::Bulk,
                ..call
            };
            let capabilities = match self.capabilities(&call).await {
                Ok(capabilities) => capabilities,
                Err(error) => return self.come_again(held, &error, &progress).await,
            };
            // It cannot be searched, or is not settled at all: the effect that creates it sees to that.
            let settled = state.is_closed() || state.accepted_at.is_some();
            if capabilities.create_class == CreateClass::Blind || !settled {
                return self.write(held, held.done()).await;
            }
            let asked = backend::create_request(&state, &capabilities);
            let right = state.sales_order_number.as_ref();
            let right = right.filter(|_| !state.is_closed());
            let situation = Situation {
                schedule: self.ghost_sweep(),
                since: held.effect.created_at,
                doubt: state.erp_doubted,
                asked: &asked,
                let_stand: &state.let_stand,
                asks: held.effect.payload.get(KEPT).is_some() && !state.is_closed(),
                right,
                retries: state.retries,
                settle_within: self.settle_within(),
                now: self.clock.now(),
            };
            let (step, next) = sweep_order::next_step(situation, progress, observation);
            progress = next;
            observation = match step {
                Step::List => {
                    let (_, until) = self.in_time(held, &state, &progress).await?;
                    let system = &self.system;
                    let found = system.orders_by_reference(&call, &asked.reference, right);
                    let found = within(until, self.clock.now(), found);
                    backend::ghosts_observed(calls::LIST_GHOSTS.run(found).await)
                }
                Step::Cancel(ghost) => {
                    self.cancel_ghost(held, &state, &call, &progress, *ghost)
                        .await?
                }
                // Another sweep has told it: that of an order that stood goes on beside the one of its end.
                Step::Tell { others, .. } if state.is_told_of(&others) => {
                    return self.write(held, held.done()).await;
                }
                Step::Tell { detail, others } => {
                    count("told");
                    tracing::warn!(order = %state.order_id(), detail, "the ERP may have an order twice");
                    let retries = state.retries;
                    let command = Command::ErpDuplicate {
                        detail,
                        erp_orders: others,
                        retries,
                    };
                    // It is over: whatever the person does begins another. Where that was done meanwhile, it goes on.
                    if !self.settle(held, &command, |_| held.done()).await? {
                        let at_once = Pause::Until(self.clock.now());
                        self.wait(held, at_once, noted(&progress)?).await?;
                    }
                    return Ok(());
                }
                Step::Wait(pause) => return self.wait(held, pause, noted(&progress)?).await,
                Step::Finished => return self.write(held, held.done()).await,
            };
        }
    }

    async fn cancel_ghost(
        &self,
        held: &mut Held,
        state: &OrderState,
        call: &Call,
        progress: &sweep_order::Progress,
        ghost: ErpOrder,
    ) -> Result<Observation, EffectError> {
        let (_, until) = self.in_time(held, state, progress).await?;
        self.begin(held, noted(progress)?).await?;
        let answer = self.system.cancel_order(call, &ghost.number);
        let answer = within(until, self.clock.now(), answer);
        let answer = calls::CANCEL_GHOST.run(answer).await;
        let (order, number) = (state.order_id(), ghost.number.clone());
        let observation = backend::ghost_cancel_observed(ghost, answer);
        if matches!(observation, Observation::CancelDone(_)) {
            count("cancelled");
            tracing::warn!(%order, %number, "an order that the ERP had besides the right one is cancelled there");
        }
        Ok(observation)
    }
}
