//! Sales orders: create, list, read, release, cancel.

use std::collections::BTreeSet;

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::book::{Book, MAX_ORDERS};
use super::records::{CreateClass, OrderLine, OrderStatus, SalesOrder};
use super::wire::{
    Message, Outcome, Page, amount, date, keys, price, quantity, read_date, read_number,
};
use crate::seed::{Account, Item, ItemStatus};
use crate::units::erp_code;

const MAX_LINES: usize = 1000;
const MAX_REFERENCE: usize = 20;
const MAX_PURCHASE_ORDER_NUMBER: usize = 35;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct Create {
    kunnr: String,
    kunwe: String,
    bstkd: String,
    bstdk: String,
    xref: String,
    waers: String,
    vdatu: String,
    lifsk: String,
    items: Vec<CreateItem>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
struct CreateItem {
    posnr: String,
    matnr: String,
    kwmeng: String,
    vrkme: String,
    netpr: String,
    peinh: String,
    werks: String,
    vdatu: String,
    bddat: String,
    posex: String,
}

#[derive(Serialize)]
pub(super) struct OneOrder {
    #[serde(rename = "VBELN")]
    number: String,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

impl OneOrder {
    fn of(number: &str, message: Message) -> Self {
        Self {
            number: number.to_owned(),
            messages: vec![message],
        }
    }
}

pub(super) fn salesorder_create(book: &mut Book, request: Create) -> Outcome<OneOrder> {
    let order = match check(book, &request) {
        Ok(order) => order,
        Err(messages) => {
            return Ok(OneOrder {
                number: String::new(),
                messages,
            });
        }
    };
    let known = book.by_reference.get(&order.reference);
    if let (CreateClass::Unique, Some(first)) =
        (book.create_class, known.and_then(|numbers| numbers.first()))
    {
        let text = format!(
            "Reference {} already exists in order {first}",
            order.reference
        );
        return Ok(OneOrder::of("", Message::error("V1", "042", text, first)));
    }
    let number = book.add_order(order);
    let text = format!("Order {number} saved");
    let mut answer = OneOrder::of(&number, Message::success("V1", "311", text, &number));
    if !request.lifsk.is_empty() && !honours_block(book.create_class) {
        let text = "Field LIFSK is not available in this system".to_owned();
        answer
            .messages
            .push(Message::warning("SR", "053", text, "LIFSK"));
    }
    Ok(answer)
}

fn honours_block(class: CreateClass) -> bool {
    match class {
        CreateClass::Staged | CreateClass::Unique => true,
        CreateClass::Searchable | CreateClass::Blind => false,
    }
}

/// The order a request describes, or all that is wrong with it.
fn check(book: &Book, request: &Create) -> Result<SalesOrder, Vec<Message>> {
    let mut wrong = Vec::new();
    if book.orders.len() >= MAX_ORDERS {
        wrong.push(Message::too_many("VBELN"));
    }
    for (field, value, most) in [
        ("XREF", &request.xref, MAX_REFERENCE),
        ("BSTKD", &request.bstkd, MAX_PURCHASE_ORDER_NUMBER),
    ] {
        if value.is_empty() || value.chars().count() > most {
            wrong.push(Message::malformed(field));
        }
    }
    let account = check_customer(book, request, &mut wrong);
    let purchase_order_date = day("BSTDK", &request.bstdk, &mut wrong);
    let requested_date = day("VDATU", &request.vdatu, &mut wrong);
    if request.items.is_empty() || request.items.len() > MAX_LINES {
        wrong.push(Message::malformed("ITEMS"));
    }
    let mut positions = BTreeSet::new();
    let mut lines = Vec::new();
    for item in request.items.iter().take(MAX_LINES) {
        let six_digits = item.posnr.len() == 6 && item.posnr.bytes().all(|b| b.is_ascii_digit());
        if !six_digits || !positions.insert(item.posnr.as_str()) {
            wrong.push(Message::malformed("POSNR"));
        }
        lines.extend(check_line(book, item, requested_date, &mut wrong));
    }
    let currency = match (request.waers.as_str(), account) {
        ("", Some(account)) => account.currency.clone(),
        (given, _) => given.to_owned(),
    };
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(SalesOrder {
        number: String::new(),
        reference: request.xref.clone(),
        account: request.kunnr.clone(),
        ship_to: request.kunwe.clone(),
        purchase_order_number: request.bstkd.clone(),
        purchase_order_date,
        requested_date,
        currency,
        blocked: !request.lifsk.is_empty() && honours_block(book.create_class),
        status: OrderStatus::Open,
        cancel_reason: String::new(),
        created_at: book.clock.now(),
        net_value: lines.iter().map(|line| line.net_value).sum(),
        lines,
    })
}

fn check_customer<'a>(
    book: &'a Book,
    request: &Create,
    wrong: &mut Vec<Message>,
) -> Option<&'a Account> {
    let Some(account) = book.accounts.get(&request.kunnr) else {
        wrong.push(Message::unknown_customer(&request.kunnr));
        return None;
    };
    if account.blocked || !account.active {
        let text = format!("Customer {} is blocked for sales", account.id);
        wrong.push(Message::error("F2", "154", text, &account.id));
    }
    if !account
        .ship_tos
        .iter()
        .any(|place| place.id == request.kunwe)
    {
        let text = format!("Ship-to {} does not belong to the customer", request.kunwe);
        wrong.push(Message::error("VP", "112", text, &request.kunwe));
    }
    Some(account)
}

fn check_line(
    book: &Book,
    request: &CreateItem,
    header_date: Option<Date>,
    wrong: &mut Vec<Message>,
) -> Option<OrderLine> {
    let requested_date = day("VDATU", &request.vdatu, wrong).or(header_date);
    let confirmed_date = day("BDDAT", &request.bddat, wrong);
    let amount = number("KWMENG", &request.kwmeng, wrong, |value| {
        value > Decimal::ZERO
    });
    let net_price = number("NETPR", &request.netpr, wrong, |value| {
        value >= Decimal::ZERO
    });
    let price_unit = match request.peinh.as_str() {
        "" => Some(Decimal::ONE),
        given => number("PEINH", given, wrong, |value| value > Decimal::ZERO),
    };
    if !book.sites.contains(&request.werks) {
        wrong.push(Message::unknown_plant(&request.werks));
    }
    let Some(item) = book.items.get(&request.matnr) else {
        wrong.push(Message::unknown_material(&request.matnr));
        return None;
    };
    if item.status == ItemStatus::Discontinued {
        let text = format!("Material {} is discontinued", item.id);
        wrong.push(Message::error("M3", "306", text, &item.id));
    }
    let Some((numerator, denominator)) = factor(item, &request.vrkme) else {
        let text = format!("Unit {} is not defined for {}", request.vrkme, item.id);
        wrong.push(Message::error("M3", "070", text, &request.vrkme));
        return None;
    };
    let (amount, net_price, price_unit) = (amount?, net_price?, price_unit?);
    // Sums over all lines and orders stay far below what a decimal holds.
    let most = Decimal::from(10_000_000_000_000_u64);
    let base_quantity = amount
        .checked_mul(numerator)
        .and_then(|value| value.checked_div(denominator))
        .filter(|value| *value < most);
    let net_value = net_price
        .checked_mul(amount)
        .and_then(|value| value.checked_div(price_unit))
        .filter(|value| *value < most)
        .map(|value| value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero));
    let (Some(base_quantity), Some(net_value)) = (base_quantity, net_value) else {
        wrong.push(Message::malformed("NETPR"));
        return None;
    };
    Some(OrderLine {
        position: request.posnr.clone(),
        external_line: request.posex.clone(),
        item: item.id.clone(),
        quantity: amount,
        unit: request.vrkme.clone(),
        base_quantity: base_quantity.round_dp(3),
        net_price,
        price_unit,
        net_value,
        site: request.werks.clone(),
        requested_date,
        confirmed_date,
    })
}

/// Base units in one `unit` (the ERP's code), as a fraction.
fn factor(item: &Item, unit: &str) -> Option<(Decimal, Decimal)> {
    if erp_code(&item.base_unit) == unit {
        return Some((Decimal::ONE, Decimal::ONE));
    }
    let found = item
        .alternate_units
        .iter()
        .find(|other| erp_code(&other.unit) == unit)?;
    Some((found.numerator.into(), found.denominator.into()))
}

fn day(field: &str, text: &str, wrong: &mut Vec<Message>) -> Option<Date> {
    read_date(text).unwrap_or_else(|| {
        wrong.push(Message::malformed(field));
        None
    })
}

fn number(
    field: &str,
    text: &str,
    wrong: &mut Vec<Message>,
    fits: fn(Decimal) -> bool,
) -> Option<Decimal> {
    // Ten thousand million is more than this ERP's fields hold.
    let most = Decimal::from(10_000_000_000_u64);
    let value = read_number(text).filter(|value| fits(*value) && *value < most);
    if value.is_none() {
        wrong.push(Message::malformed(field));
    }
    value
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
