//! Tryton's records of a warehouse, under its own field names.

use serde::{Deserialize, Serialize};

use crate::tryton::values::{Amount, Count, Day, Instant, Reference};

/// What Tryton calls an outgoing shipment.
pub(super) const SHIPMENT: &str = "stock.shipment.out";

/// A shipment as it is created: a draft.
#[derive(Debug, Serialize)]
pub(super) struct NewShipment {
    pub customer: i64,
    pub delivery_address: i64,
    pub warehouse: i64,
    pub warehouse_output: i64,
    pub warehouse_storage: i64,
    pub planned_date: Day,
    pub reference: String,
    /// `[["create", [{…}, …]]]`.
    pub outgoing_moves: [(&'static str, Vec<NewMove>); 1],
}

#[derive(Debug, Serialize)]
pub(super) struct NewMove {
    pub product: i64,
    pub quantity: Count,
    pub unit: i64,
    pub from_location: i64,
    pub to_location: i64,
    /// Goods that leave need a price; what is sold is the ERP's business.
    pub unit_price: Amount,
    pub currency: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Company {
    pub currency: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Warehouse {
    pub id: i64,
    pub output_location: Option<i64>,
    pub storage_location: Option<i64>,
}

/// A name of a place to deliver to.
#[derive(Debug, Deserialize)]
pub(super) struct Identifier {
    pub party: i64,
    pub address: Option<i64>,
    #[serde(rename = "party.")]
    pub of: Customer,
}

#[derive(Debug, Deserialize)]
pub(super) struct Customer {
    pub customer_location: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub id: i64,
    pub code: String,
    pub default_uom: i64,
    #[serde(rename = "default_uom.")]
    pub unit: Unit,
}

#[derive(Debug, Deserialize)]
pub(super) struct Unit {
    pub symbol: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shipment {
    pub id: i64,
    pub number: Option<String>,
    pub reference: Option<String>,
    pub state: String,
    pub last_modified_at: Instant,
    #[serde(rename = "warehouse.")]
    pub warehouse: Coded,
}

/// The fields of a [`Shipment`].
pub(super) const SHIPMENT_FIELDS: [&str; 5] = [
    "number",
    "reference",
    "state",
    "last_modified_at",
    "warehouse.code",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Coded {
    pub code: Option<String>,
}

/// Goods of a shipment that leave.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Move {
    pub shipment: Option<Reference>,
    /// In the product's own unit.
    pub internal_quantity: Count,
    #[serde(rename = "product.")]
    pub product: MovedProduct,
}

/// The fields of a [`Move`].
pub(super) const MOVE_FIELDS: [&str; 4] = [
    "shipment",
    "internal_quantity",
    "product.code",
    "product.default_uom.symbol",
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MovedProduct {
    pub code: Option<String>,
    #[serde(rename = "default_uom.")]
    pub unit: MovedUnit,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MovedUnit {
    pub symbol: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Package {
    pub number: String,
    pub shipment: Option<Reference>,
}

/// Symbols of Tryton's units beside the codes of UN/ECE Recommendation 20, for the units that an item may be kept in.
const UNITS: [(&str, &str); 7] = [
    ("u", "EA"),
    ("kg", "KGM"),
    ("lb", "LBR"),
    ("m", "MTR"),
    ("ft", "FOT"),
    ("l", "LTR"),
    ("gal", "GLL"),
];

/// The code of the unit of a symbol.
pub(super) fn rec20_unit(symbol: &str) -> Option<&'static str> {
    let found = UNITS.iter().find(|(known, _)| *known == symbol);
    found.map(|(_, code)| *code)
}
