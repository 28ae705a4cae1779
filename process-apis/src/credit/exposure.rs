//! The credit check: exposure, our own claims and this order against the limit, at the account and at every account
//! above it that has one. Pure.

use canonical_model::{
    Money,
    credit::CreditPosition,
    decision::{DecisionStep, RejectedAlternative},
    order::{HoldKind, HoldReason},
};
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::{
    policy::{CreditPolicy, UnknownCredit},
    store::{CreditKey, CreditLevel},
};

/// The scope that releases a credit hold.
pub const RELEASED_BY: &str = "holds:release:credit";

/// What a check is made with.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// The account and all above it, nearest first.
    pub chain: &'a [CreditKey],
    /// What is known of them.
    pub levels: &'a [CreditLevel],
    /// The order, in the account's currency: its lines. What the ERP adds (freight, tax) is known once it has the order, and
    /// counts from when its own figures have it; docs/pricing.md says what follows.
    pub amount: Money,
    /// Facts older than this are not believed.
    pub oldest: Timestamp,
    /// The rules.
    pub policy: &'a CreditPolicy,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Why the order is to be held; None = it passes.
    pub hold: Option<HoldReason>,
    /// Whether it passes though a level is not known, as the policy allows.
    pub unknown: bool,
    /// Why so.
    pub step: DecisionStep,
}

/// What one level says.
enum Said {
    Passes(String),
    Blocked(String),
    Exceeded(String),
    Unknown(String),
}

/// Checks every level; a stop or an excess anywhere holds the order.
pub fn check(check: &Check<'_>) -> Checked {
    let said: Vec<Said> = check.chain.iter().map(|key| ask(check, key)).collect();
    let decisive = said.iter().find(|said| matches!(said, Said::Blocked(_)));
    let decisive = decisive.or_else(|| said.iter().find(|said| matches!(said, Said::Exceeded(_))));
    let unknown = || said.iter().find(|said| matches!(said, Said::Unknown(_)));
    let decisive = decisive.or_else(|| match check.policy.when_unknown {
        UnknownCredit::Hold => unknown(),
        UnknownCredit::Take => None,
    });
    let unknown = decisive.is_none() && unknown().is_some();
    let rule = match (decisive, check.policy.limit_is_exclusive) {
        (None, _) if unknown => "credit is not known, and the policy takes such orders",
        (None, false) => "exposure, claims and order at most the limit, at every level",
        (None, true) => "exposure, claims and order below the limit, at every level",
        (Some(Said::Blocked(_)), _) => "the credit department stopped the account",
        (Some(Said::Exceeded(_)), _) => "the limit does not cover it",
        (Some(Said::Unknown(_) | Said::Passes(_)), _) => "credit is not known",
    };
    let sentence = |said: &Said| match said {
        Said::Passes(text) | Said::Blocked(text) | Said::Exceeded(text) | Said::Unknown(text) => {
            text.clone()
        }
    };
    let hold = decisive.map(|said| HoldReason {
        kind: HoldKind::Credit,
        detail: sentence(said),
        released_by: RELEASED_BY.to_owned(),
        line: None,
    });
    let step = DecisionStep {
        about: "credit".to_owned(),
        line: None,
        rule: rule.to_owned(),
        chosen: if hold.is_some() { "hold" } else { "pass" }.to_owned(),
        rejected: said
            .iter()
            .zip(check.chain)
            .map(|(said, key)| RejectedAlternative {
                alternative: key.account.to_string(),
                reason: sentence(said),
            })
            .collect(),
    };
    Checked {
        hold,
        unknown,
        step,
    }
}

fn ask(check: &Check<'_>, key: &CreditKey) -> Said {
    let account = &key.account;
    let order = format!("{} {}", check.amount.amount, check.amount.currency.code());
    let look =
        "check the account in the system of record, then release the hold or cancel the order";
    let Some(level) = check.levels.iter().find(|level| level.key == *key) else {
        return Said::Unknown(format!("The credit of {account} is not known now: {look}."));
    };
    if level.as_of < check.oldest {
        return Said::Unknown(format!(
            "The credit of {account} was last read at {}: {look}.",
            level.as_of
        ));
    }
    if level.blocked {
        return Said::Blocked(format!(
            "The credit department stopped {account}: settle it with them, then release the hold or cancel the order."
        ));
    }
    let Some(limit) = level.limit else {
        return Said::Passes("no limit is set at this level".to_owned());
    };
    if level.currency != check.amount.currency {
        let currency = level.currency.code();
        return Said::Unknown(format!(
            "The limit of {account} is in {currency} and the order is for {order}: {look}."
        ));
    }
    let used = level.exposure.saturating_add(level.claimed);
    let left = limit.saturating_sub(used);
    let exceeded = if check.policy.limit_is_exclusive {
        check.amount.amount >= left
    } else {
        check.amount.amount > left
    };
    let currency = level.currency.code();
    if exceeded {
        return Said::Exceeded(format!(
            "The order is for {order} and the credit of {account} leaves {left} {currency}: raise the limit, take a \
             payment, or release the hold."
        ));
    }
    Said::Passes(format!(
        "of {limit} {currency}, {used} are used and {left} left"
    ))
}

/// The position that rules: of those with a limit the one with the least available, else the account's own.
pub fn ruling(chain: &[CreditKey], levels: &[CreditLevel]) -> Option<CreditPosition> {
    let known = || {
        chain
            .iter()
            .filter_map(|key| levels.iter().find(|level| level.key == *key))
    };
    let available = |level: &CreditLevel| {
        let used = level.exposure.saturating_add(level.claimed);
        level.limit.map(|limit| limit.saturating_sub(used))
    };
    let limited = known().filter(|level| level.limit.is_some());
    // A stopped level rules whatever its limit; the first of equals is the nearest.
    let level = limited
        .min_by_key(|level| (!level.blocked, available(level)))
        .or_else(|| known().next())?;
    let money = |amount: Decimal| Money::new(amount, level.currency);
    Some(CreditPosition {
        account: level.key.account.clone(),
        limit: level.limit.map(money),
        used: money(level.exposure.saturating_add(level.claimed)),
        available: available(level).map(money),
        blocked: known().any(|level| level.blocked),
        as_of: known()
            .map(|level| level.as_of)
            .min()
            .unwrap_or(level.as_of),
        degraded: false,
    })
}

#[cfg(test)]
mod tests {
    use canonical_model::{AccountId, CompanyId, Currency};
    use jiff::SignedDuration;
    use rstest::rstest;
    use rust_decimal::dec;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn key(account: &str) -> CreditKey {
        CreditKey {
            company: CompanyId::new("NWI").unwrap(),
            account: AccountId::new(account).unwrap(),
        }
    }

    fn level(
        account: &str,
        limit: Option<Decimal>,
        exposure: Decimal,
        claimed: Decimal,
    ) -> CreditLevel {
        CreditLevel {
            key: key(account),
            as_of: now(),
            currency: Currency::USD,
            limit,
            exposure,
            claimed,
            blocked: false,
        }
    }

    fn run(levels: &[CreditLevel], amount: Decimal, policy: &CreditPolicy) -> Checked {
        let chain: Vec<CreditKey> = ["A", "P"].map(key).to_vec();
        check(&Check {
            chain: &chain,
            levels,
            amount: Money::new(amount, Currency::USD),
            oldest: now() - SignedDuration::from_mins(15),
            policy,
        })
    }

    fn parent() -> CreditLevel {
        level("P", None, dec!(0), dec!(0))
    }

    // DOMAIN 5.3: 10,000 against 4,000 + 1,500 + 0 + 3,800 - 500 = 8,800.
    #[rstest]
    #[case(dec!(1200), false, true)]
    #[case(dec!(1200), true, false)]
    #[case(dec!(1200.01), false, false)]
    #[case(dec!(1200.01), true, false)]
    fn the_limit_holds_as_the_policy_reads_it(
        #[case] order: Decimal,
        #[case] exclusive: bool,
        #[case] passes: bool,
    ) {
        let policy = CreditPolicy {
            limit_is_exclusive: exclusive,
            ..CreditPolicy::default()
        };
        let account = level("A", Some(dec!(10000)), dec!(8800), dec!(0));
        assert_eq!(
            run(&[account, parent()], order, &policy).hold.is_none(),
            passes
        );
    }

    #[test]
    fn our_own_claims_count_until_the_source_counts_them() {
        let account = level("A", Some(dec!(10000)), dec!(8000), dec!(1500));
        let checked = run(&[account, parent()], dec!(501), &CreditPolicy::default());
        assert!(checked.hold.unwrap().detail.contains("leaves 500 USD"));
    }

    #[test]
    fn every_level_with_a_limit_must_cover_it_and_the_least_rules() {
        let levels = [
            level("A", Some(dec!(8000)), dec!(0), dec!(0)),
            level("P", Some(dec!(10000)), dec!(6000), dec!(0)),
        ];
        let checked = run(&levels, dec!(5000), &CreditPolicy::default());
        assert!(
            checked
                .hold
                .unwrap()
                .detail
                .contains("credit of P leaves 4000 USD")
        );
        let position = ruling(&[key("A"), key("P")], &levels).unwrap();
        assert_eq!(
            (
                position.account.as_str(),
                position.available.unwrap().amount
            ),
            ("P", dec!(4000))
        );
    }

    #[test]
    fn a_stopped_account_is_held_whatever_its_limit() {
        let stopped = CreditLevel {
            blocked: true,
            ..parent()
        };
        let account = level("A", Some(dec!(10000)), dec!(0), dec!(0));
        let checked = run(&[account, stopped], dec!(1), &CreditPolicy::default());
        assert!(checked.hold.unwrap().detail.contains("stopped P"));
    }

    #[test]
    fn unknown_and_stale_credit_is_never_taken_for_approved() {
        let account = level("A", Some(dec!(10000)), dec!(0), dec!(0));
        let stale = CreditLevel {
            as_of: now() - SignedDuration::from_mins(16),
            ..account.clone()
        };
        let foreign = CreditLevel {
            currency: Currency::EUR,
            ..account.clone()
        };
        for levels in [
            vec![account.clone()],
            vec![stale, parent()],
            vec![foreign, parent()],
            vec![],
        ] {
            assert!(
                run(&levels, dec!(1), &CreditPolicy::default())
                    .hold
                    .is_some()
            );
            let take = CreditPolicy {
                when_unknown: UnknownCredit::Take,
                ..CreditPolicy::default()
            };
            assert!(run(&levels, dec!(1), &take).hold.is_none());
        }
        let take = CreditPolicy {
            when_unknown: UnknownCredit::Take,
            ..CreditPolicy::default()
        };
        assert!(run(&[account], dec!(10001), &take).hold.is_some());
    }

    #[test]
    fn without_any_limit_the_account_s_own_position_is_shown() {
        let position = ruling(
            &[key("A"), key("P")],
            &[level("A", None, dec!(70), dec!(5)), parent()],
        )
        .unwrap();
        assert_eq!(
            (
                position.account.as_str(),
                position.used.amount,
                position.available
            ),
            ("A", dec!(75), None)
        );
    }
}
