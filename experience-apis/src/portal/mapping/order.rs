//! Orders for a buyer's eyes: no scope, no backend, no credit figure.

use canonical_model::{
    OrderId,
    erp_order::{AddedCharge, ErpTotals},
    event::CloudEvent,
    item::ItemScheme,
    order::{
        self as canonical, HoldReason as CanonicalReason, OrderHold, SalesOrder,
        SalesOrderAccepted, SalesOrderPage,
    },
    public_event::HoldCause,
};
use jiff::Timestamp;

use super::{pointer::Named, price::line_price};
use crate::{
    feed::event_word,
    portal::shape::{
        hold::Hold,
        order::{
            Charge, Order, OrderLine, OrderPage, OrderReceipt, OrderSummary, OrderTotals, TakenOn,
            Timeline, TimelineEntry, TimelineEvent,
        },
    },
};

/// A hold in a buyer's words. The seller's own sentence stays inside: it may hold limits and backend words.
pub fn hold(reason: &CanonicalReason, since: Option<Timestamp>) -> Hold {
    let cause = HoldCause::from(reason.kind);
    let message = match cause {
        HoldCause::CreditReview => {
            "The seller's credit department looks at this order. Nothing is lost; ask your contact there if it is urgent."
        }
        HoldCause::PriceReview => {
            "The price you stated differs from the seller's. The seller decides; the line shows the seller's price."
        }
        HoldCause::OrderReview => {
            "The seller looks at this order before it goes on: it needs an approval there, or differs from what was quoted or shown to you."
        }
        HoldCause::AvailabilityReview => {
            "What was promised may no longer be there. The seller looks at it, and tells you what can be had when."
        }
        HoldCause::OrderEntryReview => {
            "The seller completes the entry of this order by hand. Do not send it again."
        }
        HoldCause::WarehouseReview => {
            "The order is taken, but the warehouse could not take it yet. The seller looks at it."
        }
    };
    Hold {
        reason: cause,
        message: message.to_owned(),
        line: reason.line,
        since,
    }
}

fn holds(holds: &[OrderHold]) -> Vec<Hold> {
    holds
        .iter()
        .map(|found| hold(&found.reason, Some(found.placed_at)))
        .collect()
}

/// The answer to a placed order.
pub fn receipt(accepted: &SalesOrderAccepted) -> OrderReceipt {
    OrderReceipt {
        order_id: accepted.order_id,
        order_reference: accepted.order_reference.clone(),
        sales_order_number: None,
        status: accepted.status,
        version: accepted.version,
        holds: holds(&accepted.holds),
        total: accepted.total,
        provisional: accepted.provisional,
    }
}

/// The same from the order as it now stands.
pub fn receipt_of_order(order: &SalesOrder) -> OrderReceipt {
    OrderReceipt {
        order_id: order.order_id,
        order_reference: order.order_reference.clone(),
        sales_order_number: order.sales_order_number.clone(),
        status: order.status,
        version: order.version,
        holds: holds(&order.holds),
        total: order.total,
        provisional: order.provisional,
    }
}

/// A page of orders.
pub fn order_page(page: SalesOrderPage) -> OrderPage {
    OrderPage {
        items: page.items.into_iter().map(summary).collect(),
        next: page.next,
    }
}

fn summary(order: SalesOrder) -> OrderSummary {
    let last_day = order
        .lines
        .iter()
        .flat_map(|line| &line.schedule)
        .map(|promise| promise.promised_delivery_date)
        .max();
    OrderSummary {
        order_id: order.order_id,
        order_reference: order.order_reference,
        sales_order_number: order.sales_order_number,
        purchase_order_number: order.purchase_order_number,
        release_number: order.release_number,
        channel: order.channel,
        status: order.status,
        held: !order.holds.is_empty(),
        line_count: order.lines.len(),
        promised_delivery_date: last_day,
        total: order.total,
        provisional: order.provisional,
        received_at: order.received_at,
    }
}

/// An order.
pub fn order(order: SalesOrder) -> Order {
    let named = Named::of(order.lines.iter().map(|line| line.identifiers.as_slice()));
    Order {
        order_id: order.order_id,
        order_reference: order.order_reference,
        sales_order_number: order.sales_order_number,
        purchase_order_number: order.purchase_order_number,
        release_number: order.release_number,
        account: order.account,
        ship_to: order.ship_to,
        channel: order.channel,
        status: order.status,
        version: order.version,
        holds: holds(&order.holds),
        lines: order
            .lines
            .into_iter()
            .map(|line| order_line(line, &named))
            .collect(),
        shipments: order.shipments,
        total: order.total,
        totals: order.erp_totals.map(totals),
        provisional: order.provisional,
        taken_on: order.taken_on.map(|on| TakenOn {
            price: on.price,
            stock: on.stock,
        }),
        unconfirmed_since: order.erp_unknown_since,
        received_at: order.received_at,
        accepted_at: order.accepted_at,
        decision_id: order.decision_id,
        correlation_id: order.correlation_id,
        trace_id: order.trace_id,
    }
}

fn totals(totals: ErpTotals) -> OrderTotals {
    let charge = |charge: AddedCharge| Charge {
        kind: charge.kind,
        description: charge.description,
        amount: charge.amount,
    };
    OrderTotals {
        net: totals.net,
        added: totals.added.into_iter().map(charge).collect(),
        gross: totals.gross,
    }
}

fn order_line(line: canonical::OrderLine, named: &Named) -> OrderLine {
    let identifier = |scheme: ItemScheme| {
        line.identifiers
            .iter()
            .find(|identifier| identifier.scheme == scheme)
            .map(|identifier| identifier.value.clone())
    };
    let mut problems = line.problems.clone();
    for problem in &mut problems {
        problem.pointer = named.pointer(&problem.pointer);
    }
    OrderLine {
        line: line.line,
        buyer_part_number: identifier(ItemScheme::BuyerPartNumber),
        gtin: identifier(ItemScheme::Gtin),
        buyer_line: line.buyer_line,
        item: line.item,
        description: line.description,
        ordered: line.ordered,
        price: line.price.map(line_price),
        schedule: line.schedule,
        quantities: line.quantities,
        problems,
    }
}

/// What has happened to an order; steps between systems are left out.
pub fn timeline(order_id: OrderId, events: Vec<CloudEvent>) -> Timeline {
    let entries = events.into_iter().filter_map(|event| {
        let (what, message) = timeline_event(event_word(&event.event_type)?)?;
        Some(TimelineEntry {
            at: event.time,
            event: what,
            message: message.to_owned(),
        })
    });
    Timeline {
        order_id,
        entries: entries.collect(),
    }
}

fn timeline_event(word: &str) -> Option<(TimelineEvent, &'static str)> {
    let (event, message) = match word {
        "order.received" => (
            TimelineEvent::Received,
            "The order was received and is safe.",
        ),
        "order.provisionally_accepted" => (
            TimelineEvent::ProvisionallyAccepted,
            "The seller's system does not answer; the order was taken nevertheless, and its prices and dates are looked at \
             again before it goes on.",
        ),
        "order.revalidated" => (
            TimelineEvent::Revalidated,
            "The order's prices and dates were looked at again.",
        ),
        "order.held" => (TimelineEvent::Held, "The order waits for the seller."),
        "order.hold_released" => (
            TimelineEvent::HoldReleased,
            "The seller has released what the order waited for.",
        ),
        "order.accepted" => (
            TimelineEvent::Accepted,
            "The order is in the seller's system.",
        ),
        "order.released" => (
            TimelineEvent::Released,
            "The order was given to the warehouse.",
        ),
        "order.picked" => (
            TimelineEvent::Picked,
            "The warehouse has picked some of the order.",
        ),
        "order.packed" => (
            TimelineEvent::Packed,
            "The warehouse has packed some of the order.",
        ),
        "order.shipped" => (
            TimelineEvent::Shipped,
            "Goods of the order have left the warehouse.",
        ),
        "order.rejected" => (TimelineEvent::Rejected, "The seller refused the order."),
        "order.cancelled" => (TimelineEvent::Cancelled, "The order was cancelled."),
        // Not a buyer's matter, or newer than this reader.
        _ => return None,
    };
    Some((event, message))
}
