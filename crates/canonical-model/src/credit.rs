//! Credit as the system of record counts it, and the verdict that `process-apis` draw from it.

use iso_currency::Currency;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal,
    ids::{AccountId, CompanyId},
    money::Money,
};

/// The credit position of one account, all in `currency`. An account's exposure includes that of the accounts below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreditFact {
    /// The company.
    pub company: CompanyId,
    /// The account.
    pub account: AccountId,
    /// ISO 4217.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// The limit; absent = none is set at this level.
    #[serde(
        default,
        with = "decimal::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub limit: Option<Decimal>,
    /// Ordered and not delivered.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub open_orders: Decimal,
    /// Delivered and not invoiced.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub delivered_not_invoiced: Decimal,
    /// Invoiced and not posted.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub invoiced_not_posted: Decimal,
    /// Posted and not paid.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub open_receivables: Decimal,
    /// Paid or credited and not applied.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub unapplied_credits: Decimal,
    /// The seller's credit department stopped it.
    pub blocked: bool,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

impl CreditFact {
    /// `open orders + delivered not invoiced + invoiced not posted + open receivables - unapplied credits`.
    pub fn exposure(&self) -> Decimal {
        [
            self.delivered_not_invoiced,
            self.invoiced_not_posted,
            self.open_receivables,
            -self.unapplied_credits,
        ]
        .into_iter()
        .fold(self.open_orders, Decimal::saturating_add)
    }
}

/// Asks for the credit position of an account and of all above it; `POST /v1/companies/{company}/credit/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreditQuery {
    /// The account.
    pub account: AccountId,
    /// The oldest answer the caller takes, in seconds; absent = the operation's own, 0 = from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The oldest answer the caller takes while the source does not answer, in seconds; absent = as `max_age_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale_seconds: Option<u32>,
}

/// The account's position first, then those above it, nearest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreditFacts {
    /// The chain.
    pub chain: Vec<CreditFact>,
    /// True where any of it is older than it should be because the source does not answer.
    pub degraded: bool,
}

/// Credit as a buyer or an operator sees it: limit, used (with our own claims that the source does not count yet),
/// available, and how old that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreditPosition {
    /// The account at whose level it is.
    pub account: AccountId,
    /// The limit; absent = none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Money>,
    /// Exposure and claims.
    pub used: Money,
    /// Limit less used; absent where there is no limit. Negative = over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Money>,
    /// Stopped by the credit department.
    pub blocked: bool,
    /// Since when this holds.
    pub as_of: Timestamp,
    /// True where that is older than it should be because the source does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}
