//! The WMS's records, which are also its JSON, and its errors.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A request to pick goods at one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PickRequest {
    /// The WMS's number.
    pub pick_request_id: String,
    /// The caller's reference.
    pub client_ref: String,
    /// The order it is for.
    pub order_ref: String,
    /// Where to pick.
    pub site_code: String,
    /// When to ship.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ship_date: Option<Date>,
    /// Where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipTo>,
    /// What.
    pub lines: Vec<PickLine>,
    /// Where it stands.
    pub status: PickStatus,
    /// When it came.
    pub created_at: Timestamp,
}

/// Where goods go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipTo {
    /// The seller's number of the place.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// One line to pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PickLine {
    /// The caller's line id.
    pub line_ref: String,
    /// What.
    pub sku_code: String,
    /// How much, in the base unit.
    pub qty: Decimal,
    /// The WMS's unit word.
    pub unit: String,
}

/// Where a pick request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PickStatus {
    /// Waits on the floor.
    New,
    /// Some of it is picked.
    Picking,
    /// All of it is packed.
    Packed,
    /// All of it has left.
    Shipped,
    /// Will not be picked.
    Cancelled,
}

/// What leaves together for a pick request; a request may leave in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// The WMS's number.
    pub shipment_id: String,
    /// The request it is for.
    pub pick_request_id: String,
    /// That request's reference.
    pub client_ref: String,
    /// The order that is for.
    pub order_ref: String,
    /// Where it leaves.
    pub site_code: String,
    /// Rises by one with each change, from 1.
    pub version: u64,
    /// How far it has come.
    pub status: ShipmentStatus,
    /// What it holds; all of it, never what changed.
    pub lines: Vec<ShipmentLine>,
    /// Who carries it, once it has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_no: Option<String>,
    /// Its cartons.
    pub ssccs: Vec<String>,
    /// When it became so.
    pub updated_at: Timestamp,
}

/// One line of a shipment: so much of it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentLine {
    /// The caller's line id.
    pub line_ref: String,
    /// What.
    pub sku_code: String,
    /// The WMS's unit word.
    pub unit: String,
    /// Picked.
    pub qty_picked: Decimal,
    /// Of that, packed.
    pub qty_packed: Decimal,
    /// Of that, gone.
    pub qty_shipped: Decimal,
}

/// How far a shipment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ShipmentStatus {
    /// Being picked.
    Picking,
    /// All that was picked is packed.
    Packed,
    /// All that was picked has left.
    Shipped,
}

/// What is done on the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloorStep {
    /// Goods are taken from the shelf.
    Pick,
    /// What was picked is packed.
    Pack,
    /// What was packed leaves.
    Ship,
}

/// New stock figures; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WmsStockChange {
    /// Usable, on the shelf.
    pub qty_on_hand: Option<Decimal>,
    /// In quarantine.
    pub qty_quarantine: Option<Decimal>,
}

/// What the WMS refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WmsError {
    /// No such SKU.
    #[error("skuCode {0} is unknown")]
    UnknownSku(String),
    /// No such site.
    #[error("siteCode {0} is unknown")]
    UnknownSite(String),
    /// Only base units are picked.
    #[error("{sku} is picked in {unit} only")]
    WrongUnit {
        /// Which SKU.
        sku: String,
        /// Its unit.
        unit: String,
    },
    /// Zero, negative or huge.
    #[error("qty of lineRef {0} is not a quantity above 0")]
    InvalidQty(String),
    /// A body or parameter that does not follow the documentation.
    #[error("{0}")]
    InvalidRequest(String),
    /// No such pick request.
    #[error("pickRequestId {0} is unknown")]
    NotFound(String),
    /// No such shipment.
    #[error("shipmentId {0} is unknown")]
    UnknownShipment(String),
    /// Nothing is picked for it any more.
    #[error("pickRequestId {0} is cancelled")]
    Cancelled(String),
    /// The reference was used before.
    #[error("clientRef {client_ref} was used before, by {pick_request_id}")]
    DuplicateClientRef {
        /// The reference.
        client_ref: String,
        /// The first request.
        pick_request_id: String,
    },
}
