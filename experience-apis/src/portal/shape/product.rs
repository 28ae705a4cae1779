//! Products with the account's own price and availability.

use canonical_model::{
    ItemNumber, UnitConversion, UnitOfMeasure, decimal, promise::SiteAvailability,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::price::MyPrice;

/// Searches the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductSearch {
    /// Words to be found in number or description; absent = all products.
    #[serde(default)]
    #[param(example = "hex bolt", max_length = 200)]
    pub search: Option<String>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many, 1 to 200; 50 unless said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// A page of the catalogue, by item number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProductPage {
    /// The products.
    pub items: Vec<Product>,
    /// The cursor of the page after; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A product, at the account's price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Product {
    /// The seller's number.
    pub item: ItemNumber,
    /// What the account itself calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buyer_part_number: Option<String>,
    /// GS1 trade item number of the base unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gtin: Option<String>,
    /// One line of text.
    pub description: String,
    /// The unit that stock is counted in.
    pub base_unit: UnitOfMeasure,
    /// The unit it is sold in unless the buyer says otherwise.
    pub sales_unit: UnitOfMeasure,
    /// The other units it can be ordered in, with exact factors.
    pub conversions: Vec<UnitConversion>,
    /// Whether it can still be ordered.
    pub orderable: bool,
    /// The account's price; absent = it has none, or none is known now (`price_on_request`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub price: Option<MyPrice>,
    /// Whether there is none now because the seller's system does not answer: it is given on request.
    pub price_on_request: bool,
    /// What is available; absent = the stock of this product is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub availability: Option<Availability>,
}

/// What is available of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Availability {
    /// The unit of all quantities here.
    pub unit: UnitOfMeasure,
    /// Available today over all sites.
    #[serde(with = "decimal")]
    #[schema(value_type = String, example = "120")]
    pub available_now: Decimal,
    /// By site, with the days on which more comes.
    pub sites: Vec<SiteAvailability>,
    /// Days until it can be had when nothing is in stock or on order; absent = it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub replenishment_days: Option<u16>,
    /// The age of the oldest fact behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub as_of: Option<Timestamp>,
    /// Whether that is older than it should be, or missing, since the seller's system does not answer.
    pub degraded: bool,
}
