//! Accounts as the system of record knows them: who buys, on whose limit, and where it is delivered.

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{AccountId, CompanyId, ShipToId};

/// May the account order?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It may.
    Active,
    /// It may not: the seller stopped it.
    Blocked,
    /// It may no longer: the relation has ended.
    Closed,
}

/// A sold-to account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The selling company it belongs to.
    pub company: CompanyId,
    /// Its number.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Whether it may order.
    pub status: AccountStatus,
    /// The accounts above it, nearest first.
    pub ancestors: Vec<AccountId>,
    /// The group of accounts it is priced with, where the ERP has such groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_group: Option<String>,
    /// The currency it buys in.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// Where it may have goods delivered.
    pub ship_tos: Vec<ShipTo>,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

/// A delivery address of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShipTo {
    /// Its number.
    pub ship_to: ShipToId,
    /// Who receives.
    pub name: String,
    /// Where.
    pub address: Address,
    /// What trading partners call it.
    pub identifiers: Vec<PartyIdentifier>,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street lines, at most four.
    #[schema(max_items = 4)]
    pub lines: Vec<String>,
    /// City.
    pub city: String,
    /// State or province, where the country has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// A party's number in somebody's scheme: `duns`, `gln`, `buyer` (the buyer's own location code) …
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyIdentifier {
    /// Whose numbering.
    pub scheme: PartyScheme,
    /// The number.
    pub value: String,
}

/// The numberings of parties that channels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartyScheme {
    /// GS1 global location number.
    Gln,
    /// D-U-N-S number, with or without suffix.
    Duns,
    /// The buyer's own code.
    Buyer,
    /// The seller's own code.
    Seller,
}

/// Asks for accounts (`POST /v1/companies/{company}/accounts/query`), or for what the CRM knows of them
/// (`…/crm/accounts/query`, `…/crm/contacts/query`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountQuery {
    /// Which; at most 200.
    #[schema(max_items = 200)]
    pub accounts: Vec<AccountId>,
    /// The oldest answer the caller takes, in seconds; absent = the operation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The oldest answer the caller takes while the source does not answer, in seconds; absent = as `max_age_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale_seconds: Option<u32>,
}

/// The accounts found; those that do not exist are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accounts {
    /// In the order asked.
    pub accounts: Vec<Account>,
}
