//! The catalogue as a buyer browses it: products with the account's prices and what is available.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{price::BrowsePrice, product::Product, promise::Availability};

/// A product with what a buyer sees of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogItem {
    /// The product.
    pub product: Product,
    /// What each quantity costs the account today; absent = it has no price, or none is known now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<BrowsePrice>,
    /// Whether no price is known now because the source does not answer.
    #[serde(default)]
    pub price_on_request: bool,
    /// What is available; absent = the source does not answer, and nothing is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

/// A page of the catalogue, by item number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogPage {
    /// The products.
    pub items: Vec<CatalogItem>,
    /// The cursor of the page after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
