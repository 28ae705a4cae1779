//! Sales orders, in both directions.

use std::collections::BTreeSet;

use canonical_model::{
    CompanyId, Currency, ErpOrderNumber, Money, OrderReference, PurchaseOrderNumber, Quantity,
    UnitPrice,
    erp_invoice::{ErpInvoice, ErpInvoiceLine},
    erp_order::{
        AddedCharge, AmendErpOrder, ChargeKind, CreateErpOrder, ErpOrder, ErpOrderLine,
        ErpOrderState,
    },
};
use rust_decimal::Decimal;

use super::{super::wire, Implausible, Row};
use crate::connector::ConnectorError;

/// A delivery block: created, and nothing happens until it is released.
const STAGED: &str = "01";
/// Characters of a purchase order number that the ERP keeps.
const MOST_PURCHASE_ORDER: usize = 35;
/// Decimals of a unit price that the ERP keeps, of a price per `PEINH` units.
const PRICE_DECIMALS: u32 = 5;
/// Decimals of a quantity that the ERP keeps.
const QUANTITY_DECIMALS: u32 = 3;

pub(in super::super) fn order(
    row: &wire::SalesOrder,
) -> Result<(ErpOrderNumber, ErpOrder), Implausible> {
    let of = Row(&row.vbeln);
    let number: ErpOrderNumber = of.parse("VBELN", &row.vbeln)?;
    let currency = of.currency(&row.waers)?;
    let state = match (row.stat.as_str(), row.lifsk.as_str()) {
        ("X", _) => ErpOrderState::Cancelled,
        ("C", _) => ErpOrderState::Completed,
        ("A", "") => ErpOrderState::Open,
        ("A", _) => ErpOrderState::Blocked,
        (other, _) => return Err(of.refuse("STAT", other, "is no known state")),
    };
    let lines = row.items.iter().map(|item| order_line(&of, item, currency));
    let added = row.konds.iter().map(|condition| {
        Ok(AddedCharge {
            kind: match condition.kschl.as_str() {
                "HF00" => ChargeKind::Freight,
                "MWST" => ChargeKind::Tax,
                _ => ChargeKind::Other,
            },
            description: condition.vtext.clone(),
            amount: Money::new(of.decimal("KWERT", &condition.kwert)?, currency),
        })
    });
    let order = ErpOrder {
        number: number.clone(),
        reference: of.parse::<OrderReference>("XREF", &row.xref)?,
        purchase_order_number: of.parse::<PurchaseOrderNumber>("BSTKD", row.bstkd.trim())?,
        account: of.parse("KUNNR", &row.kunnr)?,
        state,
        lines: lines.collect::<Result<_, _>>()?,
        total: Money::new(of.decimal("NETWR", &row.netwr)?, currency),
        added: added.collect::<Result<_, _>>()?,
        as_asked: false,
    };
    Ok((number, order))
}

fn order_line(
    of: &Row<'_>,
    item: &wire::SalesOrderItem,
    currency: Currency,
) -> Result<ErpOrderLine, Implausible> {
    let unit = of.unit("VRKME", &item.vrkme)?;
    let ship_date = if item.bddat.is_empty() {
        &item.vdatu
    } else {
        &item.bddat
    };
    Ok(ErpOrderLine {
        line: of.parse("POSNR", &item.posnr)?,
        // Who enters a line in the ERP by hand names none of ours, and may write there what they like.
        order_line: item.posex.trim().parse().unwrap_or(0),
        item: of.parse("MATNR", &item.matnr)?,
        quantity: Quantity::new(of.count("KWMENG", &item.kwmeng)?, unit),
        unit_price: UnitPrice {
            amount: of.unit_price(&item.netpr, &item.peinh)?,
            currency,
            unit,
        },
        site: of.parse("WERKS", &item.werks)?,
        ship_date: of.date("BDDAT", ship_date)?,
    })
}

/// An invoice; the ERP knows no tax.
pub(in super::super) fn invoice(row: &wire::Invoice) -> Result<ErpInvoice, Implausible> {
    let of = Row(&row.vbelnvf);
    let currency = of.currency(&row.waers)?;
    let net = Money::new(of.decimal("NETWR", &row.netwr)?, currency);
    let lines = row.items.iter().map(|item| {
        let unit = of.unit("VRKME", &item.vrkme)?;
        Ok(ErpInvoiceLine {
            order_line: item.posex.trim().parse().unwrap_or(0),
            item: Some(of.parse("MATNR", &item.matnr)?),
            quantity: Quantity::new(of.decimal("FKIMG", &item.fkimg)?.normalize(), unit),
            unit_price: UnitPrice {
                amount: of.unit_price(&item.netpr, &item.peinh)?,
                currency,
                unit,
            },
            amount: Money::new(of.decimal("NETWR", &item.netwr)?, currency),
        })
    });
    Ok(ErpInvoice {
        number: of.parse("VBELNVF", &row.vbelnvf)?,
        date: of.date("FKDAT", &row.fkdat)?,
        order: of.parse("AUBEL", &row.aubel)?,
        reference: of.parse("XREF", &row.xref)?,
        purchase_order_number: of.parse("BSTKD", row.bstkd.trim())?,
        account: of.parse("KUNNR", &row.kunnr)?,
        lines: lines.collect::<Result<_, _>>()?,
        net,
        tax: Money::zero(currency),
        gross: net,
    })
}

fn refused(message: String) -> ConnectorError {
    ConnectorError::Rejected { message }
}

/// The order in the ERP's fields; what does not fit them is refused before anything is sent.
pub(in super::super) fn new_order(
    company: &CompanyId,
    order: &CreateErpOrder,
    staged: bool,
) -> Result<wire::NewSalesOrder, ConnectorError> {
    let purchase_order = order.purchase_order_number.as_str();
    if purchase_order.chars().count() > MOST_PURCHASE_ORDER {
        return Err(refused(format!(
            "The ERP keeps {MOST_PURCHASE_ORDER} characters of a purchase order number; this one is longer."
        )));
    }
    let mut lines = BTreeSet::new();
    let mut items = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        if !lines.insert(line.line) || line.line == 0 || line.line > 999_999 {
            return Err(refused(format!(
                "Line number {} is used twice or outside 1 to 999999.",
                line.line
            )));
        }
        items.push(new_item(line, order.currency)?);
    }
    Ok(wire::NewSalesOrder {
        bukrs: company.to_string(),
        kunnr: order.account.to_string(),
        kunwe: order.ship_to.to_string(),
        bstkd: purchase_order.to_owned(),
        xref: order.reference.to_string(),
        waers: order.currency.code().to_owned(),
        lifsk: if staged { STAGED } else { "" },
        items,
    })
}

fn new_item(
    line: &ErpOrderLine,
    currency: Currency,
) -> Result<wire::NewSalesOrderItem, ConnectorError> {
    let price = &line.unit_price;
    if price.currency != currency || price.unit != line.quantity.unit {
        return Err(refused(format!(
            "Line {} is priced in another currency or unit than it is ordered in.",
            line.line
        )));
    }
    let (amount, per) = price_per(price.amount).ok_or_else(|| {
        refused(format!(
            "The ERP cannot hold the price of line {} exactly.",
            line.line
        ))
    })?;
    let date = line.ship_date.strftime("%Y%m%d").to_string();
    Ok(wire::NewSalesOrderItem {
        posnr: format!("{:06}", line.line),
        matnr: line.item.to_string(),
        kwmeng: kwmeng(line.line, line.quantity.value)?,
        vrkme: wire::erp_unit(line.quantity.unit.code()).to_owned(),
        netpr: amount.to_string(),
        peinh: per.to_string(),
        werks: line.site.to_string(),
        vdatu: date.clone(),
        bddat: date,
        posex: line.order_line.to_string(),
    })
}

/// A quantity with the decimals that the ERP keeps.
fn kwmeng(line: u32, quantity: Decimal) -> Result<String, ConnectorError> {
    let mut quantity = quantity.normalize();
    if quantity.scale() > QUANTITY_DECIMALS {
        return Err(refused(format!(
            "The ERP keeps {QUANTITY_DECIMALS} decimals of a quantity; line {line} has more."
        )));
    }
    quantity.rescale(QUANTITY_DECIMALS);
    Ok(quantity.to_string())
}

/// The changes in the ERP's fields; one that is empty stays as it is there.
pub(in super::super) fn amendment<'a>(
    company: &'a CompanyId,
    number: &'a ErpOrderNumber,
    amendment: &AmendErpOrder,
) -> Result<wire::SalesOrderAmendment<'a>, ConnectorError> {
    let items = amendment.lines.iter().map(|line| {
        let date = line
            .ship_date
            .map(|date| date.strftime("%Y%m%d").to_string());
        let date = date.unwrap_or_default();
        let (kwmeng, vrkme) = match line.quantity {
            Some(quantity) => (
                kwmeng(line.line, quantity.value)?,
                wire::erp_unit(quantity.unit.code()).to_owned(),
            ),
            None => (String::new(), String::new()),
        };
        Ok(wire::SalesOrderItemAmendment {
            posnr: format!("{:06}", line.line),
            posex: line.order_line.to_string(),
            kwmeng,
            vrkme,
            vdatu: date.clone(),
            bddat: date,
        })
    });
    Ok(wire::SalesOrderAmendment {
        bukrs: company.as_str(),
        vbeln: number.as_str(),
        items: items.collect::<Result<_, ConnectorError>>()?,
    })
}

/// A price with 2 to 5 decimals and the units it is for: finer prices are told per 10, 100 … units.
fn price_per(price: Decimal) -> Option<(Decimal, Decimal)> {
    let mut amount = price.normalize();
    let mut per = Decimal::ONE;
    while amount.scale() > PRICE_DECIMALS {
        amount = amount.checked_mul(Decimal::TEN)?.normalize();
        per = per.checked_mul(Decimal::TEN)?;
    }
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    Some((amount, per))
}
