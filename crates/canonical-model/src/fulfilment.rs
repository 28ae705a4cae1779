//! Releases to a warehouse: what `system-apis` ask of a WMS.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    account::Address,
    ids::{ErpOrderNumber, ItemNumber, OrderReference, PurchaseOrderNumber, ShipToId, SiteId},
    quantity::Quantity,
};

/// Releases the lines of one order that ship from one site; `POST /v1/companies/{company}/warehouse-releases`. The
/// release reference is the search key: a second release with it is found, not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWarehouseRelease {
    /// Our key for this release: the order's reference and the site.
    #[schema(min_length = 1, max_length = 42)]
    pub release_reference: String,
    /// The order's reference.
    pub order_reference: OrderReference,
    /// The ERP's number of the order.
    pub sales_order_number: ErpOrderNumber,
    /// The buyer's number.
    pub purchase_order_number: PurchaseOrderNumber,
    /// The site that ships.
    pub site: SiteId,
    /// Who receives.
    pub ship_to_name: String,
    /// The receiver's number among the account's delivery addresses.
    pub ship_to_id: ShipToId,
    /// Where.
    pub ship_to: Address,
    /// What to pick.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<WarehouseReleaseLine>,
}

/// A line to pick, in the item's base unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WarehouseReleaseLine {
    /// The order line.
    pub order_line: u32,
    /// What.
    pub item: ItemNumber,
    /// How much.
    pub quantity: Quantity,
    /// When it must leave.
    #[schema(value_type = String, format = Date)]
    pub ship_date: Date,
}

/// Where a release stands in the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarehouseReleaseState {
    /// Taken, work not begun.
    Released,
    /// Being picked or packed.
    InProgress,
    /// Gone.
    Shipped,
    /// Cancelled.
    Cancelled,
}

/// A release as the warehouse has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarehouseRelease {
    /// The warehouse's own number.
    pub number: String,
    /// Our key.
    pub release_reference: String,
    /// The site.
    pub site: SiteId,
    /// Where it stands.
    pub state: WarehouseReleaseState,
}

/// The releases that carry a reference; `GET /v1/companies/{company}/warehouse-releases?release_reference=&site=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarehouseReleases {
    /// By the warehouse's number.
    pub releases: Vec<WarehouseRelease>,
}
