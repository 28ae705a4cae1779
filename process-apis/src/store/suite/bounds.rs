//! The sums that bound what is taken while a backend cannot be asked: never passed, given back whole, and one with the
//! rest of their commit.

use canonical_model::CompanyId;
use rust_decimal::{Decimal, dec};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    super::{
        BoundClaim, BoundFilter, BoundKey, BoundMovement, BoundSum, Commit, StoreError, StreamKind,
    },
    Shared, company, empty, order, owner,
};

fn key(bound: &str) -> BoundKey {
    BoundKey {
        company: company(),
        bound: bound.to_owned(),
    }
}

fn claim(number: u128, bound: &str, amount: Decimal, limit: Decimal) -> BoundMovement {
    BoundMovement::Claim(BoundClaim {
        key: key(bound),
        owner: owner(number),
        amount,
        limit,
    })
}

fn moving(bounds: Vec<BoundMovement>) -> Commit {
    Commit { bounds, ..empty(0) }
}

async fn sums(store: &Shared) -> Vec<(String, Decimal)> {
    let filter = BoundFilter {
        limit: 100,
        ..BoundFilter::default()
    };
    let found = store.bounds(&company(), filter).await.unwrap();
    found
        .into_iter()
        .map(|BoundSum { key, claimed }| (key.bound, claimed.normalize()))
        .collect()
}

pub(in super::super) async fn concurrent_claims_never_pass_a_bound(store: Shared) {
    let mut claims = JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        // Two sums a claim, named in either order: what is locked is locked in one order.
        let mut bounds = vec![
            claim(number, "value/A-1", dec!(10.50), dec!(105)),
            claim(number, "quantity/SKU-0001", dec!(1), dec!(1000)),
        ];
        if number % 2 == 1 {
            bounds.reverse();
        }
        claims.spawn(async move {
            match store.commit(moving(bounds)).await {
                Ok(_) => true,
                Err(StoreError::BoundReached(reached)) => {
                    assert_eq!(reached, key("value/A-1"));
                    false
                }
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    let taken = claims.join_all().await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 10);
    let left = [
        ("quantity/SKU-0001".to_owned(), dec!(10)),
        ("value/A-1".to_owned(), dec!(105)),
    ];
    assert_eq!(sums(&store).await, left);
}

pub(in super::super) async fn what_an_owner_took_is_given_back_once(store: Shared) {
    let taken = vec![
        claim(1, "value/A-1", dec!(40), dec!(100)),
        claim(1, "quantity/SKU-0001", dec!(3), dec!(10)),
        claim(1, "quantity/SKU-0001", dec!(2), dec!(10)),
        claim(2, "value/A-1", dec!(60), dec!(100)),
    ];
    store.commit(moving(taken)).await.unwrap();
    let more = || moving(vec![claim(3, "value/A-1", dec!(0.01), dec!(100))]);
    assert!(matches!(
        store.commit(more()).await,
        Err(StoreError::BoundReached(_))
    ));
    let given_back = || moving(vec![BoundMovement::Release { owner: owner(1) }]);
    store.commit(given_back()).await.unwrap();
    store.commit(given_back()).await.unwrap();
    assert_eq!(sums(&store).await, [("value/A-1".to_owned(), dec!(60))]);
    store.commit(more()).await.unwrap();
    for number in [2, 3] {
        let owner = owner(number);
        let release = BoundMovement::Release { owner };
        store.commit(moving(vec![release])).await.unwrap();
    }
    assert_eq!(sums(&store).await, [], "nothing is taken any more");
}

pub(in super::super) async fn a_reached_bound_leaves_nothing_of_the_commit(store: Shared) {
    let id = Uuid::from_u128(7);
    let too_much = || Commit {
        bounds: vec![
            claim(7, "value/A-1", dec!(5), dec!(100)),
            claim(7, "quantity/SKU-0001", dec!(11), dec!(10)),
        ],
        ..order(id, 0, "PO-7")
    };
    assert!(matches!(
        store.commit(too_much()).await,
        Err(StoreError::BoundReached(reached)) if reached == key("quantity/SKU-0001")
    ));
    assert_eq!(store.state(StreamKind::Order, id).await.unwrap(), None);
    assert_eq!(sums(&store).await, []);
    // Within one commit what is given back can be taken.
    let first = moving(vec![claim(1, "quantity/SKU-0001", dec!(10), dec!(10))]);
    store.commit(first).await.unwrap();
    let passed_on = moving(vec![
        BoundMovement::Release { owner: owner(1) },
        claim(7, "quantity/SKU-0001", dec!(10), dec!(10)),
    ]);
    store.commit(passed_on).await.unwrap();
}

pub(in super::super) async fn sums_are_of_one_company_and_by_name(store: Shared) {
    let mut bounds: Vec<BoundMovement> = ["b", "c", "a"]
        .map(|bound| claim(1, bound, dec!(1), dec!(1)))
        .to_vec();
    bounds.push(BoundMovement::Claim(BoundClaim {
        key: BoundKey {
            company: CompanyId::new("DE01").unwrap(),
            bound: "b".to_owned(),
        },
        owner: owner(2),
        amount: dec!(1),
        limit: dec!(1),
    }));
    store.commit(moving(bounds)).await.unwrap();
    let of = |bounds: Option<&[&str]>, after: Option<&str>, limit| BoundFilter {
        bounds: bounds.map(|bounds| bounds.iter().map(ToString::to_string).collect()),
        after: after.map(str::to_owned),
        limit,
    };
    let names = async |filter| {
        let found = store.bounds(&company(), filter).await.unwrap();
        found
            .into_iter()
            .map(|sum| sum.key.bound)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(of(None, None, 2)).await, ["a", "b"]);
    assert_eq!(names(of(None, Some("b"), 2)).await, ["c"]);
    assert_eq!(names(of(Some(&["c", "x"]), None, 9)).await, ["c"]);
    assert!(names(of(Some(&[]), None, 9)).await.is_empty());
}
