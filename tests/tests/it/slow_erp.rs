//! An ERP twenty times slower: what is known still answers, its budget is kept, and orders go first.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use sandbox::fault::{FaultPlan, Latency};
use tests::{Setup, World};

use crate::support::{expect, order, the_live_one};

fn slow(ms: u64) -> FaultPlan {
    FaultPlan {
        latency: Some(Latency::Fixed { ms }),
        ..FaultPlan::default()
    }
}

#[tokio::test]
async fn two_hundred_buyers_and_a_slow_erp_leave_its_budget_kept() -> anyhow::Result<()> {
    let mut setup = Setup::default();
    for limit in ["CREDENTIAL", "ACCOUNT"] {
        setup = setup
            .with(
                &format!("ORDERWAY_EXPERIENCE__LIMITS__{limit}__PER_SECOND"),
                "10000",
            )
            .with(
                &format!("ORDERWAY_EXPERIENCE__LIMITS__{limit}__BURST"),
                "10000",
            );
    }
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    world.estate.erp_proxy.set_plan(slow(10))?;
    let known: Vec<String> = (1..=5).map(|n| format!("/products/SKU-{n:04}")).collect();
    for path in &known {
        expect(&buyer.get(path).await?, 200);
    }

    world.estate.erp_proxy.set_plan(slow(200))?;
    let strange: Vec<String> = (0..200)
        .map(|n| format!("/products/SKU-{:04}", 6 + n % 190))
        .collect();
    let browsing = join_all(strange.iter().map(|path| buyer.get(path)));
    let reading = async {
        for _ in 0..20 {
            for answer in try_join_all(known.iter().map(|path| buyer.get(path))).await? {
                expect(&answer, 200);
                assert!(
                    !answer.at("/price/breaks/0/unit_price/amount").is_empty(),
                    "{}",
                    answer.text
                );
            }
        }
        anyhow::Ok(())
    };
    let ordering = async {
        let placed = buyer
            .post("/orders", "k", &order("PO-1", &[("SKU-0002", "24", "EA")]))
            .await?;
        expect(&placed, 202);
        the_live_one(&world, "PO-1").await
    };
    let (browsed, read, ordered) = tokio::join!(browsing, reading, ordering);
    read?;
    ordered?;
    for answer in browsed {
        let answer = answer?;
        assert!(
            answer.status == 200
                || (matches!(answer.status.as_u16(), 503 | 504)
                    && answer.at("/retryable") == "true"),
            "{} {}",
            answer.status,
            answer.text
        );
    }
    let most = world
        .estate
        .erp_proxy
        .max_calls_in_window(Duration::from_secs(1));
    assert!(most <= 21, "{most} calls in a second, and the budget is 20");
    assert!(
        world.estate.erp_proxy.stats().calls > 21,
        "the budget was put to the test"
    );
    world.stop().await
}
