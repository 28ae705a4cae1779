//! Stock by plant and credit by account.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::wire::{Message, Outcome, amount, date, flag, keys, quantity};
use crate::seed::{Account, Credit, Item};
use crate::units::erp_code;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct StockQuery {
    matnr: Vec<String>,
    werks: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct StockAnswer {
    #[serde(rename = "STOCK")]
    stock: Vec<Stock>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Stock {
    matnr: String,
    werks: String,
    meins: String,
    labst: String,
    resrv: String,
    insme: String,
    eisbe: String,
    receipts: Vec<Receipt>,
    demands: Vec<Demand>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Receipt {
    eindt: String,
    menge: String,
    conf: &'static str,
    ebeln: String,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Demand {
    bdter: String,
    menge: String,
    vbeln: String,
}

pub(super) fn stock_getlist(book: &mut Book, request: StockQuery) -> Outcome<StockAnswer> {
    let mut messages = Vec::new();
    let mut plants = keys(&request.werks, "WERKS")?;
    if plants.is_empty() {
        plants = book.sites.iter().map(String::as_str).collect();
    }
    plants.retain(|plant| {
        let known = book.sites.contains(*plant);
        if !known {
            messages.push(Message::unknown_plant(plant));
        }
        known
    });
    let mut stock = Vec::new();
    for key in keys(&request.matnr, "MATNR")? {
        match book.items.get(key) {
            Some(item) => stock.extend(plants.iter().map(|plant| stock_row(book, item, plant))),
            None => messages.push(Message::unknown_material(key)),
        }
    }
    Ok(StockAnswer { stock, messages })
}

fn stock_row(book: &Book, item: &Item, plant: &str) -> Stock {
    let row = book.stock_of(&item.id, plant);
    Stock {
        matnr: row.item,
        werks: row.site,
        meins: erp_code(&item.base_unit).to_owned(),
        labst: quantity(row.on_hand),
        resrv: quantity(row.reserved),
        insme: quantity(row.quality),
        eisbe: quantity(row.safety),
        receipts: row
            .receipts
            .into_iter()
            .map(|receipt| Receipt {
                eindt: date(Some(receipt.date)),
                menge: quantity(receipt.quantity),
                conf: flag(receipt.confirmed),
                ebeln: receipt.number,
            })
            .collect(),
        demands: book
            .demand_of(&item.id, plant)
            .into_iter()
            .map(|(day, order, open)| Demand {
                bdter: date(Some(day)),
                menge: quantity(open),
                vbeln: order,
            })
            .collect(),
    }
}

#[derive(Deserialize)]
pub(super) struct CreditQuery {
    #[serde(rename = "KUNNR", default)]
    customers: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct CreditAnswer {
    #[serde(rename = "CREDIT")]
    credit: Vec<CreditRow>,
    #[serde(rename = "RETURN")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct CreditRow {
    kunnr: String,
    hkunnr: String,
    waers: String,
    klimk: String,
    openord: String,
    opendlv: String,
    openbil: String,
    openitm: String,
    unappl: String,
    crblk: &'static str,
    ovdue: String,
}

pub(super) fn credit_getstatus(book: &mut Book, request: CreditQuery) -> Outcome<CreditAnswer> {
    let mut answer = CreditAnswer {
        credit: Vec::new(),
        messages: Vec::new(),
    };
    for key in keys(&request.customers, "KUNNR")? {
        match book.accounts.get(key) {
            Some(account) => answer.credit.push(credit_row(book, account)),
            None => answer.messages.push(Message::unknown_customer(key)),
        }
    }
    Ok(answer)
}

fn credit_row(book: &Book, account: &Account) -> CreditRow {
    let tree = book.subtree(&account.id);
    let rolled_up = |figure: fn(&Credit) -> Decimal| -> Decimal {
        tree.iter().map(|account| figure(&account.credit)).sum()
    };
    let oldest = tree
        .iter()
        .map(|account| account.credit.oldest_overdue_days);
    CreditRow {
        kunnr: account.id.clone(),
        hkunnr: account.parent.clone().unwrap_or_default(),
        waers: account.currency.clone(),
        klimk: account.credit.limit.map(amount).unwrap_or_default(),
        openord: amount(rolled_up(|credit| credit.open_orders)),
        opendlv: amount(rolled_up(|credit| credit.delivered_not_invoiced)),
        openbil: amount(rolled_up(|credit| credit.invoiced_not_posted)),
        openitm: amount(rolled_up(|credit| credit.receivables)),
        unappl: amount(-rolled_up(|credit| credit.unapplied)),
        crblk: flag(account.credit.blocked),
        ovdue: oldest.max().unwrap_or(0).to_string(),
    }
}
