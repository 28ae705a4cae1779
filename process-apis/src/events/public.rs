//! What is told of an order outside: from an event of the log, and the order before and after it, to the public event.
//!
//! Pure, and a function of the log alone: whoever reads an event, whenever, gets the same bytes.

use canonical_model::{
    SiteId,
    event::CloudEvent,
    public_event::{HoldNews, LineNews, OrderNews, PublicEvent, PublicEventType},
    shipment::Shipment,
};

use crate::orders::{OrderEvent, OrderState, event::ReceivedLine, shipment::shown};

/// The words of the log that an event of a public type can come from: what a reader of some types asks the store for.
pub fn log_words(types: &[PublicEventType]) -> Vec<String> {
    let types = if types.is_empty() {
        PublicEventType::ALL
    } else {
        types
    };
    let mut words: Vec<String> = types.iter().map(|kind| kind.word().to_owned()).collect();
    if types.contains(&PublicEventType::HoldReleased) {
        words.push("order.retried".to_owned());
    }
    words
}

/// What an event means outside; None where it is a step between systems and of no concern there.
pub fn public_type(event: &OrderEvent) -> Option<PublicEventType> {
    Some(match event {
        OrderEvent::Received(_) => PublicEventType::Received,
        OrderEvent::ProvisionallyAccepted(_) => PublicEventType::ProvisionallyAccepted,
        OrderEvent::Revalidated(_) => PublicEventType::Revalidated,
        OrderEvent::Held(_) => PublicEventType::Held,
        OrderEvent::HoldReleased(_) => PublicEventType::HoldReleased,
        // A person had a look: what it waited for is settled.
        OrderEvent::Retried(retried) if !retried.holds.is_empty() => PublicEventType::HoldReleased,
        OrderEvent::Accepted(_) => PublicEventType::Accepted,
        OrderEvent::Released(_) => PublicEventType::Released,
        OrderEvent::Picked(_) => PublicEventType::Picked,
        OrderEvent::Packed(_) => PublicEventType::Packed,
        OrderEvent::Shipped(_) => PublicEventType::Shipped,
        OrderEvent::Rejected(_) => PublicEventType::Rejected,
        OrderEvent::CancelRequested(_) => PublicEventType::CancelRequested,
        OrderEvent::CancelRefused(_) => PublicEventType::CancelRefused,
        OrderEvent::Cancelled(_) => PublicEventType::Cancelled,
        OrderEvent::Replaced(_) => PublicEventType::Replaced,
        OrderEvent::ReplacementRefused(_) => PublicEventType::ReplacementRefused,
        OrderEvent::Retried(_)
        | OrderEvent::ErpOrderChosen(_)
        | OrderEvent::ErpOutcomeUnknown(_)
        | OrderEvent::ReleaseBegun(_)
        | OrderEvent::ReplacementRequested(_)
        | OrderEvent::ReplacementDropped(_) => return None,
    })
}

/// The site that an event is about.
fn site(event: &OrderEvent) -> Option<&SiteId> {
    match event {
        OrderEvent::Released(released) => Some(&released.site),
        OrderEvent::Picked(recorded)
        | OrderEvent::Packed(recorded)
        | OrderEvent::Shipped(recorded) => Some(&recorded.site),
        _ => None,
    }
}

/// The shipment that an event is about.
fn shipment(event: &OrderEvent) -> Option<Shipment> {
    match event {
        OrderEvent::Picked(recorded)
        | OrderEvent::Packed(recorded)
        | OrderEvent::Shipped(recorded) => Some(shown(recorded)),
        _ => None,
    }
}

/// The public event of an event of the log; None where nothing is told. `before` is None for the first one only.
pub fn public_event(
    logged: &CloudEvent,
    before: Option<&OrderState>,
    event: &OrderEvent,
    after: &OrderState,
) -> Option<PublicEvent> {
    let kind = public_type(event)?;
    Some(PublicEvent {
        specversion: logged.specversion.clone(),
        id: logged.id,
        source: logged.source.clone(),
        event_type: kind.name().to_owned(),
        subject: logged.subject.clone(),
        time: logged.time,
        datacontenttype: logged.datacontenttype.clone(),
        sequence: logged.sequence,
        position: logged.position,
        account: after.order.account.clone(),
        correlationid: logged.correlationid.clone(),
        traceparent: logged.traceparent.clone(),
        data: news(before, event, after),
    })
}

fn news(before: Option<&OrderState>, event: &OrderEvent, after: &OrderState) -> OrderNews {
    let order = &after.order;
    // A number that is chosen and not yet released stands for nothing in the ERP.
    let number = after.sales_order_number.clone();
    OrderNews {
        order_id: order.order_id,
        order_reference: order.reference.clone(),
        sales_order_number: number.filter(|_| after.accepted_at.is_some()),
        purchase_order_number: order.purchase_order_number.clone(),
        release_number: order.release_number.clone(),
        channel: order.channel.clone(),
        status: after.status(),
        version: after.version,
        total: order.total,
        provisional: after.provisional.is_some(),
        holds: after.holds.iter().map(HoldNews::from).collect(),
        lines: changed_lines(before, after),
        site: site(event).cloned(),
        shipment: shipment(event),
        replaces: order.replaces,
        replaced_by: after.replaced_by,
    }
}

/// Lines and their order never change after an order was received: only their quantities do.
fn changed_lines(before: Option<&OrderState>, after: &OrderState) -> Vec<LineNews> {
    let earlier = before.map_or(&[][..], |before| &before.quantities);
    let changed = after
        .lines()
        .enumerate()
        .filter(|(index, (_, quantities))| earlier.get(*index) != Some(*quantities));
    changed
        .map(|(_, (line, quantities))| LineNews {
            line: line.line,
            buyer_line: line.buyer_line.clone(),
            item: line.item.clone(),
            ordered: line.ordered,
            promised_delivery_date: last_day(line),
            quantities: *quantities,
        })
        .collect()
}

fn last_day(line: &ReceivedLine) -> Option<jiff::civil::Date> {
    line.schedule
        .iter()
        .map(|part| part.promised_delivery_date)
        .max()
}

#[cfg(test)]
#[path = "public_tests.rs"]
mod tests;
