//! Invoices. Tryton's carries no reference of its own: both numbers are those of the order that its lines come from, and
//! stand in the lines' notes, which it copies.

use std::collections::HashSet;

use canonical_model::{
    ErpOrderNumber, Money, Quantity, UnitPrice,
    erp_invoice::{ErpInvoice, ErpInvoiceLine},
};
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row, Units, orders::noted};

/// An invoice, as far as it is for this order.
pub(in super::super) fn invoice(
    row: &wire::Invoice,
    number: &ErpOrderNumber,
    sale: &wire::InvoicedSale,
) -> Result<ErpInvoice, Implausible> {
    let of = Row(row.number.as_deref().unwrap_or_default());
    let currency = of.currency(Some(&row.currency))?;
    let own: HashSet<i64> = sale.lines.iter().copied().collect();
    let money = |amount: Decimal| Money::new(amount, currency);
    let lines = row.lines.iter().filter(|line| {
        let origin = line
            .origin
            .as_ref()
            .filter(|origin| origin.model == "sale.line");
        line.kind == "line" && origin.is_some_and(|origin| own.contains(&origin.id))
    });
    let lines = lines.map(|line| {
        let symbol = line.unit.as_ref().map_or("", |unit| unit.symbol.as_str());
        let unit = Units::code(symbol);
        let unit = unit.ok_or_else(|| of.refuse("unit", symbol, "has no code of Rec 20"))?;
        let quantity = line.quantity.map_or(Decimal::ZERO, |count| count.0);
        let unit_price = line.unit_price.map_or(Decimal::ZERO, |price| price.0);
        let code = line
            .product
            .as_ref()
            .and_then(|product| product.code.as_deref());
        let ours = line.note.as_deref().and_then(noted);
        Ok(ErpInvoiceLine {
            order_line: ours.map_or(0, |(line, _)| line),
            item: code
                .map(|code| of.parse("product", Some(code)))
                .transpose()?,
            quantity: Quantity::new(quantity, unit),
            unit_price: UnitPrice {
                amount: unit_price.normalize(),
                currency,
                unit,
            },
            amount: money(line.amount.map_or(Decimal::ZERO, |amount| amount.0)),
        })
    });
    let date = row.invoice_date;
    Ok(ErpInvoice {
        number: of.parse("number", row.number.as_deref())?,
        date: date
            .ok_or_else(|| of.refuse("invoice_date", "", "is missing"))?
            .0,
        order: number.clone(),
        reference: of.parse("reference", sale.reference.as_deref())?,
        purchase_order_number: of
            .parse("description", sale.description.as_deref().map(str::trim))?,
        account: of.parse("party", row.party.code.as_deref())?,
        lines: lines.collect::<Result<_, _>>()?,
        net: money(row.untaxed_amount.0),
        tax: money(row.tax_amount.0),
        gross: money(row.total_amount.0),
    })
}
