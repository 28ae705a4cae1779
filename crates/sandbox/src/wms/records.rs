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
    /// Will not be picked.
    Cancelled,
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
    /// The reference was used before.
    #[error("clientRef {client_ref} was used before, by {pick_request_id}")]
    DuplicateClientRef {
        /// The reference.
        client_ref: String,
        /// The first request.
        pick_request_id: String,
    },
}
