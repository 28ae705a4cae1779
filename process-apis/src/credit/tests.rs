//! DOMAIN 5.10, the third vector: a credit parent under two instances, over engine and store together.

use canonical_model::{
    basket::{BasketRequest, Verdict},
    order::LinePolicy,
};
use jiff::SignedDuration;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use crate::{
    baskets::{
        Assessment,
        assess::assess,
        facts::{Purpose, gather},
        testing::{Seller, basket, call_for, credit, line, noon},
    },
    store::{Commit, CreditClaim, CreditMovement, Owner, StoreError, StreamKind},
};

async fn assessed(seller: &Seller, request: &BasketRequest) -> Assessment {
    let facts = gather(
        &seller.sources,
        &call_for(&["A", "B"]),
        request,
        Purpose::Order,
    )
    .await
    .unwrap();
    assess(
        request,
        LinePolicy::AllOrNothing,
        &facts,
        seller.sources.clock.now(),
    )
}

fn claim(assessment: &Assessment, owner: Owner) -> Commit {
    let claim = CreditClaim {
        levels: assessment.credit_levels.clone(),
        owner,
        amount: assessment.total.amount,
        limit_is_exclusive: false,
        forced: false,
    };
    Commit {
        credit: vec![CreditMovement::Claim(claim)],
        ..Commit::default()
    }
}

async fn available(seller: &Seller) -> Decimal {
    let request = basket("B", vec![line("SKU-2", dec!(1))]);
    let position = assessed(seller, &request).await.credit.unwrap();
    assert_eq!(position.account.as_str(), "P");
    position.available.unwrap().amount
}

#[tokio::test]
async fn two_orders_at_once_never_take_more_than_the_parent_has() {
    let seller = Seller::open();
    let of_a = basket("A", vec![line("SKU-2", dec!(6))]);
    let of_b = basket("B", vec![line("SKU-2", dec!(5))]);
    let (first, second) = tokio::join!(assessed(&seller, &of_a), assessed(&seller, &of_b));
    assert_eq!(
        (first.verdict, second.verdict),
        (Verdict::Accept, Verdict::Accept)
    );

    let owner = || Owner {
        kind: StreamKind::Order,
        id: Uuid::now_v7(),
    };
    let (a, b) = (owner(), owner());
    let store = &seller.sources.store;
    let (taken, refused) = tokio::join!(
        store.commit(claim(&first, a)),
        store.commit(claim(&second, b))
    );
    taken.unwrap();
    let Err(StoreError::CreditShort(short)) = refused else {
        panic!("both were taken")
    };
    assert_eq!(short.account.as_str(), "P");

    // Decided again, with the position as it is now.
    let again = assessed(&seller, &of_b).await;
    assert_eq!(again.verdict, Verdict::Hold);
    assert!(
        again.holds[0].detail.contains("credit of P leaves 4000"),
        "{:?}",
        again.holds
    );
    assert_eq!(available(&seller).await, dec!(4000));

    // The ERP confirms, and a fact that is newer than that and its lag counts the order itself.
    let confirmed = noon() + SignedDuration::from_secs(10);
    let confirm = CreditMovement::Confirm {
        owner: a,
        at: confirmed,
    };
    store
        .commit(Commit {
            credit: vec![confirm],
            ..Commit::default()
        })
        .await
        .unwrap();
    let seen = confirmed + SignedDuration::from_secs(3);
    seller.clock.set(seen);
    for fact in &mut seller.system.world().credit {
        let open = if fact.account.as_str() == "B" {
            dec!(0)
        } else {
            dec!(6000)
        };
        *fact = credit(fact.account.as_str(), fact.limit, open, seen);
    }
    assert_eq!(available(&seller).await, dec!(4000));
}
