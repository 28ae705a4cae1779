//! Changing the items of a sales order that is blocked: all of the changes, or none.

use rust_decimal::Decimal;
use serde::Deserialize;

use super::book::Book;
use super::create::{add_up, count_up, day, number};
use super::orders::OneOrder;
use super::records::{OrderLine, OrderStatus, SalesOrder};
use super::wire::{Message, Outcome};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct Change {
    vbeln: String,
    items: Vec<ChangeItem>,
}

/// What is empty stays.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
struct ChangeItem {
    posnr: String,
    posex: String,
    kwmeng: String,
    vrkme: String,
    vdatu: String,
    bddat: String,
}

pub(super) fn salesorder_change(book: &mut Book, request: Change) -> Outcome<OneOrder> {
    let key = request.vbeln.as_str();
    let Some(order) = book.orders.get(key) else {
        return Err(vec![Message::unknown_order(key)]);
    };
    let changed = match changed(book, order, &request.items) {
        Ok(changed) => changed,
        Err(messages) => {
            return Ok(OneOrder {
                number: key.to_owned(),
                messages,
            });
        }
    };
    let message = match (order.status, order.blocked) {
        (OrderStatus::Cancelled, _) => {
            Message::error("V1", "309", format!("Order {key} is cancelled"), key)
        }
        _ if changed == *order => {
            let text = format!("Order {key} stands so already");
            Message::warning("V1", "317", text, key)
        }
        (OrderStatus::Shipped, _) => {
            let text = format!("Order {key} is delivered already");
            Message::error("V1", "310", text, key)
        }
        (OrderStatus::Open, false) => {
            let text = format!("Order {key} is released: cancel it and enter it anew");
            Message::error("V1", "318", text, key)
        }
        (OrderStatus::Open, true) => {
            book.orders.insert(key.to_owned(), changed);
            Message::success("V1", "316", format!("Order {key} changed"), key)
        }
    };
    Ok(OneOrder::of(key, message))
}

/// The order as it is to be, or all that is wrong with the changes.
fn changed(
    book: &Book,
    order: &SalesOrder,
    items: &[ChangeItem],
) -> Result<SalesOrder, Vec<Message>> {
    let mut wrong = Vec::new();
    let mut changed = order.clone();
    for item in items {
        change(book, &mut changed, item, &mut wrong);
    }
    if changed.lines.is_empty() {
        let text = "An order keeps at least one item: cancel it instead".to_owned();
        wrong.push(Message::error("V1", "320", text, &order.number));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    add_up(book, &mut changed);
    Ok(changed)
}

fn change(book: &Book, order: &mut SalesOrder, wanted: &ChangeItem, wrong: &mut Vec<Message>) {
    let not_negative = |value| value >= Decimal::ZERO;
    let quantity = match wanted.kwmeng.as_str() {
        "" => None,
        given => number("KWMENG", given, wrong, not_negative),
    };
    let requested_date = day("VDATU", &wanted.vdatu, wrong);
    let confirmed_date = day("BDDAT", &wanted.bddat, wrong);
    let is_wanted = |line: &OrderLine| line.position == wanted.posnr;
    let Some(line) = order.lines.iter_mut().find(|line| is_wanted(line)) else {
        // An item that is taken away a second time is not there.
        if quantity != Some(Decimal::ZERO) {
            wrong.push(no_item(&order.number, wanted));
        }
        return;
    };
    if !wanted.posex.is_empty() && wanted.posex != line.external_line {
        wrong.push(no_item(&order.number, wanted));
        return;
    }
    if quantity == Some(Decimal::ZERO) {
        order.lines.retain(|line| !is_wanted(line));
        return;
    }
    if !wanted.vrkme.is_empty() && wanted.vrkme != line.unit {
        let text = format!("Item {} is ordered in {}", line.position, line.unit);
        wrong.push(Message::error("V1", "321", text, &wanted.vrkme));
        return;
    }
    line.quantity = quantity.unwrap_or(line.quantity);
    line.requested_date = requested_date.or(line.requested_date);
    line.confirmed_date = confirmed_date.or(line.confirmed_date);
    let item = book.items.get(&line.item);
    if item.and_then(|item| count_up(item, line)).is_none() {
        wrong.push(Message::malformed("KWMENG"));
    }
}

fn no_item(order: &str, wanted: &ChangeItem) -> Message {
    let (item, line) = (&wanted.posnr, &wanted.posex);
    let text = match line.as_str() {
        "" => format!("Order {order} has no item {item}"),
        line => format!("Order {order} has no item {item} of external line {line}"),
    };
    Message::error("V1", "319", text, item)
}
