//! Creating a sales order: everything is checked, then it is kept as it came.

use std::collections::BTreeSet;

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use super::book::{Book, MAX_ORDERS};
use super::charges::{Charged, added};
use super::orders::OneOrder;
use super::records::{CreateClass, OrderLine, OrderStatus, SalesOrder};
use super::wire::{Message, Outcome, read_date, read_number};
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
    let mut order = SalesOrder {
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
        net_value: Decimal::ZERO,
        gross_value: Decimal::ZERO,
        added: Vec::new(),
        lines,
    };
    add_up(book, &mut order);
    Ok(order)
}

/// What the order comes to: its lines, and what the ERP adds of its own.
pub(super) fn add_up(book: &Book, order: &mut SalesOrder) {
    let account = book.accounts.get(&order.account);
    let place = account.and_then(|account| {
        let mut places = account.ship_tos.iter();
        places.find(|place| place.id == order.ship_to)
    });
    order.net_value = order.lines.iter().map(|line| line.net_value).sum();
    order.added = added(
        &book.charges,
        &Charged {
            net_value: order.net_value,
            in_company_currency: order.currency == book.company.currency,
            to: place.map(|place| &place.address),
            exempt: account.is_some_and(|account| account.tax_exempt),
        },
    );
    let charges: Decimal = order.added.iter().map(|charge| charge.amount).sum();
    order.gross_value = order.net_value + charges;
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
    if factor(item, &request.vrkme).is_none() {
        let text = format!("Unit {} is not defined for {}", request.vrkme, item.id);
        wrong.push(Message::error("M3", "070", text, &request.vrkme));
        return None;
    }
    let mut line = OrderLine {
        position: request.posnr.clone(),
        external_line: request.posex.clone(),
        item: item.id.clone(),
        quantity: amount?,
        unit: request.vrkme.clone(),
        base_quantity: Decimal::ZERO,
        net_price: net_price?,
        price_unit: price_unit?,
        net_value: Decimal::ZERO,
        site: request.werks.clone(),
        requested_date,
        confirmed_date,
    };
    if count_up(item, &mut line).is_none() {
        wrong.push(Message::malformed("NETPR"));
        return None;
    }
    Some(line)
}

/// What a line is in the base unit, and what it costs; nothing where that is more than the ERP's fields hold.
pub(super) fn count_up(item: &Item, line: &mut OrderLine) -> Option<()> {
    let (numerator, denominator) = factor(item, &line.unit)?;
    // Sums over all lines and orders stay far below what a decimal holds.
    let most = Decimal::from(10_000_000_000_000_u64);
    let base_quantity = line
        .quantity
        .checked_mul(numerator)
        .and_then(|value| value.checked_div(denominator))
        .filter(|value| *value < most)?;
    let net_value = line
        .net_price
        .checked_mul(line.quantity)
        .and_then(|value| value.checked_div(line.price_unit))
        .filter(|value| *value < most)?;
    line.base_quantity = base_quantity.round_dp(3);
    line.net_value = net_value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    Some(())
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

pub(super) fn day(field: &str, text: &str, wrong: &mut Vec<Message>) -> Option<Date> {
    read_date(text).unwrap_or_else(|| {
        wrong.push(Message::malformed(field));
        None
    })
}

pub(super) fn number(
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
