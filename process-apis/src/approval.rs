//! Which orders a person approves before the ERP gets them: rules that are data (`[[approval]]` in config/policies). Pure.

use canonical_model::{
    AccountId, ItemNumber, Money,
    account::{Account, ShipTo},
    decision::{DecisionStep, RejectedAlternative},
    order::{HoldKind, HoldReason},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_runtime::config::{Faults, Validate};

/// The scope that approves.
const RELEASED_BY: &str = "holds:release";

/// A rule: an order that meets all of its conditions waits. A condition that is left out is met by every order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// What operators and decision records call it.
    pub name: String,
    /// Orders of these accounts, and of those below them.
    #[serde(default)]
    pub accounts: Vec<AccountId>,
    /// Orders that hold any of these items.
    #[serde(default)]
    pub items: Vec<ItemNumber>,
    /// Orders that go to these countries: ISO 3166-1 alpha-2.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Orders of this net value and more; one in another currency is not meant.
    #[serde(default)]
    pub from_value: Option<Money>,
}

impl Validate for ApprovalRule {
    fn validate(&self, faults: &mut Faults) {
        let named = (1..=60).contains(&self.name.chars().count());
        faults.check(named, "name", "give 1 to 60 characters");
        faults.check(
            !self.accounts.is_empty()
                || !self.items.is_empty()
                || !self.countries.is_empty()
                || self.from_value.is_some(),
            "accounts",
            "name at least one of accounts, items, countries and from_value: else every order would wait",
        );
        faults.check(
            self.from_value
                .as_ref()
                .is_none_or(|from| from.amount > Decimal::ZERO),
            "from_value.amount",
            "give an amount above zero: else every order would wait",
        );
        let code = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        faults.check(
            self.countries.iter().all(code),
            "countries",
            "give two capital letters each, such as US",
        );
    }
}

/// An order as the rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who orders.
    pub account: &'a Account,
    /// Where it goes; absent where that is refused anyway.
    pub ship_to: Option<&'a ShipTo>,
    /// What is taken of it.
    pub items: &'a [&'a ItemNumber],
    /// Its net value.
    pub total: &'a Money,
}

/// A hold for each rule that fits, and why each other one does not; no step where there is no rule.
pub fn check(rules: &[ApprovalRule], asked: Asked<'_>) -> (Vec<HoldReason>, Option<DecisionStep>) {
    let (mut holds, mut rejected) = (Vec::new(), Vec::new());
    for rule in rules {
        match misses(rule, asked) {
            None => holds.push(HoldReason {
                kind: HoldKind::Review,
                detail: format!(
                    "The rule \"{}\" has a person approve this order: look at it, then release the hold or cancel the order.",
                    rule.name
                ),
                released_by: RELEASED_BY.to_owned(),
                line: None,
            }),
            Some(reason) => rejected.push(RejectedAlternative {
                alternative: rule.name.clone(),
                reason: reason.to_owned(),
            }),
        }
    }
    let step = (!rules.is_empty()).then(|| DecisionStep {
        about: "approval".to_owned(),
        line: None,
        rule: "every rule of the policy whose conditions are all met".to_owned(),
        chosen: if holds.is_empty() { "pass" } else { "hold" }.to_owned(),
        rejected,
    });
    (holds, step)
}

/// The condition that an order does not meet.
fn misses(rule: &ApprovalRule, asked: Asked<'_>) -> Option<&'static str> {
    let of_account = |account: &AccountId| {
        asked.account.account == *account || asked.account.ancestors.contains(account)
    };
    let goes_to = |country: &String| {
        asked
            .ship_to
            .is_some_and(|place| place.address.country == *country)
    };
    let reaches =
        |from: &Money| from.currency == asked.total.currency && asked.total.amount >= from.amount;
    if !rule.accounts.is_empty() && !rule.accounts.iter().any(of_account) {
        Some("it is for other accounts")
    } else if !rule.items.is_empty() && !rule.items.iter().any(|item| asked.items.contains(&item)) {
        Some("it is for other items")
    } else if !rule.countries.is_empty() && !rule.countries.iter().any(goes_to) {
        Some("it is for other countries")
    } else if rule.from_value.as_ref().is_some_and(|from| !reaches(from)) {
        Some("the value is less, or in another currency")
    } else {
        None
    }
}
