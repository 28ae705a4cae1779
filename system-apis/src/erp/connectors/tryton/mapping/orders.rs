//! Sales orders, in both directions.

use std::collections::BTreeSet;

use canonical_model::{
    Currency, ErpOrderNumber, Money, OrderReference, PurchaseOrderNumber, Quantity, UnitPrice,
    erp_order::{AddedCharge, ChargeKind, CreateErpOrder, ErpOrder, ErpOrderLine, ErpOrderState},
};
use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row, Units};
use crate::{
    connector::ConnectorError,
    tryton::values::{Amount, Count, Day},
};

/// Decimals of a unit price that Tryton keeps, unless it is set otherwise.
const PRICE_DECIMALS: u32 = 4;
/// An id is as large as a number of four bytes.
const LARGEST_ID: i64 = 2_147_483_647;

/// An order is known by its record: Tryton numbers it only when it is quoted. With its zeros the lowest is the first by
/// text too.
pub(in super::super) fn order_number(id: i64) -> Result<ErpOrderNumber, ConnectorError> {
    ErpOrderNumber::new(format!("{id:010}")).map_err(|error| ConnectorError::Protocol(error.into()))
}

/// The record of an order's number; nothing where it can be none of Tryton's.
pub(in super::super) fn order_id(number: &ErpOrderNumber) -> Option<i64> {
    let id: i64 = number.as_str().parse().ok()?;
    (1..=LARGEST_ID).contains(&id).then_some(id)
}

/// What a line says of itself, below both numbers so that they are on the invoice's line too: Tryton copies it there.
fn note(order: &CreateErpOrder, line: &ErpOrderLine) -> String {
    format!(
        "Your order: {}\nOur reference: {}\nLine {} ships {}",
        order.purchase_order_number, order.reference, line.order_line, line.ship_date
    )
}

/// The order line and the day of a line's note; nothing where somebody else wrote it.
pub(super) fn noted(note: &str) -> Option<(u32, Date)> {
    let told = note.lines().last()?.strip_prefix("Line ")?;
    let (line, date) = told.split_once(" ships ")?;
    Some((line.parse().ok()?, date.trim().parse().ok()?))
}

/// The same note with another day; nothing where somebody else wrote it.
pub(super) fn noted_anew(note: &str, date: Date) -> Option<String> {
    let (line, _day) = noted(note)?;
    let mut told: Vec<&str> = note.lines().collect();
    let last = format!("Line {line} ships {date}");
    *told.last_mut()? = &last;
    Some(told.join("\n"))
}

pub(in super::super) fn order(row: &wire::Sale) -> Result<(ErpOrderNumber, ErpOrder), Implausible> {
    let id = row.id.to_string();
    let of = Row(&id);
    let number = order_number(row.id).map_err(|_error| of.refuse("id", row.id, "is no number"))?;
    let currency = of.currency(Some(&row.currency))?;
    let state = state(&row.state, &row.shipment_state, &row.invoice_state)
        .ok_or_else(|| of.refuse("state", &row.state, "is no known state"))?;
    let mut total = Decimal::ZERO;
    let mut lines = Vec::with_capacity(row.lines.len());
    for (place, line) in (1..).zip(goods(row)) {
        lines.push(order_line(&of, row, line, place, currency)?);
        total += line.amount.map_or(Decimal::ZERO, |amount| amount.0);
    }
    let order = ErpOrder {
        added: added(row, currency),
        number: number.clone(),
        reference: of.parse::<OrderReference>("reference", row.reference.as_deref())?,
        purchase_order_number: of.parse::<PurchaseOrderNumber>(
            "description",
            row.description.as_deref().map(str::trim),
        )?,
        account: of.parse("party", row.party.code.as_deref())?,
        state,
        lines,
        total: Money::new(total, currency),
        as_asked: false,
    };
    Ok((number, order))
}

/// The lines that are goods: titles and comments are none, and freight is what Tryton adds.
pub(super) fn goods(row: &wire::Sale) -> impl Iterator<Item = &wire::SaleLine> {
    row.lines.iter().filter(|line| {
        line.kind == "line" && line.shipment_cost.is_none() && line.product.is_some()
    })
}

/// What was added there: the lines for freight, what somebody charges without a product, and the tax.
fn added(row: &wire::Sale, currency: Currency) -> Vec<AddedCharge> {
    let charge = |kind, description: &str, amount: Option<Amount>| AddedCharge {
        kind,
        description: description.to_owned(),
        amount: Money::new(amount.map_or(Decimal::ZERO, |amount| amount.0), currency),
    };
    let lines = row.lines.iter().filter(|line| line.kind == "line");
    let mut added: Vec<_> = lines
        .filter_map(|line| match (line.shipment_cost, &line.product) {
            (Some(_), _) => Some(charge(ChargeKind::Freight, "Freight", line.amount)),
            (None, None) => Some(charge(ChargeKind::Other, "Surcharge", line.amount)),
            (None, Some(_)) => None,
        })
        .collect();
    added.push(charge(ChargeKind::Tax, "Tax", row.tax_amount));
    added.retain(|charge| !charge.amount.amount.is_zero());
    added
}

/// Where it stands. Tryton cannot cancel an order that it processes: such a one ends as done, with nothing shipped and
/// nothing invoiced.
pub(in super::super) fn state(state: &str, shipment: &str, invoice: &str) -> Option<ErpOrderState> {
    Some(match (state, shipment, invoice) {
        ("draft" | "quotation", ..) => ErpOrderState::Blocked,
        ("cancelled", ..) | ("done", "none", "none") => ErpOrderState::Cancelled,
        // It stays in processing until it is paid.
        ("processing", "sent", _) | ("done", ..) => ErpOrderState::Completed,
        ("confirmed" | "processing", ..) => ErpOrderState::Open,
        _other => return None,
    })
}

fn order_line(
    of: &Row<'_>,
    sale: &wire::Sale,
    line: &wire::SaleLine,
    place: u32,
    currency: Currency,
) -> Result<ErpOrderLine, Implausible> {
    let symbol = line.unit.as_ref().map_or("", |unit| unit.symbol.as_str());
    let unit =
        Units::code(symbol).ok_or_else(|| of.refuse("unit", symbol, "has no code of Rec 20"))?;
    let quantity = line.quantity.map_or(Decimal::ZERO, |count| count.0);
    let noted = line.note.as_deref().and_then(noted);
    // Who enters a line by hand names none of ours, and may give no day.
    let entered = || sale.create_date.0.to_zoned(TimeZone::UTC).date();
    let ship_date = noted.map(|(_, date)| date).unwrap_or_else(|| {
        line.shipping_date
            .or(sale.shipping_date)
            .map_or_else(entered, |day| day.0)
    });
    let code = |of: &Option<wire::Coded>| of.as_ref().and_then(|of| of.code.clone());
    Ok(ErpOrderLine {
        line: line.sequence.unwrap_or(place),
        order_line: noted.map_or(0, |(line, _)| line),
        item: of.parse("product", code(&line.product).as_deref())?,
        quantity: Quantity::new(of.count("quantity", quantity)?, unit),
        unit_price: UnitPrice {
            amount: line
                .unit_price
                .map_or(Decimal::ZERO, |price| price.0)
                .normalize(),
            currency,
            unit,
        },
        site: of.parse("warehouse", code(&sale.warehouse).as_deref())?,
        ship_date,
    })
}

pub(super) fn refused(message: impl Into<String>) -> ConnectorError {
    ConnectorError::Rejected {
        message: message.into(),
    }
}

/// The records that an order names.
#[derive(Debug)]
pub(in super::super) struct Named<'a> {
    pub(in super::super) company: i64,
    pub(in super::super) party: &'a wire::Party,
    pub(in super::super) address: i64,
    pub(in super::super) currency: i64,
    pub(in super::super) warehouse: i64,
    pub(in super::super) products: &'a [wire::Product],
    pub(in super::super) units: &'a Units,
}

/// The draft of an order; what Tryton cannot hold exactly is refused before anything is sent.
pub(in super::super) fn new_sale(
    order: &CreateErpOrder,
    named: &Named<'_>,
) -> Result<wire::NewSale, ConnectorError> {
    let mut numbers = BTreeSet::new();
    let mut lines = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        if !numbers.insert(line.line) || line.line == 0 || i32::try_from(line.line).is_err() {
            let number = line.line;
            return Err(refused(format!(
                "Line number {number} is used twice or is no number."
            )));
        }
        lines.push(new_line(order, line, named)?);
    }
    let party = named.party;
    let addresses = &party.addresses;
    let invoice = addresses
        .iter()
        .find(|address| address.invoice == Some(true));
    let invoice = invoice
        .or_else(|| addresses.first())
        .map(|address| address.id);
    Ok(wire::NewSale {
        company: named.company,
        party: party.id,
        invoice_address: invoice.unwrap_or(named.address),
        shipment_address: named.address,
        payment_term: party.customer_payment_term,
        price_list: party.sale_price_list,
        currency: named.currency,
        warehouse: named.warehouse,
        reference: order.reference.to_string(),
        description: order.purchase_order_number.to_string(),
        // An order has one day there: with the first, nothing is promised to others that one of its lines needs.
        shipping_date: order.lines.iter().map(|line| Day(line.ship_date)).min(),
        lines: [("create", lines)],
    })
}

fn new_line(
    order: &CreateErpOrder,
    line: &ErpOrderLine,
    named: &Named<'_>,
) -> Result<wire::NewLine, ConnectorError> {
    let number = line.line;
    let price = &line.unit_price;
    if price.currency != order.currency || price.unit != line.quantity.unit {
        return Err(refused(format!(
            "Line {number} is priced in another currency or unit than it is ordered in."
        )));
    }
    let mut products = named.products.iter();
    let product = products.find(|product| product.code.as_deref() == Some(line.item.as_str()));
    let product = product.ok_or_else(|| {
        let item = &line.item;
        refused(format!(
            "Line {number} orders {item}, which the ERP does not know."
        ))
    })?;
    let unit = named
        .units
        .find(product, line.quantity.unit)
        .ok_or_else(|| {
            let (item, unit) = (&line.item, line.quantity.unit.code());
            refused(format!(
                "Line {number} orders {item} by {unit}, which the ERP does not sell it by."
            ))
        })?;
    let quantity = line.quantity.value.normalize();
    if quantity.scale() > unit.digits {
        let digits = unit.digits;
        return Err(refused(format!(
            "The ERP keeps {digits} decimals of this unit; line {number} has more."
        )));
    }
    let unit_price = price.amount.normalize();
    if unit_price.scale() > PRICE_DECIMALS {
        return Err(refused(format!(
            "The ERP keeps {PRICE_DECIMALS} decimals of a price; line {number} has more."
        )));
    }
    let category = product.template.account_category.as_ref();
    let category = category.ok_or_else(|| {
        let item = &line.item;
        refused(format!(
            "{item} has no category for accounting in the ERP, which says how it is taxed."
        ))
    })?;
    let taxes = category.customer_taxes_used.clone();
    Ok(wire::NewLine {
        sequence: number,
        product: product.id,
        quantity: Count(quantity),
        unit: unit.id,
        unit_price: Amount(unit_price),
        taxes: [("add", taxes)],
        note: note(order, line),
    })
}
