//! The WMS's own shapes, under its own field names.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPickRequest {
    pub client_ref: String,
    pub order_ref: String,
    pub site_code: String,
    pub ship_date: String,
    pub ship_to: ShipTo,
    pub lines: Vec<PickLine>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ShipTo {
    pub code: String,
    pub name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PickLine {
    pub line_ref: String,
    pub sku_code: String,
    pub qty: String,
    pub unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PickRequest {
    pub pick_request_id: String,
    pub client_ref: String,
    pub site_code: String,
    pub status: String,
    #[serde(default)]
    pub lines: Vec<PickLine>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PickRequests {
    pub items: Vec<PickRequest>,
    pub total: u64,
}

/// What is posted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub event: String,
    pub shipment: Shipment,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shipment {
    pub shipment_id: String,
    pub pick_request_id: String,
    pub client_ref: String,
    pub order_ref: String,
    pub site_code: String,
    pub version: u64,
    pub lines: Vec<ShipmentLine>,
    #[serde(default)]
    pub carrier: Option<String>,
    #[serde(default)]
    pub tracking_no: Option<String>,
    #[serde(default)]
    pub ssccs: Vec<String>,
    pub updated_at: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShipmentLine {
    pub line_ref: String,
    pub sku_code: String,
    pub unit: String,
    pub qty_picked: String,
    pub qty_packed: String,
    pub qty_shipped: String,
}

/// What changed, by when and then by id.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ShipmentChanges {
    /// Shipments, looked into one by one: one that cannot be read spoils no other.
    pub items: Vec<serde_json::Value>,
    pub more: bool,
}

/// The part of a shipment that a place in the order of changes needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShipmentPlace {
    pub shipment_id: String,
    pub updated_at: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MissingShipments {
    pub shipment_ids: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub pick_request_id: Option<String>,
}

/// The WMS's words for units beside the codes of UN/ECE Recommendation 20; any other is the same in both.
const UNITS: [(&str, &str); 15] = [
    ("EACH", "EA"),
    ("CARTON", "XCT"),
    ("CASE", "XCS"),
    ("PACK", "XPK"),
    ("BOX", "XBX"),
    ("DOZEN", "DZN"),
    ("PALLET", "XPX"),
    ("KILO", "KGM"),
    ("POUND", "LBR"),
    ("METRE", "MTR"),
    ("FOOT", "FOT"),
    ("LITRE", "LTR"),
    ("GALLON", "GLL"),
    ("ROLL", "XRO"),
    ("PAIR", "PR"),
];

/// The code of a unit that the WMS names.
pub(super) fn rec20_unit(wms: &str) -> &str {
    UNITS
        .iter()
        .find(|(word, _)| *word == wms)
        .map_or(wms, |(_, code)| code)
}

/// The WMS's word for a unit.
pub(super) fn wms_unit(rec20: &str) -> &str {
    UNITS
        .iter()
        .find(|(_, code)| *code == rec20)
        .map_or(rec20, |(word, _)| word)
}
