//! Promises: what can be had when, and from which site.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal,
    ids::{AccountId, ItemNumber, ShipToId, SiteId},
    quantity::{Quantity, UnitOfMeasure},
};

/// Part of a line, promised from one site for one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleLine {
    /// The site that ships it.
    pub site: SiteId,
    /// How much, in the unit ordered.
    pub quantity: Quantity,
    /// The day it leaves, by the site's calendar.
    #[schema(value_type = String, format = Date)]
    pub ship_date: Date,
    /// The day it arrives.
    #[schema(value_type = String, format = Date)]
    pub promised_delivery_date: Date,
    /// How it is covered.
    pub cover: Cover,
    /// The age of the stock figures behind it; absent = none is: nothing but lead time covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// True where they are older than they should be because their source does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// What stands behind a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// Stock that lies there now.
    Stock,
    /// A receipt that is planned.
    Receipt,
    /// Nothing yet: the date is today and the replenishment lead time. The line is backordered.
    LeadTime,
}

/// Asks what is available; `POST /v1/availability/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AvailabilityQuery {
    /// For whom.
    pub account: AccountId,
    /// Where it goes; absent = the account's first delivery address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// Which items; at most 200.
    #[schema(max_items = 200)]
    pub items: Vec<ItemNumber>,
}

/// What is available of some items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Availabilities {
    /// In the order asked; an item that does not exist is absent.
    pub items: Vec<Availability>,
}

/// What is available of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Availability {
    /// The item.
    pub item: ItemNumber,
    /// The unit of all its quantities: the item's base unit.
    pub unit: UnitOfMeasure,
    /// Available today over all sites.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub available_now: Decimal,
    /// By site.
    pub sites: Vec<SiteAvailability>,
    /// Days until it can be had when nothing is in stock or on order; absent = it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replenishment_days: Option<u16>,
    /// The age of the oldest fact behind it; absent = the stock is not known at any site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// True where that is older than it should be because the source does not answer, or not known for that reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// What is available at one site: cumulative, so what is promised today never takes from a promise already made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteAvailability {
    /// The site.
    pub site: SiteId,
    /// Available today.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub available_now: Decimal,
    /// The days on which more becomes available, soonest first.
    pub later: Vec<FutureAvailability>,
}

/// From a day on, that much is available in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FutureAvailability {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// The cumulative quantity.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub available: Decimal,
}
