//! Sales orders that are there: list, read, release, cancel.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::charges::{HeadCondition, head_conditions};
use super::records::{CreateClass, OrderStatus, SalesOrder};
use super::wire::{Message, Outcome, Page, amount, date, keys, price, quantity};

/// The answer about one order.
#[derive(Serialize)]
pub(super) struct OneOrder {
    #[serde(rename = "VBELN")]
    pub(super) number: String,
    #[serde(rename = "RETURN")]
    pub(super) messages: Vec<Message>,
}

impl OneOrder {
    pub(super) fn of(number: &str, message: Message) -> Self {
        Self {
            number: number.to_owned(),
            messages: vec![message],
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct OrderQuery {
    xref: String,
    kunnr: String,
    bstkd: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
pub(super) struct Orders {
    #[serde(rename = "ORDERS")]
    orders: Vec<Header>,
    #[serde(rename = "MORE")]
    more: &'static str,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Header {
    vbeln: String,
    xref: String,
    kunnr: String,
    bstkd: String,
    lifsk: &'static str,
    stat: &'static str,
    erdat: String,
    erzet: String,
    netwr: String,
    waers: String,
}

pub(super) fn salesorder_getlist(book: &mut Book, request: OrderQuery) -> Outcome<Orders> {
    if book.create_class == CreateClass::Blind {
        return Err(vec![Message::not_available("SALESORDER_GETLIST")]);
    }
    let now = book.clock.now();
    let by_reference = book.by_reference.get(&request.xref);
    let candidates: Box<dyn Iterator<Item = &SalesOrder>> = if request.xref.is_empty() {
        Box::new(book.orders.values())
    } else {
        let numbers = by_reference.into_iter().flatten();
        Box::new(numbers.filter_map(|number| book.orders.get(number)))
    };
    let lag = book.index_lag;
    let found = candidates.filter(|order| {
        let indexed = order
            .created_at
            .saturating_add(lag)
            .is_ok_and(|at| at <= now);
        indexed
            && (request.kunnr.is_empty() || request.kunnr == order.account)
            && (request.bstkd.is_empty() || request.bstkd == order.purchase_order_number)
    });
    let (orders, more) = request.page.cut(found.map(header))?;
    Ok(Orders {
        orders,
        more,
        messages: Vec::new(),
    })
}

fn header(order: &SalesOrder) -> Header {
    let created = order.created_at.to_zoned(jiff::tz::TimeZone::UTC);
    Header {
        vbeln: order.number.clone(),
        xref: order.reference.clone(),
        kunnr: order.account.clone(),
        bstkd: order.purchase_order_number.clone(),
        lifsk: if order.blocked { "01" } else { "" },
        stat: match order.status {
            OrderStatus::Open => "A",
            OrderStatus::Shipped => "C",
            OrderStatus::Cancelled => "X",
        },
        erdat: date(Some(created.date())),
        erzet: format!(
            "{:02}{:02}{:02}",
            created.hour(),
            created.minute(),
            created.second()
        ),
        netwr: amount(order.net_value),
        waers: order.currency.clone(),
    }
}

#[derive(Deserialize)]
pub(super) struct OrderKeys {
    #[serde(rename = "VBELN", default)]
    numbers: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Details {
    #[serde(rename = "ORDERS")]
    orders: Vec<Detail>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Detail {
    #[serde(flatten)]
    header: Header,
    kunwe: String,
    bstdk: String,
    vdatu: String,
    abgru: String,
    brtwr: String,
    konds: Vec<HeadCondition>,
    items: Vec<DetailItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct DetailItem {
    posnr: String,
    matnr: String,
    kwmeng: String,
    vrkme: String,
    netpr: String,
    peinh: String,
    netwr: String,
    werks: String,
    vdatu: String,
    bddat: String,
    posex: String,
}

pub(super) fn salesorder_getdetail(book: &mut Book, request: OrderKeys) -> Outcome<Details> {
    let mut answer = Details {
        orders: Vec::new(),
        messages: Vec::new(),
    };
    for key in keys(&request.numbers, "VBELN")? {
        match book.orders.get(key) {
            Some(order) => answer.orders.push(detail(order)),
            None => answer.messages.push(Message::unknown_order(key)),
        }
    }
    Ok(answer)
}

fn detail(order: &SalesOrder) -> Detail {
    Detail {
        header: header(order),
        kunwe: order.ship_to.clone(),
        bstdk: date(order.purchase_order_date),
        vdatu: date(order.requested_date),
        abgru: order.cancel_reason.clone(),
        brtwr: amount(order.gross_value),
        konds: head_conditions(order),
        items: order
            .lines
            .iter()
            .map(|line| DetailItem {
                posnr: line.position.clone(),
                matnr: line.item.clone(),
                kwmeng: quantity(line.quantity),
                vrkme: line.unit.clone(),
                netpr: price(line.net_price),
                peinh: line.price_unit.normalize().to_string(),
                netwr: amount(line.net_value),
                werks: line.site.clone(),
                vdatu: date(line.requested_date),
                bddat: date(line.confirmed_date),
                posex: line.external_line.clone(),
            })
            .collect(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct OrderKey {
    vbeln: String,
    abgru: String,
}

pub(super) fn salesorder_release(book: &mut Book, request: OrderKey) -> Outcome<OneOrder> {
    let number = request.vbeln.as_str();
    let Some(order) = book.orders.get(number) else {
        return Err(vec![Message::unknown_order(number)]);
    };
    let message = match (order.status, order.blocked) {
        (OrderStatus::Cancelled, _) => {
            Message::error("V1", "309", format!("Order {number} is cancelled"), number)
        }
        (OrderStatus::Open, true) => {
            book.release(number);
            Message::success("V1", "312", format!("Order {number} released"), number)
        }
        (OrderStatus::Open, false) | (OrderStatus::Shipped, _) => {
            let text = format!("Order {number} was released already");
            Message::warning("V1", "314", text, number)
        }
    };
    Ok(OneOrder::of(number, message))
}

pub(super) fn salesorder_cancel(book: &mut Book, request: OrderKey) -> Outcome<OneOrder> {
    let number = request.vbeln.as_str();
    let Some(order) = book.orders.get(number) else {
        return Err(vec![Message::unknown_order(number)]);
    };
    let message = match order.status {
        OrderStatus::Shipped => {
            let text = format!("Order {number} is delivered already");
            Message::error("V1", "310", text, number)
        }
        OrderStatus::Cancelled => {
            let text = format!("Order {number} was cancelled already");
            Message::warning("V1", "315", text, number)
        }
        OrderStatus::Open => {
            book.cancel(number, &request.abgru);
            Message::success("V1", "313", format!("Order {number} cancelled"), number)
        }
    };
    Ok(OneOrder::of(number, message))
}
