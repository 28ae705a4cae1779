//! Prices as the system of record states them: every record that may apply to an account, for `process-apis` to
//! resolve (the `Schedule` source of DESIGN section 6).

use iso_currency::Currency;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decimal,
    ids::{AccountId, CompanyId, ContractNumber, ItemNumber, PromotionId, ShipToId},
    quantity::{Quantity, UnitOfMeasure},
};

/// Where a price record stands, strongest first: the order in which candidates win.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PriceLevel {
    /// The source resolved it for this account, unit and quantity.
    Resolved,
    /// A contract made for this delivery address.
    ContractShipTo,
    /// A contract made with this account.
    ContractSoldTo,
    /// A contract made with an account above it.
    ContractParent,
    /// A contract made for the account's group.
    ContractGroup,
    /// A price list given to this account.
    AccountList,
    /// A price list of the account's group.
    GroupList,
    /// The list price.
    List,
}

impl PriceLevel {
    /// Whether a contract stands behind it.
    pub const fn is_contract(self) -> bool {
        match self {
            Self::ContractShipTo
            | Self::ContractSoldTo
            | Self::ContractParent
            | Self::ContractGroup => true,
            Self::Resolved | Self::AccountList | Self::GroupList | Self::List => false,
        }
    }
}

/// What the source of a price lets promotions do with it. Where it says nothing, the price stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromotionRule {
    /// Nothing: the price stands.
    #[default]
    Excluded,
    /// A promotion may be taken off it.
    Combined,
    /// Of a contract: nothing is taken off it, but the price without any contract applies where a promotion makes that
    /// lower. Of any other price the same as `excluded`.
    IfLower,
}

impl PromotionRule {
    /// Whether the price stands, as it does where nothing is said.
    pub const fn is_excluded(&self) -> bool {
        matches!(self, Self::Excluded)
    }
}

/// A promotion behind a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedPromotion {
    /// Which.
    pub promotion: PromotionId,
    /// What it is called, for buyers.
    pub description: String,
    /// What one unit costs without it, by the same record.
    pub base_unit_price: crate::money::UnitPrice,
}

/// The contract behind a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct ContractVersion {
    /// Its number.
    pub number: ContractNumber,
    /// Its version: part of every cache key, since a new version is a new price.
    pub version: u32,
}

/// One price that may apply: for quantities from `break_quantity` on, on days in `[valid_from, valid_to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceRecord {
    /// The source's own number of the record, for the decision record.
    pub record: String,
    /// Where it stands.
    pub level: PriceLevel,
    /// Among records of one level the lower number wins.
    pub priority: u32,
    /// The contract, for the contract levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractVersion>,
    /// Per one `unit`.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub unit_price: Decimal,
    /// ISO 4217.
    #[serde(deserialize_with = "crate::currency::deserialize")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// The unit priced, and the unit of `break_quantity`.
    pub unit: UnitOfMeasure,
    /// The least quantity for which it holds.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub break_quantity: Decimal,
    /// The first day; absent = always was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_from: Option<Date>,
    /// The day after the last; absent = without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_to: Option<Date>,
    /// What promotions may do with it; absent = nothing.
    #[serde(default, skip_serializing_if = "PromotionRule::is_excluded")]
    pub promotions: PromotionRule,
    /// Below this, per one `unit`, no promotion takes the price; absent = the source states no floor.
    #[serde(
        default,
        with = "decimal::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub floor: Option<Decimal>,
}

/// All that may price one item for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceSchedule {
    /// The company.
    pub company: CompanyId,
    /// The account asked for, given back so that an answer for another account is noticed.
    pub account: AccountId,
    /// The item.
    pub item: ItemNumber,
    /// The records; empty = this item has no price for this account.
    pub records: Vec<PriceRecord>,
    /// When the call that read it started.
    pub as_of: Timestamp,
}

/// How much of an item is wanted, in the unit ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedQuantity {
    /// The item; one of those asked for.
    pub item: ItemNumber,
    /// How much.
    pub quantity: Quantity,
}

/// Asks for price schedules; `POST /v1/companies/{company}/prices/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceQuery {
    /// For whom.
    pub account: AccountId,
    /// For which delivery address, where contracts may depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// Which items; at most 5,000.
    #[schema(max_items = 5000)]
    pub items: Vec<ItemNumber>,
    /// How much of them is wanted, as far as the caller knows, for a source that resolves prices itself; at most 5,000. An
    /// item that is not among them is answered with its breaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 5000)]
    pub quantities: Vec<WantedQuantity>,
    /// The oldest answer the caller takes, in seconds; absent = the operation's own, 0 = from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The oldest answer the caller takes while the source does not answer, in seconds; absent = as `max_age_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale_seconds: Option<u32>,
}

/// The schedules, one an item that the source knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceSchedules {
    /// In the order asked.
    pub schedules: Vec<PriceSchedule>,
    /// True where any of them is older than it should be because the source does not answer, or absent for that reason.
    pub degraded: bool,
}

/// Asks for the prices a buyer sees while browsing; `POST /v1/prices/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowsePriceQuery {
    /// For whom.
    pub account: AccountId,
    /// For which delivery address; absent = the account's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<ShipToId>,
    /// Which items; at most 200.
    #[schema(max_items = 200)]
    pub items: Vec<ItemNumber>,
}

/// The prices of some items for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrowsePrices {
    /// In the order asked; an item that has no price for the account is absent.
    pub prices: Vec<BrowsePrice>,
    /// Items whose price cannot be told now, since its source does not answer: on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_request: Vec<ItemNumber>,
}

/// The prices of one item: what each quantity costs today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrowsePrice {
    /// The item.
    pub item: ItemNumber,
    /// By quantity, in its sales unit, smallest first; the first holds from its smallest order on.
    pub breaks: Vec<PriceBreak>,
    /// The age of the fact behind it.
    pub as_of: Timestamp,
    /// True where that is older than it should be because the source does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// From a quantity on, this price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceBreak {
    /// The least quantity.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub from_quantity: Decimal,
    /// The price of one unit.
    pub unit_price: crate::money::UnitPrice,
    /// Where it stands.
    pub level: PriceLevel,
    /// The promotion that it is lower by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<AppliedPromotion>,
}
