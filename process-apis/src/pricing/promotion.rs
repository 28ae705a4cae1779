//! Promotions as policies state them: what each takes off, of which items, for whom and when.
//!
//! A promotion is laid on a price of the system of record, which has the last word: `resolve::promote` takes nothing off
//! a price whose record does not allow it, and goes below no floor. Channels make no difference: one price whatever the
//! way in.

use std::collections::BTreeSet;

use canonical_model::{
    AccountId, ItemNumber, PromotionId, UnitPrice, account::Account, decimal, product::Product,
};
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_runtime::config::{Faults, Validate};

/// Promotions that a deployment may have: every price is tried with each.
const MOST: usize = 200;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 100;

/// A promotion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Its name in decision records and beside prices.
    pub id: PromotionId,
    /// What buyers read.
    pub description: String,
    /// Its first day.
    pub valid_from: Date,
    /// The day after its last.
    pub valid_to: Date,
    /// What it takes off a price.
    pub off: Off,
    /// Of these items; with `unspsc` empty too, of all.
    #[serde(default)]
    pub items: Vec<ItemNumber>,
    /// Of items of these UNSPSC classes: 8 digits, or fewer for all that begin so (4 are a family).
    #[serde(default)]
    pub unspsc: Vec<String>,
    /// For these accounts and those below them; with `price_groups` empty too, for all.
    #[serde(default)]
    pub accounts: Vec<AccountId>,
    /// For accounts of these price groups of the ERP.
    #[serde(default)]
    pub price_groups: Vec<String>,
}

/// What a promotion takes off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Off {
    /// So many percent of the price.
    Percent(#[serde(with = "decimal")] Decimal),
    /// So much of what one unit costs.
    Amount(UnitPrice),
}

impl Promotion {
    /// Whether it may ever apply to this item for this account.
    pub fn is_for(&self, account: &Account, product: &Product) -> bool {
        self.is_for_account(account) && self.is_for_product(product)
    }

    /// Whether it may ever apply for this account.
    pub fn is_for_account(&self, account: &Account) -> bool {
        let mut line = std::iter::once(&account.account).chain(&account.ancestors);
        (self.accounts.is_empty() && self.price_groups.is_empty())
            || line.any(|level| self.accounts.contains(level))
            || account
                .price_group
                .as_ref()
                .is_some_and(|group| self.price_groups.contains(group))
    }

    /// Whether it may ever apply to this item.
    pub fn is_for_product(&self, product: &Product) -> bool {
        let of_class = |class: &String| self.unspsc.iter().any(|begin| class.starts_with(begin));
        (self.items.is_empty() && self.unspsc.is_empty())
            || self.items.contains(&product.item)
            || product.unspsc.as_ref().is_some_and(of_class)
    }
}

impl Validate for Promotion {
    fn validate(&self, faults: &mut Faults) {
        let length = self.description.chars().count();
        faults.check(
            (1..=LONGEST_DESCRIPTION).contains(&length),
            "description",
            format!("give 1 to {LONGEST_DESCRIPTION} characters for buyers to read"),
        );
        faults.check(
            self.valid_from < self.valid_to,
            "valid_to",
            "give the day after the last, later than valid_from",
        );
        match &self.off {
            Off::Percent(percent) => faults.check(
                *percent > Decimal::ZERO && *percent < Decimal::ONE_HUNDRED,
                "off.percent",
                "give more than 0 and less than 100",
            ),
            Off::Amount(price) => faults.check(
                price.amount > Decimal::ZERO,
                "off.amount.amount",
                "give more than 0",
            ),
        }
        let is_class = |class: &String| {
            matches!(class.len(), 2 | 4 | 6 | 8) && class.bytes().all(|byte| byte.is_ascii_digit())
        };
        faults.check(
            self.unspsc.iter().all(is_class),
            "unspsc",
            "give 2, 4, 6 or 8 digits each",
        );
    }
}

/// Looks at the promotions of a deployment together, and at each.
pub fn validate(promotions: &[Promotion], faults: &mut Faults) {
    faults.check(
        promotions.len() <= MOST,
        "promotions",
        format!("give at most {MOST}; take out those that are over"),
    );
    let mut seen = BTreeSet::new();
    for promotion in promotions {
        faults.check(
            seen.insert(&promotion.id),
            "promotions",
            format!("`{}` is there twice; name each once", promotion.id),
        );
        faults.within(&format!("promotions.{}", promotion.id), promotion);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::policy::Policies;

    fn load(text: &str) -> Result<Policies, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        std::fs::write(dir.path().join("policies/default.toml"), text).unwrap();
        Policies::load(Some(dir.path())).map_err(|error| error.to_string())
    }

    /// The example that stands in the shipped file as a comment.
    fn example() -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/policies/default.toml");
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text
            .lines()
            .skip_while(|line| *line != "# [[promotions]]")
            .map(|line| line.strip_prefix("# ").unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_of_the_shipped_file_is_sound() {
        let policies = load(&example()).unwrap_or_else(|error| panic!("{error}\n{}", example()));
        let promotion = &policies.promotions[0];
        assert_eq!((promotion.items.len(), promotion.unspsc.len()), (1, 2));
        let amount = r#"off = { amount = { amount = "0.50", currency = "USD", unit = "EA" } }"#;
        let other = example().replace(r#"off = { percent = "10" }"#, amount);
        assert!(load(&other).unwrap().promotions[0].off != promotion.off);
    }

    #[test]
    fn what_makes_no_sense_is_told_all_at_once_with_the_promotion_s_name() {
        let wrong = example()
            .replace("2026-12-21", "2026-09-21")
            .replace(r#""10""#, r#""100""#)
            .replace(r#""3117""#, r#""31171""#);
        let text = load(&format!("{wrong}\n{wrong}")).unwrap_err();
        for key in ["valid_to", "off.percent", "unspsc"] {
            assert!(
                text.contains(&format!("promotions.AUTUMN-26.{key}")),
                "{text}"
            );
        }
        assert!(text.contains("is there twice"), "{text}");
        let misspelt = load(&example().replace("price_groups", "price_group")).unwrap_err();
        assert!(misspelt.contains("price_group"), "{misspelt}");
    }
}
