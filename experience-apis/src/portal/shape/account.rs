//! Accounts and their credit as a buyer sees them.

use canonical_model::{
    AccountId, CompanyId, Currency, Money, ShipToId,
    account::{AccountStatus, Address},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The accounts that the token may act for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountList {
    /// In the order of the token.
    pub accounts: Vec<Account>,
}

/// An account to buy for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Account {
    /// Its number, for the header `Orderway-Account`.
    pub account: AccountId,
    /// Its name.
    #[schema(example = "Acme Manufacturing Inc.")]
    pub name: String,
    /// The selling company.
    pub company: CompanyId,
    /// Whether it may order.
    pub status: AccountStatus,
    /// The currency it buys in, ISO 4217.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// Where it may have goods delivered; the first is taken where none is named.
    pub ship_tos: Vec<ShipTo>,
}

/// A delivery address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShipTo {
    /// Its number, for `ship_to` in a basket or an order.
    pub ship_to: ShipToId,
    /// Who receives.
    pub name: String,
    /// Where.
    pub address: Address,
}

/// What the account may still order on credit: the position that rules, which may be that of an account above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Credit {
    /// The account at whose level it is.
    pub account: AccountId,
    /// The limit; absent = none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limit: Option<Money>,
    /// What is used of it.
    pub used: Money,
    /// What is left; absent where there is no limit, negative = over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub available: Option<Money>,
    /// Whether the seller has stopped credit.
    pub blocked: bool,
    /// Since when this holds.
    pub as_of: Timestamp,
    /// Whether that is older than it should be, since the seller's system does not answer.
    pub degraded: bool,
}
