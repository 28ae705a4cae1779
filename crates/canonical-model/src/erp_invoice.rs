//! Invoices of a sales order, as the ERP posted them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ids::{
        AccountId, ErpInvoiceNumber, ErpOrderNumber, ItemNumber, OrderReference,
        PurchaseOrderNumber,
    },
    money::{Money, UnitPrice},
    quantity::Quantity,
};

/// An invoice, or a credit note, whose amounts are negative. It is posted: it does not change any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpInvoice {
    /// The ERP's number.
    pub number: ErpInvoiceNumber,
    /// Its day.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// The order whose lines these are.
    pub order: ErpOrderNumber,
    /// Our reference, as the order carries it.
    pub reference: OrderReference,
    /// The buyer's number, as the order carries it.
    pub purchase_order_number: PurchaseOrderNumber,
    /// Who pays.
    pub account: AccountId,
    /// Of the order's lines, those that are invoiced by it.
    pub lines: Vec<ErpInvoiceLine>,
    /// Without tax; of the whole invoice, which may be for other orders too.
    pub net: Money,
    /// The tax.
    pub tax: Money,
    /// Both together.
    pub gross: Money,
}

/// What is invoiced of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpInvoiceLine {
    /// The order line it is part of; 0 = none of ours: the ERP added it, such as freight.
    pub order_line: u32,
    /// What; absent where it is no item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemNumber>,
    /// How much; negative where it is taken back.
    pub quantity: Quantity,
    /// At which price.
    pub unit_price: UnitPrice,
    /// What that comes to.
    pub amount: Money,
}

/// The invoices of a sales order; `GET /v1/companies/{company}/sales-orders/{number}/invoices`. Always from the source,
/// never cached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErpInvoices {
    /// By day, then by number.
    pub invoices: Vec<ErpInvoice>,
}
