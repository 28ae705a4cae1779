//! Prices as a buyer sees them: what, and by which agreement; not the seller's record of it.

use canonical_model::{ContractNumber, Money, PromotionId, QuoteId, UnitPrice, decimal};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

/// By which agreement a price holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceSource {
    /// A quote that locked it.
    Quote,
    /// A contract.
    Contract,
    /// The account's own, as the seller's system gives it.
    Account,
    /// A price list of the account or its group.
    PriceList,
    /// The list price.
    ListPrice,
}

/// The prices of a product for the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MyPrice {
    /// By quantity in the sales unit, smallest first.
    pub breaks: Vec<Break>,
    /// The age of the fact behind it.
    pub as_of: Timestamp,
    /// Whether that is older than it should be, since the seller's system does not answer.
    pub degraded: bool,
}

/// A promotion that a price is lower by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Promotion {
    /// Which.
    pub promotion: PromotionId,
    /// What it is called.
    #[schema(example = "Autumn bearings")]
    pub description: String,
    /// What one unit costs without it.
    pub instead_of: UnitPrice,
}

/// From a quantity on, this price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PriceBreak)]
pub struct Break {
    /// The least quantity.
    #[serde(with = "decimal")]
    #[schema(value_type = String, example = "10")]
    pub from_quantity: Decimal,
    /// The price of one unit.
    pub unit_price: UnitPrice,
    /// By which agreement.
    pub source: PriceSource,
    /// The promotion that it is lower by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promotion: Option<Promotion>,
}

/// The price of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinePrice {
    /// Per one unit.
    pub unit_price: UnitPrice,
    /// Price times quantity, rounded once.
    pub total: Money,
    /// By which agreement.
    pub source: PriceSource,
    /// The quote that locked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quote_id: Option<QuoteId>,
    /// The contract it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub contract: Option<ContractNumber>,
    /// The promotion that it is lower by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promotion: Option<Promotion>,
    /// The age of the fact behind it; absent for a quote's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub as_of: Option<Timestamp>,
    /// Whether that is older than it should be, since the seller's system does not answer.
    pub degraded: bool,
}
