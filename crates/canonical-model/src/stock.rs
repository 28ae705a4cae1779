//! Stock as the system of record counts it, for one item at one site.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal,
    ids::{CompanyId, ItemNumber, SiteId},
};

/// Stock of one item at one site; every quantity in the item's base unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockFact {
    /// The company.
    pub company: CompanyId,
    /// The item.
    pub item: ItemNumber,
    /// The site.
    pub site: SiteId,
    /// What lies there, of any quality.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub on_hand: Decimal,
    /// Of it, what the source has already given to orders.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub allocated: Decimal,
    /// Of it, what may not be sold (inspection, quarantine).
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub quarantined: Decimal,
    /// What must remain.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub safety_stock: Decimal,
    /// What will come.
    pub receipts: Vec<PlannedReceipt>,
    /// What the source has promised and not yet allocated.
    pub demand: Vec<CommittedDemand>,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

/// A receipt that is planned for a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedReceipt {
    /// The day, by the site's calendar.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// How much.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub quantity: Decimal,
    /// Whether the supplier confirmed it.
    pub confirmed: bool,
}

/// Demand that the source has committed for a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommittedDemand {
    /// The day, by the site's calendar.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// How much.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub quantity: Decimal,
}

/// Asks for stock; `POST /v1/companies/{company}/stock/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StockQuery {
    /// Which items; at most 5,000.
    #[schema(max_items = 5000)]
    pub items: Vec<ItemNumber>,
    /// At which sites; empty = at all of the company.
    #[serde(default)]
    pub sites: Vec<SiteId>,
    /// The oldest answer the caller takes, in seconds; absent = the operation's own, 0 = from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The oldest answer the caller takes while the source does not answer, in seconds; absent = as `max_age_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale_seconds: Option<u32>,
}

/// The stock found: a pair of item and site that the source does not know is absent, which means unknown and not zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockFacts {
    /// By item, then site.
    pub stock: Vec<StockFact>,
    /// True where any of it is older than it should be because the source does not answer, or absent for that reason.
    pub degraded: bool,
}
