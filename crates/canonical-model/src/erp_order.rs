//! Sales orders in an ERP, by our reference: what `system-apis` create, find, amend, release and cancel.

use iso_currency::Currency;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ids::{
        AccountId, ErpOrderNumber, ItemNumber, OrderReference, PurchaseOrderNumber, ShipToId,
        SiteId,
    },
    money::{Money, UnitPrice},
    quantity::Quantity,
};

/// Creates a sales order in the company's ERP; `POST /v1/companies/{company}/sales-orders`. Where the ERP is `staged`
/// it is created blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateErpOrder {
    /// Our reference: what the order is found by.
    pub reference: OrderReference,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The sold-to account.
    pub account: AccountId,
    /// Where it goes.
    pub ship_to: ShipToId,
    /// ISO 4217.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// The lines; at least one.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<ErpOrderLine>,
}

/// A line: one per order line and schedule line, so a line promised from two sites is two of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErpOrderLine {
    /// Its number in the ERP's order, from 1.
    pub line: u32,
    /// The order line it is part of; 0 = none of ours: somebody entered it in the ERP.
    pub order_line: u32,
    /// What.
    pub item: ItemNumber,
    /// How much, in the unit ordered.
    pub quantity: Quantity,
    /// At which price, per that unit.
    pub unit_price: UnitPrice,
    /// From where.
    pub site: SiteId,
    /// When it leaves, as promised.
    #[schema(value_type = String, format = Date)]
    pub ship_date: Date,
}

/// Amends a sales order; `POST /v1/companies/{company}/sales-orders/{number}/amend`.
///
/// It says what the lines shall be, so that a repeat changes nothing. What it does not name stays as it is, above all the
/// prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"lines": [
    {"line": 1, "order_line": 1, "quantity": {"value": "24", "unit": "EA"}, "ship_date": "2026-11-27"},
    {"line": 2, "order_line": 2, "quantity": {"value": "0", "unit": "EA"}},
]}))]
pub struct AmendErpOrder {
    /// The lines that change, each once; at least one.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<ErpLineAmendment>,
}

/// What a line shall be. It is named by both of its numbers: who sorts an order's lines in the ERP may give them others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErpLineAmendment {
    /// Its number in the ERP's order.
    #[schema(minimum = 1)]
    pub line: u32,
    /// The order line it is part of.
    #[schema(minimum = 1)]
    pub order_line: u32,
    /// How much, in the unit ordered; 0 takes the line away. Absent = as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// When it leaves. Absent = as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub ship_date: Option<Date>,
}

impl ErpLineAmendment {
    /// Whether the line shall be there no more.
    pub fn takes_away(&self) -> bool {
        self.quantity
            .is_some_and(|quantity| quantity.value.is_zero())
    }
}

/// Where a sales order stands in the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErpOrderState {
    /// Created, and nothing happens until it is released.
    Blocked,
    /// In work.
    Open,
    /// All delivered.
    Completed,
    /// Cancelled.
    Cancelled,
}

/// A sales order as the ERP has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpOrder {
    /// The ERP's number.
    pub number: ErpOrderNumber,
    /// Our reference, as the ERP gives it back.
    pub reference: OrderReference,
    /// The buyer's number, as the ERP gives it back.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The account.
    pub account: AccountId,
    /// Where it stands.
    pub state: ErpOrderState,
    /// Its lines.
    pub lines: Vec<ErpOrderLine>,
    /// The total of its lines: what the ERP added is no part of it.
    pub total: Money,
    /// What the ERP added of its own: never a line of ours, and no difference of price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<AddedCharge>,
    /// It was created, and could not be read back: all but its number is as it was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_asked: bool,
}

impl ErpOrder {
    /// What it comes to. None where that is not known: it was not read back, or its amounts do not add up.
    pub fn totals(&self) -> Option<ErpTotals> {
        let mut gross = self.total;
        for charge in &self.added {
            gross = gross.checked_add(charge.amount).ok()?;
        }
        (!self.as_asked).then(|| ErpTotals {
            net: self.total,
            added: self.added.clone(),
            gross,
        })
    }
}

/// Something that the ERP added to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddedCharge {
    /// The kind.
    pub kind: ChargeKind,
    /// What it is, in the ERP's words.
    pub description: String,
    /// How much; negative where it takes something off.
    pub amount: Money,
}

/// The kinds of charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Carriage.
    Freight,
    /// Tax on sales.
    Tax,
    /// Anything else: a surcharge, a rebate on the whole order …
    Other,
}

/// What an order comes to in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpTotals {
    /// Its lines.
    pub net: Money,
    /// What the ERP added; empty = nothing.
    #[serde(default)]
    pub added: Vec<AddedCharge>,
    /// Both together: what will be invoiced.
    pub gross: Money,
}

/// The sales orders that carry a reference; `GET /v1/companies/{company}/sales-orders?reference=`. Always from the
/// source, never cached. With `besides=` none, where the one so named is the only one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpOrders {
    /// By ERP number, lowest first.
    pub orders: Vec<ErpOrder>,
}
