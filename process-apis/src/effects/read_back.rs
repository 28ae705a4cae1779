//! What an order in the ERP is when it is read: whether it is what was asked for, and what it comes to there. Pure.

use canonical_model::{
    ErpOrderNumber,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderLine, ErpTotals},
};
use serde::{Deserialize, Serialize};

/// What an order comes to in the ERP, as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub number: ErpOrderNumber,
    /// What it comes to, with what the ERP added.
    pub totals: ErpTotals,
}

impl Seen {
    /// None where it was not read back.
    pub fn of(order: &ErpOrder) -> Option<Self> {
        Some(Self {
            number: order.number.clone(),
            totals: order.totals()?,
        })
    }
}

/// How the ERP's order differs from what was asked, if it does. Prices are compared by line: what the ERP adds to the
/// total (freight, tax) is its own.
pub fn difference(asked: &CreateErpOrder, order: &ErpOrder) -> Option<String> {
    if order.account != asked.account {
        return Some(format!("for account {}", order.account));
    }
    // An ERP may keep fewer characters of it than the buyer wrote.
    if !asked
        .purchase_order_number
        .as_str()
        .starts_with(order.purchase_order_number.as_str())
    {
        return Some(format!(
            "for purchase order {}",
            order.purchase_order_number
        ));
    }
    let lines = |lines: &[ErpOrderLine]| {
        let mut lines: Vec<_> = lines
            .iter()
            .map(|line| {
                let price = line.unit_price.amount.normalize();
                (
                    line.item.clone(),
                    line.quantity.unit,
                    line.quantity.value.normalize(),
                    price,
                )
            })
            .collect();
        lines.sort();
        lines
    };
    (lines(&asked.lines) != lines(&order.lines))
        .then(|| "with other items, quantities or prices".to_owned())
}
