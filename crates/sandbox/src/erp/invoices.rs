//! Invoices by order.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::charges::{HeadCondition, head_conditions};
use super::records::{Invoice, SalesOrder};
use super::wire::{Message, Outcome, amount, date, keys, price, quantity};

#[derive(Deserialize)]
pub(super) struct InvoiceQuery {
    #[serde(rename = "VBELN", default)]
    orders: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Invoices {
    #[serde(rename = "INVOICES")]
    invoices: Vec<WireInvoice>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct WireInvoice {
    vbelnvf: String,
    fkdat: String,
    aubel: String,
    xref: String,
    bstkd: String,
    kunnr: String,
    netwr: String,
    brtwr: String,
    waers: String,
    konds: Vec<HeadCondition>,
    items: Vec<WireItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct WireItem {
    posnr: String,
    posex: String,
    matnr: String,
    fkimg: String,
    vrkme: String,
    netpr: String,
    peinh: String,
    netwr: String,
}

pub(super) fn invoice_getlist(book: &mut Book, request: InvoiceQuery) -> Outcome<Invoices> {
    let mut answer = Invoices {
        invoices: Vec::new(),
        messages: Vec::new(),
    };
    for key in keys(&request.orders, "VBELN")? {
        let Some(order) = book.orders.get(key) else {
            answer.messages.push(Message::unknown_order(key));
            continue;
        };
        let invoices = book.invoices.get(key).into_iter().flatten();
        let rows = invoices.map(|invoice| wire_invoice(invoice, order));
        answer.invoices.extend(rows);
    }
    Ok(answer)
}

fn wire_invoice(invoice: &Invoice, order: &SalesOrder) -> WireInvoice {
    WireInvoice {
        vbelnvf: invoice.number.clone(),
        fkdat: date(Some(invoice.date)),
        aubel: order.number.clone(),
        xref: order.reference.clone(),
        bstkd: order.purchase_order_number.clone(),
        kunnr: order.account.clone(),
        netwr: amount(invoice.net_value),
        brtwr: amount(order.gross_value),
        waers: order.currency.clone(),
        konds: head_conditions(order),
        items: order
            .lines
            .iter()
            .map(|line| WireItem {
                posnr: line.position.clone(),
                posex: line.external_line.clone(),
                matnr: line.item.clone(),
                fkimg: quantity(line.quantity),
                vrkme: line.unit.clone(),
                netpr: price(line.net_price),
                peinh: line.price_unit.normalize().to_string(),
                netwr: amount(line.net_value),
            })
            .collect(),
    }
}
