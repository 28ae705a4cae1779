//! Several questions in one exchange: what a page shows, or what an order is decided from, is asked for at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    stock::{StockFacts, StockQuery},
};

/// Asks several questions at once; `POST /v1/companies/{company}/facts/query`. Each is as its own operation takes it, and is
/// answered as that one answers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FactQueries {
    /// What the systems of the company can do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub capabilities: bool,
    /// Accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountQuery>,
    /// A page of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<ProductSearch>,
    /// Products by any of their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<ProductQuery>,
    /// Price records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<PriceQuery>,
    /// Stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockQuery>,
    /// Credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<CreditQuery>,
}

/// The answers; what was not asked for is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FactAnswers {
    /// What the systems of the company can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// The accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub accounts: Option<Told<Accounts>>,
    /// The page of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub search: Option<Told<ProductPage>>,
    /// The products.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub products: Option<Told<ProductMatches>>,
    /// The price records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub prices: Option<Told<PriceSchedules>>,
    /// The stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub stock: Option<Told<StockFacts>>,
    /// The credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub credit: Option<Told<CreditFacts>>,
}

/// One of several questions' answer, or why there is none: the others stand for themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told<T> {
    /// As the question's own operation answers it.
    Answer(T),
    /// The problem (RFC 9457) that it would answer.
    #[schema(value_type = Object)]
    Problem(serde_json::Value),
}
