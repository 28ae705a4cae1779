//! The rules that are data: sites and their calendars, horizon, tolerances, lifetimes, caps, and how old a fact may be.
//!
//! `config/policies/default.toml` names every key with its default. Unknown keys are refused, and all faults are told
//! at once.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use canonical_model::{SiteId, UnitOfMeasure, decimal};
use jiff::{
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_runtime::config::{self, ConfigError, Environment, Faults, HumanDuration, Validate};

use crate::{
    approval::ApprovalRule,
    pricing::promotion::{self, Promotion},
};

/// All policies of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// What a basket may hold.
    pub basket: BasketPolicy,
    /// Comparing the buyer's price with ours.
    pub price: PricePolicy,
    /// What counts as available.
    pub promise: PromisePolicy,
    /// Calendars of the sites that are not named below.
    pub default_site: SitePolicy,
    /// Calendars by site.
    pub sites: BTreeMap<String, SitePolicy>,
    /// Price locks.
    pub quote: QuotePolicy,
    /// Stock held before an order.
    pub reservation: ReservationPolicy,
    /// Credit checks.
    pub credit: CreditPolicy,
    /// How old a fact may be.
    pub freshness: FreshnessPolicy,
    /// What is taken while the ERP does not answer.
    pub outage: OutagePolicy,
    /// What is taken off prices, where their records allow it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub promotions: Vec<Promotion>,
    /// Which orders a person approves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approval: Vec<ApprovalRule>,
}

/// What a basket may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasketPolicy {
    /// The most lines.
    pub max_lines: usize,
    /// The most of one line, in the unit ordered and in the base unit.
    #[serde(with = "decimal")]
    pub max_quantity: Decimal,
    /// Units that cannot be divided: stock is not sold in parts of them.
    pub whole_units: Vec<UnitOfMeasure>,
}

impl Default for BasketPolicy {
    fn default() -> Self {
        let whole = [
            "EA", "C62", "H87", "PR", "SET", "RO", "CT", "CS", "PK", "BX",
        ];
        Self {
            max_lines: 5_000,
            max_quantity: Decimal::from(9_999_999),
            whole_units: whole
                .iter()
                .filter_map(|code| UnitOfMeasure::from_code(code).ok())
                .collect(),
        }
    }
}

/// Comparing the buyer's price with ours: within either tolerance the order is taken at our price.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PricePolicy {
    /// Of our line total, in percent.
    #[serde(with = "decimal")]
    pub tolerance_percent: Decimal,
    /// Of the line total, in the currency of the order.
    #[serde(with = "decimal")]
    pub tolerance_amount: Decimal,
}

/// What counts as available.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromisePolicy {
    /// How many days ahead receipts count, and how far ahead a date may be asked for.
    pub horizon_days: u16,
    /// Whether receipts count that the supplier has not confirmed.
    pub unconfirmed_receipts: bool,
}

impl Default for PromisePolicy {
    fn default() -> Self {
        Self {
            horizon_days: 90,
            unconfirmed_receipts: false,
        }
    }
}

/// The calendar of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SitePolicy {
    /// IANA name of its time zone.
    pub time_zone: String,
    /// Orders decided later than this are worked on from the next working day.
    pub cut_off: Time,
    /// Working days from the start of picking to the day it leaves.
    pub pick_pack_days: u8,
    /// Working days on the road.
    pub transit_days: u8,
    /// The same by destination: `US`, or `US-AK` for a region of it. The longer key wins.
    pub transit_days_to: BTreeMap<String, u8>,
    /// The days it works.
    pub working_days: Vec<WorkingDay>,
    /// Days it does not work.
    pub holidays: Vec<Date>,
}

impl Default for SitePolicy {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            cut_off: Time::constant(15, 0, 0, 0),
            pick_pack_days: 0,
            transit_days: 2,
            transit_days_to: BTreeMap::new(),
            working_days: WorkingDay::MONDAY_TO_FRIDAY.to_vec(),
            holidays: Vec::new(),
        }
    }
}

impl SitePolicy {
    /// The time zone; validation has seen that it is known.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkingDay {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl WorkingDay {
    const MONDAY_TO_FRIDAY: [Self; 5] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
    ];

    /// The day as the calendar knows it.
    pub const fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// Price locks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotePolicy {
    /// For how long a quote holds its prices, unless its channel says otherwise.
    pub lifetime: HumanDuration,
    /// For how long at most.
    pub max_lifetime: HumanDuration,
}

impl Default for QuotePolicy {
    fn default() -> Self {
        Self {
            lifetime: minutes(24 * 60),
            max_lifetime: minutes(30 * 24 * 60),
        }
    }
}

/// Stock held before an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReservationPolicy {
    /// For how long, unless the buyer says otherwise.
    pub lifetime: HumanDuration,
    /// For how long at most.
    pub max_lifetime: HumanDuration,
    /// How many an account may hold at once.
    pub max_per_account: u32,
    /// How many units of one item, in its base unit, an account may hold at once.
    #[serde(with = "decimal")]
    pub max_units_per_item: Decimal,
}

impl Default for ReservationPolicy {
    fn default() -> Self {
        Self {
            lifetime: HumanDuration::from_secs(15 * 60),
            max_lifetime: HumanDuration::from_secs(3_600),
            max_per_account: 50,
            max_units_per_item: Decimal::from(10_000),
        }
    }
}

/// What happens to an order whose credit is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCredit {
    /// It is held.
    #[default]
    Hold,
    /// It is taken.
    Take,
}

/// Credit checks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditPolicy {
    /// Whether reaching the limit exactly is already too much.
    pub limit_is_exclusive: bool,
    /// What happens where credit facts are missing or too old.
    pub when_unknown: UnknownCredit,
}

/// How old a fact may be. Browsing takes what the operation of `system-apis` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreshnessPolicy {
    /// When a basket is checked, quoted or reserved.
    pub checkout: FactAges,
    /// When an order is taken.
    pub order: FactAges,
    /// Credit facts older than this count as unknown.
    pub credit_usable: HumanDuration,
    /// Stock older than this is no longer promised when its source does not answer.
    pub stock_usable: HumanDuration,
    /// Prices older than this are on request when their source does not answer.
    pub price_usable: HumanDuration,
    /// Accounts and products older than this are not used when their source does not answer.
    pub account_usable: HumanDuration,
}

impl Default for FreshnessPolicy {
    fn default() -> Self {
        Self {
            checkout: FactAges {
                price: minutes(15),
                stock: minutes(1),
                credit: minutes(5),
                account: minutes(15),
            },
            order: FactAges::default(),
            credit_usable: minutes(15),
            stock_usable: minutes(15),
            price_usable: minutes(4 * 60),
            account_usable: minutes(12 * 60),
        }
    }
}

/// The oldest facts taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FactAges {
    /// Price records.
    pub price: HumanDuration,
    /// Stock.
    pub stock: HumanDuration,
    /// Credit.
    pub credit: HumanDuration,
    /// Accounts and products.
    pub account: HumanDuration,
}

impl Default for FactAges {
    fn default() -> Self {
        Self {
            price: minutes(5),
            stock: HumanDuration::from_secs(30),
            credit: minutes(1),
            account: minutes(5),
        }
    }
}

/// What is taken while the ERP does not answer: orders within these bounds, provisionally. They are read again before
/// they are created in the ERP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutagePolicy {
    /// Whether orders are taken at all.
    pub enabled: bool,
    /// The highest value of one order, in its currency.
    #[serde(with = "decimal")]
    pub max_order_value: Decimal,
    /// The highest value of all such orders of one account that the ERP does not have yet, in its currency.
    #[serde(with = "decimal")]
    pub max_account_value: Decimal,
    /// The largest quantity of one item in all such orders that the ERP does not have yet, in its base unit.
    #[serde(with = "decimal")]
    pub max_item_quantity: Decimal,
    /// The oldest facts that such an order may stand on.
    pub oldest: OutageAges,
}

impl Default for OutagePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            max_order_value: Decimal::from(10_000),
            max_account_value: Decimal::from(25_000),
            max_item_quantity: Decimal::from(1_000),
            oldest: OutageAges::default(),
        }
    }
}

/// The oldest facts that an order may stand on while the ERP does not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutageAges {
    /// Price records.
    pub price: HumanDuration,
    /// Stock.
    pub stock: HumanDuration,
    /// Credit.
    pub credit: HumanDuration,
}

impl Default for OutageAges {
    fn default() -> Self {
        Self {
            price: minutes(4 * 60),
            stock: minutes(60),
            credit: minutes(60),
        }
    }
}

const fn minutes(minutes: u64) -> HumanDuration {
    HumanDuration::from_secs(minutes * 60)
}

impl Policies {
    /// Reads `policies/default.toml` below the configuration directory; without a directory the defaults hold.
    pub fn load(config_dir: Option<&Path>) -> Result<Self, ConfigError> {
        let dir = config_dir.map(|dir| dir.join("policies"));
        config::load("default", dir.as_deref(), &Environment::default())
    }

    /// The calendar of a site.
    pub fn site(&self, site: &SiteId) -> &SitePolicy {
        self.sites.get(site.as_str()).unwrap_or(&self.default_site)
    }
}

impl Validate for Policies {
    fn validate(&self, faults: &mut Faults) {
        faults.within("basket", &self.basket);
        faults.within("price", &self.price);
        faults.within("promise", &self.promise);
        faults.within("default_site", &self.default_site);
        for (name, site) in &self.sites {
            faults.check(
                SiteId::new(name).is_ok(),
                "sites",
                format!("`{name}` is no site; give its number"),
            );
            faults.within(&format!("sites.{name}"), site);
        }
        faults.within("quote", &self.quote);
        faults.within("reservation", &self.reservation);
        faults.within("outage", &self.outage);
        promotion::validate(&self.promotions, faults);
        let mut names = HashSet::new();
        for (index, rule) in self.approval.iter().enumerate() {
            faults.within(&format!("approval.{index}"), rule);
            faults.check(
                names.insert(&rule.name),
                &format!("approval.{index}.name"),
                "another rule has this name: nobody could tell which of them holds an order",
            );
        }
    }
}

impl Validate for BasketPolicy {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (1..=5_000).contains(&self.max_lines),
            "max_lines",
            "give 1 to 5000",
        );
        let quantity =
            self.max_quantity > Decimal::ZERO && self.max_quantity <= Decimal::from(999_999_999);
        faults.check(
            quantity,
            "max_quantity",
            "give more than 0 and at most 999999999",
        );
    }
}

impl Validate for PricePolicy {
    fn validate(&self, faults: &mut Faults) {
        let percent = (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&self.tolerance_percent);
        faults.check(percent, "tolerance_percent", "give 0 to 100");
        faults.check(
            self.tolerance_amount >= Decimal::ZERO,
            "tolerance_amount",
            "give 0 or more",
        );
    }
}

impl Validate for PromisePolicy {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (1..=400).contains(&self.horizon_days),
            "horizon_days",
            "give 1 to 400",
        );
    }
}

impl Validate for SitePolicy {
    fn validate(&self, faults: &mut Faults) {
        let known = TimeZone::get(&self.time_zone).is_ok();
        faults.check(
            known,
            "time_zone",
            format!("`{}` is no IANA time zone known here", self.time_zone),
        );
        faults.check(
            !self.working_days.is_empty(),
            "working_days",
            "name at least one day",
        );
        faults.check(self.pick_pack_days <= 30, "pick_pack_days", "give 0 to 30");
        faults.check(self.transit_days <= 60, "transit_days", "give 0 to 60");
        for (to, days) in &self.transit_days_to {
            faults.check(
                *days <= 60,
                "transit_days_to",
                format!("`{to}`: give 0 to 60"),
            );
        }
    }
}

impl Validate for QuotePolicy {
    fn validate(&self, faults: &mut Faults) {
        let lifetime = self.lifetime >= minutes(1) && self.lifetime <= self.max_lifetime;
        faults.check(
            lifetime,
            "lifetime",
            "give at least 1m and no more than max_lifetime",
        );
        faults.check(
            self.max_lifetime <= minutes(366 * 24 * 60),
            "max_lifetime",
            "give at most 366d",
        );
    }
}

impl Validate for ReservationPolicy {
    fn validate(&self, faults: &mut Faults) {
        let order =
            self.lifetime >= HumanDuration::from_secs(1) && self.lifetime <= self.max_lifetime;
        faults.check(
            order,
            "lifetime",
            "give at least 1s and no more than max_lifetime",
        );
        faults.check(
            self.max_lifetime <= minutes(30 * 24 * 60),
            "max_lifetime",
            "give at most 30d",
        );
        faults.check(
            self.max_per_account > 0,
            "max_per_account",
            "give at least 1",
        );
        faults.check(
            self.max_units_per_item > Decimal::ZERO,
            "max_units_per_item",
            "give more than 0",
        );
    }
}

impl Validate for OutagePolicy {
    fn validate(&self, faults: &mut Faults) {
        let bounds = [
            ("max_order_value", self.max_order_value),
            ("max_account_value", self.max_account_value),
            ("max_item_quantity", self.max_item_quantity),
        ];
        for (name, bound) in bounds {
            faults.check(
                bound > Decimal::ZERO,
                name,
                "give more than 0; `enabled = false` takes no orders",
            );
        }
        faults.check(
            self.max_order_value <= self.max_account_value,
            "max_order_value",
            "give no more than max_account_value",
        );
        let ages = [self.oldest.price, self.oldest.stock, self.oldest.credit];
        faults.check(
            ages.iter().all(|age| *age <= minutes(7 * 24 * 60)),
            "oldest",
            "give at most 7d",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
    }

    #[test]
    fn the_shipped_file_is_sound_and_names_the_sites_of_the_sandbox() {
        let policies = Policies::load(Some(&shipped())).unwrap();
        assert!(policies.sites.contains_key("EAST") && policies.sites.contains_key("WEST"));
    }

    #[test]
    fn a_rule_of_approval_that_would_hold_every_order_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        let file = dir.path().join("policies/default.toml");
        let write = |rule: &str| std::fs::write(&file, format!("[[approval]]\n{rule}")).unwrap();
        write("name = \"all\"");
        let faults = Policies::load(Some(dir.path())).unwrap_err().to_string();
        assert!(faults.contains("every order would wait"), "{faults}");
        write("name = \"none\"\nfrom_value = { amount = \"0.00\", currency = \"USD\" }");
        let faults = Policies::load(Some(dir.path())).unwrap_err().to_string();
        assert!(faults.contains("above zero"), "{faults}");
        let large = "name = \"large\"\nfrom_value = { amount = \"20000\", currency = \"USD\" }";
        write(large);
        let policies = Policies::load(Some(dir.path())).unwrap();
        assert_eq!(policies.approval.len(), 1);
        write(&format!("{large}\n[[approval]]\n{large}"));
        let faults = Policies::load(Some(dir.path())).unwrap_err().to_string();
        assert!(faults.contains("approval.1.name"), "{faults}");
    }

    #[test]
    fn unknown_keys_are_refused_and_all_faults_are_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        let file = dir.path().join("policies/default.toml");
        std::fs::write(&file, "[promise]\nhorizont_days = 3\n").unwrap();
        assert!(
            Policies::load(Some(dir.path()))
                .unwrap_err()
                .to_string()
                .contains("horizont_days")
        );

        std::fs::write(
            &file,
            "[promise]\nhorizon_days = 0\n[sites.EAST]\ntime_zone = \"Mars/Base\"\n",
        )
        .unwrap();
        let text = Policies::load(Some(dir.path())).unwrap_err().to_string();
        assert!(
            text.contains("promise.horizon_days") && text.contains("sites.EAST.time_zone"),
            "{text}"
        );
    }
}
