//! Products as the system of record knows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ids::{AccountId, CompanyId, ItemNumber},
    quantity::{UnitConversion, UnitOfMeasure, Units},
};

/// A product that the company sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// The selling company.
    pub company: CompanyId,
    /// The seller's number.
    pub item: ItemNumber,
    /// One line of text.
    pub description: String,
    /// The unit that stock is counted in.
    pub base_unit: UnitOfMeasure,
    /// The unit it is sold in unless the buyer says otherwise.
    pub sales_unit: UnitOfMeasure,
    /// The other units, with exact factors.
    pub conversions: Vec<UnitConversion>,
    /// GS1 trade item number of the base unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<String>,
    /// Its class in UNSPSC: eight digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unspsc: Option<String>,
    /// Whether it can still be ordered.
    pub orderable: bool,
    /// Days until it can be had when nothing is in stock or on order; absent = it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replenishment_days: Option<u16>,
    /// What this account calls it; filled only where the query names an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_part_number: Option<String>,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

impl Product {
    /// Its units, for conversions.
    pub fn units(&self) -> Units<'_> {
        Units {
            base: self.base_unit,
            conversions: &self.conversions,
        }
    }
}

/// Asks for products by any of their numbers; `POST /v1/companies/{company}/products/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductQuery {
    /// Whose part numbers apply.
    pub account: AccountId,
    /// Which; at most 5,000.
    #[schema(max_items = 5000)]
    pub items: Vec<crate::item::ItemIdentifier>,
    /// The oldest answer the caller takes, in seconds; absent = the operation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The oldest answer the caller takes while the source does not answer, in seconds; absent = as `max_age_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale_seconds: Option<u32>,
}

/// Asks for products by the seller's numbers; `POST /v1/products/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowseProductQuery {
    /// Whose part numbers apply.
    pub account: AccountId,
    /// Which; at most 200.
    #[schema(max_items = 200)]
    pub items: Vec<ItemNumber>,
}

/// The products found, in the order asked: null where an identifier names none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductMatches {
    /// One entry for each identifier of the query.
    pub matches: Vec<Option<Product>>,
}

/// Searches the catalogue; `GET /v1/companies/{company}/products`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductSearch {
    /// Words to be found in number or description; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Whose part numbers are given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Where to go on: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many, 1 to 200; 50 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// A page of the catalogue, by item number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductPage {
    /// The products.
    pub items: Vec<Product>,
    /// The cursor of the page after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
