//! Cancelling. Tryton cancels a draft or a quotation; of what it processes, the shipments are cancelled and their moves
//! given up, which leaves an order that is done with nothing shipped.

use std::collections::HashSet;

use canonical_model::{CompanyId, ErpOrderNumber};
use serde_json::{Value, json};

use super::{
    client::TrytonErpConnector,
    orders::{is_cancelled, not_done},
    wire,
};
use crate::{
    connector::ConnectorError,
    transport::Effect,
    tryton::{CallError, Context},
};

/// What asks what becomes of the moves of cancelled shipments.
const WIZARD: &str = "wizard.sale.handle.shipment.exception";

fn rejected(message: impl Into<String>) -> ConnectorError {
    ConnectorError::Rejected {
        message: message.into(),
    }
}

impl TrytonErpConnector {
    /// Each step looks first, so that a cancel that was cut off goes on when it is asked again.
    pub(super) async fn cancel(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        let id = Self::order_id(number)?;
        let context = self.context(company).await?;
        let standing = self.standing(id, &context).await?;
        if is_cancelled(&standing) {
            return Ok(());
        }
        match standing.state.as_str() {
            "draft" | "quotation" => {
                let pressed = self
                    .tryton
                    .press("sale.sale", "cancel", id, &context, (0, |_| false))
                    .await;
                if pressed.is_ok() || is_cancelled(&self.seen(id, &context, &pressed).await?) {
                    return Ok(());
                }
                pressed.map(drop).map_err(not_done)
            }
            "done" => Err(rejected(
                "The order is done: it can be returned, not cancelled.",
            )),
            _confirmed => self.give_up(id, &context).await,
        }
    }

    async fn give_up(&self, id: i64, context: &Context) -> Result<(), ConnectorError> {
        let goods = self.goods(id, context).await?;
        may_give_up(&goods)?;
        let given_up = self.give_up_goods(id, goods, context).await;
        given_up.map_err(|error| match error {
            // Some of its shipments may be cancelled: nobody may conclude that it goes on.
            ConnectorError::Rejected { .. }
            | ConnectorError::NotFound
            | ConnectorError::Protocol(_) => ConnectorError::OutcomeUnknown(error.into()),
            other => other,
        })
    }

    async fn give_up_goods(
        &self,
        id: i64,
        goods: wire::Goods,
        context: &Context,
    ) -> Result<(), ConnectorError> {
        for shipment in goods
            .shipments
            .iter()
            .filter(|shipment| shipment.state != "cancelled")
        {
            let model = "stock.shipment.out";
            self.tryton
                .press(model, "cancel", shipment.id, context, (0, |_| false))
                .await?;
        }
        // Only now it is known which moves are cancelled.
        let goods = self.goods(id, context).await?;
        let moves = goods.lines.iter().flat_map(|line| &line.moves);
        let moves: Vec<i64> = moves
            .filter(|one| one.state == "cancelled")
            .map(|one| one.id)
            .collect();
        self.ignore(id, &moves, context).await?;
        if is_cancelled(&self.standing(id, context).await?) {
            return Ok(());
        }
        Err(rejected(
            "The ERP gave up the order's shipments but still keeps the order: look at it in Tryton.",
        ))
    }

    async fn goods(&self, id: i64, context: &Context) -> Result<wire::Goods, ConnectorError> {
        let read: Result<Vec<wire::Goods>, CallError> = self
            .tryton
            .read("sale.sale", &[id], wire::GOODS, context)
            .await;
        read?.into_iter().next().ok_or(ConnectorError::NotFound)
    }

    /// Answers the wizard that these moves are not to be made again.
    async fn ignore(
        &self,
        id: i64,
        moves: &[i64],
        context: &Context,
    ) -> Result<(), ConnectorError> {
        let context = context
            .clone()
            .with("active_model", "sale.sale")
            .with("active_id", id)
            .with("active_ids", json!([id]));
        let call = |method: &str| format!("{WIZARD}.{method}");
        let begun: (i64, Value, Value) = self
            .tryton
            .call(&call("create"), &(&context,), Effect::Reads)
            .await?;
        let session = begun.0;
        let answer =
            json!({"ask": {"domain_moves": moves, "ignore_moves": moves, "recreate_moves": []}});
        let told: Result<Value, CallError> = self
            .tryton
            .call(
                &call("execute"),
                &(session, answer, "handle", &context),
                Effect::Changes,
            )
            .await;
        // Its session would go away by itself, later.
        let closed: Result<Value, CallError> = self
            .tryton
            .call(&call("delete"), &(session, &context), Effect::Reads)
            .await;
        told?;
        closed?;
        Ok(())
    }
}

/// Whether nothing has left the house and nothing else would be lost.
fn may_give_up(goods: &wire::Goods) -> Result<(), ConnectorError> {
    if !goods.invoices.is_empty() {
        return Err(rejected(
            "The order is invoiced: it can be credited, not cancelled.",
        ));
    }
    if !goods.drop_shipments.is_empty() {
        return Err(rejected("A supplier ships this order: ask there."));
    }
    let open = ["draft", "waiting", "assigned", "cancelled"];
    if goods
        .shipments
        .iter()
        .any(|shipment| !open.contains(&&*shipment.state))
    {
        return Err(rejected(
            "The order is being picked or has left: it can be returned, not cancelled.",
        ));
    }
    let own: HashSet<i64> = goods
        .lines
        .iter()
        .flat_map(|line| &line.moves)
        .map(|one| one.id)
        .collect();
    let mut moves = goods
        .shipments
        .iter()
        .flat_map(|shipment| &shipment.outgoing_moves);
    if moves.any(|one| !own.contains(one)) {
        return Err(rejected(
            "The order shares a shipment with another order: cancel it in the ERP.",
        ));
    }
    Ok(())
}
