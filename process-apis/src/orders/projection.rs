//! An order's state as callers see it.

use canonical_model::order::{HeldOrder, HoldKind, OrderLine, SalesOrder, SalesOrderAccepted};

use super::{shipment, state::OrderState};
use crate::store::{OrderRow, Written};

/// The sales order.
pub fn sales_order(state: &OrderState) -> SalesOrder {
    let order = &state.order;
    let lines = state.lines().map(|(line, quantities)| OrderLine {
        line: line.line,
        buyer_line: line.buyer_line.clone(),
        identifiers: line.identifiers.clone(),
        item: line.item.clone(),
        description: line.description.clone(),
        ordered: line.ordered,
        price: line.price.clone(),
        schedule: line.schedule.clone(),
        quantities: *quantities,
        problems: line.problems.clone(),
    });
    let replacement = state.replacement.as_ref();
    let replacement = replacement.map(|replacement| replacement.order_id);
    SalesOrder {
        order_id: order.order_id,
        order_reference: order.reference.clone(),
        // A number that is chosen and not yet released stands for nothing in the ERP.
        sales_order_number: state
            .sales_order_number
            .clone()
            .filter(|_| state.accepted_at.is_some()),
        purchase_order_number: order.purchase_order_number.clone(),
        release_number: order.release_number.clone(),
        company: order.company.clone(),
        account: order.account.clone(),
        ship_to: order.ship_to.ship_to.clone(),
        channel: order.channel.clone(),
        document: order.document.clone(),
        replaces: order.replaces,
        replaced_by: state.replaced_by.or(replacement),
        status: state.status(),
        version: state.version,
        holds: state.holds.clone(),
        lines: lines.collect(),
        shipments: state.shipments.iter().map(shipment::shown).collect(),
        total: order.total,
        erp_totals: state.erp_totals.as_deref().cloned(),
        provisional: state.provisional.is_some(),
        taken_on: state.provisional.clone(),
        erp_unknown_since: state.erp_unknown_since,
        received_at: order.received_at,
        accepted_at: state.accepted_at,
        decision_id: order.decision_id,
        correlation_id: order.correlation_id.clone(),
        trace_id: order.trace_id.clone(),
    }
}

/// The answer to a taken order.
pub fn accepted(state: &OrderState) -> SalesOrderAccepted {
    SalesOrderAccepted {
        order_id: state.order_id(),
        order_reference: state.order.reference.clone(),
        status: state.status(),
        version: state.version,
        holds: state.holds.clone(),
        total: state.order.total,
        provisional: state.provisional.is_some(),
    }
}

/// The order in the list of what waits for a person.
pub fn held_order(state: &OrderState) -> HeldOrder {
    HeldOrder {
        order_id: state.order_id(),
        version: state.version,
        order_reference: state.order.reference.clone(),
        purchase_order_number: state.order.purchase_order_number.clone(),
        account: state.order.account.clone(),
        channel: state.order.channel.clone(),
        total: state.order.total,
        holds: state.holds.clone(),
    }
}

/// The order's row: its state, and what it is found by.
pub fn row(state: &OrderState) -> Result<OrderRow, serde_json::Error> {
    let mut holds: Vec<HoldKind> = state.holds.iter().map(|hold| hold.reason.kind).collect();
    holds.sort_unstable();
    holds.dedup();
    Ok(OrderRow {
        state: Written::of(state)?,
        reference: state.order.reference.clone(),
        purchase_order_number: state.order.purchase_order_number.clone(),
        release_number: state.order.release_number.clone(),
        holds_purchase_order: !state.is_closed(),
        status: state.status(),
        holds,
    })
}
