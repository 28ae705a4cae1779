//! The ERP's own records, read past the layers: what orders there are, whoever made them.

use anyhow::Context as _;
use rust_decimal::Decimal;
use sandbox::{
    Erp,
    erp::{OrderStatus, SalesOrder},
};
use serde_json::{Value, json};

use crate::rpc::{Rpc, at, text};

/// The books of one ERP.
#[derive(Debug, Clone)]
pub enum Books {
    /// The sandbox's.
    Sandbox(Erp),
    /// A database of Tryton.
    Tryton(Rpc),
}

/// A sales order as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedOrder {
    /// What identifies it there.
    pub id: String,
    /// The sold-to account.
    pub account: String,
    /// The buyer's number and our reference, whichever field each stands in.
    pub numbers: [String; 2],
    /// Where it stands.
    pub standing: Standing,
    /// The goods.
    pub lines: Vec<BookedLine>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing happens with it yet.
    Draft,
    /// In work, or done.
    Live,
    /// Cancelled.
    Cancelled,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedLine {
    /// The item.
    pub item: String,
    /// How much, in the item's base unit.
    pub pieces: Decimal,
    /// Price times quantity, without tax.
    pub amount: Decimal,
}

impl Books {
    /// The orders that carry this number, ours or the buyer's.
    pub async fn orders_of(&self, number: &str) -> anyhow::Result<Vec<BookedOrder>> {
        match self {
            Self::Sandbox(erp) => {
                let orders = erp.orders().iter().map(booked).collect::<Vec<_>>();
                let named = |order: &BookedOrder| order.numbers.iter().any(|one| one == number);
                Ok(orders.into_iter().filter(named).collect())
            }
            Self::Tryton(tryton) => sales_of(tryton, number).await,
        }
    }
}

fn booked(order: &SalesOrder) -> BookedOrder {
    BookedOrder {
        id: order.number.clone(),
        account: order.account.clone(),
        numbers: [order.purchase_order_number.clone(), order.reference.clone()],
        standing: match order.status {
            OrderStatus::Cancelled => Standing::Cancelled,
            OrderStatus::Open | OrderStatus::Shipped if order.blocked => Standing::Draft,
            OrderStatus::Open | OrderStatus::Shipped => Standing::Live,
        },
        lines: order
            .lines
            .iter()
            .map(|line| BookedLine {
                item: line.item.clone(),
                pieces: line.base_quantity,
                amount: line.net_value,
            })
            .collect(),
    }
}

async fn sales_of(tryton: &Rpc, number: &str) -> anyhow::Result<Vec<BookedOrder>> {
    let named = json!([[
        "OR",
        ["reference", "=", number],
        ["description", "=", number]
    ]]);
    let fields = json!(["reference", "description", "state", "party.code"]);
    let mut orders = Vec::new();
    for sale in tryton.search("sale.sale", named, fields).await? {
        let of_it = json!([["sale", "=", at(&sale, "/id")], ["product", "!=", null]]);
        let fields = json!(["product.code", "quantity", "unit.factor", "amount"]);
        let lines = tryton.search("sale.line", of_it, fields).await?;
        orders.push(BookedOrder {
            id: at(&sale, "/id").to_string(),
            account: text(at(&sale, "/party./code")),
            numbers: [
                text(at(&sale, "/reference")),
                text(at(&sale, "/description")),
            ],
            standing: match text(at(&sale, "/state")).as_str() {
                "draft" | "quotation" => Standing::Draft,
                "cancelled" => Standing::Cancelled,
                _ => Standing::Live,
            },
            lines: lines.iter().map(line).collect::<Result<_, _>>()?,
        });
    }
    Ok(orders)
}

fn line(row: &Value) -> anyhow::Result<BookedLine> {
    let number = |value: &Value| -> anyhow::Result<Decimal> {
        let text = at(value, "/decimal").as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| value.to_string());
        text.parse()
            .with_context(|| format!("{text:?} is no number"))
    };
    let pieces = number(at(row, "/quantity"))?.checked_mul(number(at(row, "/unit./factor"))?);
    Ok(BookedLine {
        item: text(at(row, "/product./code")),
        pieces: pieces.context("a quantity is too large")?.normalize(),
        amount: number(at(row, "/amount"))?,
    })
}
