//! Two engines, one ledger: whatever sequence of movements and facts, both answer the same and end the same.

use canonical_model::{Currency, ItemNumber, SiteId};
use jiff::{SignedDuration, Span, civil::Date};
use proptest::{collection::vec, option, prelude::*};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    super::{
        Commit, CreditClaim, CreditKey, CreditLevelFact, CreditMovement, Owner, StockClaim,
        StockKey, StockMovement, StockSnapshot, StoreError, StreamKind,
    },
    Shared, account, at, cause,
};

/// What is done to both.
#[derive(Debug, Clone)]
pub(in super::super) enum Step {
    InstallStock(Vec<StockSnapshot>),
    InstallCredit(Vec<CreditLevelFact>),
    Move(Vec<StockMovement>, Vec<CreditMovement>),
}

fn day(number: i64) -> Date {
    jiff::civil::date(2026, 3, 2)
        .checked_add(Span::new().days(number))
        .unwrap()
}

/// Quantities and amounts: whole, of a fraction, none, and less than none.
fn decimal(from: i64, to: i64) -> impl Strategy<Value = Decimal> {
    (from * 10..to * 10, prop::bool::ANY).prop_map(|(tenths, whole)| {
        if whole {
            Decimal::from(tenths / 10)
        } else {
            Decimal::new(tenths, 1)
        }
    })
}

fn stock_key() -> impl Strategy<Value = StockKey> {
    prop::sample::select(vec![("SKU-1", "DC1"), ("SKU-1", "DC2"), ("SKU-2", "DC1")]).prop_map(
        |(item, site)| {
            let (item, site) = (ItemNumber::new(item), SiteId::new(site));
            StockKey::new(super::company(), item.unwrap(), site.unwrap())
        },
    )
}

fn credit_key() -> impl Strategy<Value = CreditKey> {
    prop::sample::select(vec!["A", "B", "P"]).prop_map(|number| CreditKey {
        company: super::company(),
        account: account(number),
    })
}

fn owner() -> impl Strategy<Value = Owner> {
    (0..3_u128, prop::bool::ANY).prop_map(|(number, is_order)| Owner {
        kind: if is_order {
            StreamKind::Order
        } else {
            StreamKind::Reservation
        },
        id: Uuid::from_u128(number),
    })
}

fn stock_fact() -> impl Strategy<Value = StockSnapshot> {
    (
        stock_key(),
        0..60_i64,
        0..4_i64,
        vec(decimal(-2, 20), 0..5),
        0..4_i64,
    )
        .prop_map(|(key, second, first, available, lag)| StockSnapshot {
            key,
            as_of: at(second),
            first_day: day(first),
            available: available.into_iter().collect(),
            lag: SignedDuration::from_secs(lag),
        })
}

fn credit_fact() -> impl Strategy<Value = CreditLevelFact> {
    (
        credit_key(),
        0..60_i64,
        option::of(decimal(0, 40)),
        decimal(-2, 20),
        prop::bool::weighted(0.1),
        0..4_i64,
    )
        .prop_map(
            |(key, second, limit, exposure, blocked, lag)| CreditLevelFact {
                key,
                as_of: at(second),
                currency: Currency::USD,
                limit,
                exposure,
                blocked,
                lag: SignedDuration::from_secs(lag),
            },
        )
}

fn stock_movement() -> impl Strategy<Value = StockMovement> {
    let claim = (stock_key(), owner(), 1..3_u32, -1..7_i64, decimal(-1, 8)).prop_map(
        |(key, owner, line, number, quantity)| {
            StockMovement::Claim(StockClaim {
                key,
                owner,
                line,
                day: day(number),
                quantity,
            })
        },
    );
    let release = (owner(), option::of(1..3_u32))
        .prop_map(|(owner, line)| StockMovement::Release { owner, line });
    let confirm = (owner(), 0..60_i64).prop_map(|(owner, second)| StockMovement::Confirm {
        owner,
        at: at(second),
    });
    prop_oneof![6 => claim, 1 => release, 1 => confirm]
}

fn credit_movement() -> impl Strategy<Value = CreditMovement> {
    let claim = (
        vec(credit_key(), 1..4),
        owner(),
        decimal(-1, 12),
        prop::bool::ANY,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(levels, owner, amount, limit_is_exclusive, forced)| {
            CreditMovement::Claim(CreditClaim {
                levels,
                owner,
                amount,
                limit_is_exclusive,
                forced,
            })
        });
    let release = owner().prop_map(|owner| CreditMovement::Release { owner });
    let confirm = (owner(), 0..60_i64).prop_map(|(owner, second)| CreditMovement::Confirm {
        owner,
        at: at(second),
    });
    prop_oneof![6 => claim, 1 => release, 1 => confirm]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => vec(stock_fact(), 1..4).prop_map(Step::InstallStock),
        2 => vec(credit_fact(), 1..4).prop_map(Step::InstallCredit),
        5 => (vec(stock_movement(), 0..4), vec(credit_movement(), 0..3))
            .prop_map(|(stock, credit)| Step::Move(stock, credit)),
    ]
}

/// A sequence of them.
pub(in super::super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..24)
}

/// Does a step, and says what came of it.
async fn apply(store: &Shared, step: Step) -> String {
    match step {
        Step::InstallStock(facts) => {
            let positions = store.install_stock(facts).await.unwrap();
            positions.iter().map(told_position).collect()
        }
        Step::InstallCredit(facts) => {
            let levels = store.install_credit(facts).await.unwrap();
            levels.into_iter().map(told_level).collect()
        }
        Step::Move(stock, credit) => {
            let moved = Commit {
                cause: Some(cause(0)),
                stock,
                credit,
                ..Commit::default()
            };
            match store.commit(moved).await {
                Ok(_) => "taken".to_owned(),
                Err(error @ (StoreError::StockShort(_) | StoreError::CreditShort(_))) => {
                    format!("{error:?}")
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// 1.50 and 1.5 are one number.
fn told_position(position: &super::super::StockPosition) -> String {
    let [available, claimed] = [&position.available, &position.claimed].map(|row| {
        let days = row.by_day();
        days.iter().map(Decimal::normalize).collect::<Vec<_>>()
    });
    let (key, as_of, first_day) = (&position.key, position.as_of, position.first_day);
    format!("{key:?} {as_of} {first_day} {available:?} {claimed:?}\n")
}

fn told_level(mut level: super::super::CreditLevel) -> String {
    for number in [&mut level.exposure, &mut level.claimed] {
        number.normalize_assign();
    }
    level.limit = level.limit.map(|limit| limit.normalize());
    format!("{level:?}\n")
}

/// Does the steps on both, and compares all that both then say.
pub(in super::super) async fn run(one: &Shared, other: &Shared, steps: Vec<Step>) {
    for (number, step) in steps.into_iter().enumerate() {
        let first = apply(one, step.clone()).await;
        let second = apply(other, step.clone()).await;
        assert_eq!(first, second, "step {number}: {step:?}");
        let (first, second) = (all(one, &[None]).await, all(other, &[None]).await);
        assert_eq!(first, second, "after step {number}: {step:?}");
    }
    let owners: Vec<Option<Owner>> = (0..3_u128)
        .flat_map(|number| {
            let id = Uuid::from_u128(number);
            [StreamKind::Order, StreamKind::Reservation].map(|kind| Some(Owner { kind, id }))
        })
        .collect();
    assert_eq!(all(one, &owners).await, all(other, &owners).await);
}

/// Every position, less what each of these holds, and every level.
async fn all(store: &Shared, owners: &[Option<Owner>]) -> String {
    let mut told = String::new();
    let keys: Vec<StockKey> = [
        ("SKU-2", "DC1"),
        ("SKU-1", "DC2"),
        ("SKU-1", "DC1"),
        ("SKU-9", "DC1"),
    ]
    .map(|(item, site)| {
        StockKey::new(
            super::company(),
            item.parse().unwrap(),
            site.parse().unwrap(),
        )
    })
    .to_vec();
    for except in owners {
        let positions = store.stock(&keys, *except).await.unwrap();
        told.extend(positions.iter().map(told_position));
        if let Some(own) = except {
            let at_best = store.stock_at_best(&keys, *own).await.unwrap();
            told.extend(at_best.iter().map(told_position));
        }
    }
    let levels = ["P", "unknown", "A", "B"].map(|number| CreditKey {
        company: super::company(),
        account: account(number),
    });
    told.extend(
        store
            .credit(&levels)
            .await
            .unwrap()
            .into_iter()
            .map(told_level),
    );
    told
}
