//! The runbook `docs/runbooks/erp-down.md`, step by step, by published HTTP: the ERP goes away, what is known still
//! answers with its age, orders are taken within the policy and refused beyond it, and on its return they are created
//! oldest first, but for the one whose price is another now.

use futures_util::future::try_join_all;
use process_apis::policy::Policies;
use rust_decimal::{Decimal, dec};
use sandbox::{PriceChange, fault::FaultPlan, seed::PriceKind};
use service_runtime::config::HumanDuration;
use tests::{Answer, Operator, PortalUser, PurchaseOrder, Setup, World, until};

use crate::support::{decimal, expect, live, order, outage, the_live_one};

/// Facts are old as soon as they are kept, so that no clock has to be waited for; the bounds are small.
fn policies() -> Policies {
    let mut policies = Policies::load(Some(&tests::root().join("config"))).unwrap();
    let none = HumanDuration::from_secs(0);
    let order = &mut policies.freshness.order;
    (order.price, order.stock, order.credit) = (none, none, none);
    policies.outage.max_order_value = dec!(1000);
    policies.outage.max_account_value = dec!(2000);
    policies
}

async fn outstanding(operator: &Operator) -> anyhow::Result<Answer> {
    let answer = operator.get("/v1/outage").await?;
    expect(&answer, 200);
    Ok(answer)
}

/// So many units of an item that they come to about this value, at the price that the buyer is shown.
async fn units(buyer: &PortalUser, item: &str, value: Decimal) -> anyhow::Result<String> {
    let shown = buyer.get(&format!("/products/{item}")).await?;
    let price = decimal(&shown.at("/price/breaks/0/unit_price/amount"));
    Ok((value / price).ceil().to_string())
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "the runbook, step by step, as an operator follows it"
)]
async fn the_runbook_of_an_erp_that_is_down_holds() -> anyhow::Result<()> {
    let setup = Setup {
        policies: Some(policies()),
        ..Setup::default()
    };
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let operator = world.operator()?;
    let known = ["SKU-0001", "SKU-0002"];
    for (number, item) in known.iter().enumerate() {
        let body = order(&format!("PO-WARM-{number}"), &[(item, "1", "EA")]);
        let placed = buyer.order(&format!("warm-{number}"), &body).await?;
        expect(&placed, 202);
        buyer
            .order_until(&placed.at("/order_id"), "released")
            .await?;
    }
    let several = units(&buyer, "SKU-0001", dec!(400)).await?;
    let too_many = units(&buyer, "SKU-0001", dec!(1100)).await?;

    // What you see.
    world.estate.erp_proxy.set_plan(outage("/erp/call"))?;
    let first = buyer
        .order("1", &order("PO-1", &[("SKU-0001", "1", "EA")]))
        .await?;
    expect(&first, 202);
    assert_eq!(first.at("/provisional"), "true", "{}", first.text);
    let repriced = buyer
        .order("2", &order("PO-2", &[("SKU-0002", "1", "EA")]))
        .await?;
    expect(&repriced, 202);
    let seen = buyer
        .get(&format!("/orders/{}", first.at("/order_id")))
        .await?;
    assert_eq!(seen.at("/status"), "received");
    assert_eq!(seen.at("/taken_on/price/degraded"), "true", "{}", seen.text);
    assert_eq!(seen.at("/lines/0/price/degraded"), "true");
    assert!(!seen.at("/lines/0/price/as_of").is_empty());
    assert_eq!(seen.at("/lines/0/schedule/0/degraded"), "true");

    // Beyond the policy it is refused, with the bound.
    let refused = buyer
        .post(
            "/orders",
            "3",
            &order("PO-3", &[("SKU-0001", &too_many, "EA")]),
        )
        .await?;
    expect(&refused, 503);
    assert_eq!(
        (refused.at("/code"), refused.at("/bound")),
        ("outage-limit".to_owned(), "order_value".to_owned()),
        "{}",
        refused.text
    );
    assert!(!refused.header("retry-after").is_empty());

    // Many at once do not pass a bound.
    let bodies: Vec<_> = (0..12)
        .map(|number| order(&format!("PO-M{number}"), &[("SKU-0001", &several, "EA")]))
        .collect();
    let keys: Vec<String> = (0..12).map(|number| format!("m{number}")).collect();
    let placing = keys
        .iter()
        .zip(&bodies)
        .map(|(key, body)| buyer.post("/orders", key, body));
    let placed = try_join_all(placing).await?;
    let taken: Vec<&Answer> = placed
        .iter()
        .filter(|answer| answer.status.as_u16() == 202)
        .collect();
    assert!((1..=4).contains(&taken.len()), "{} are taken", taken.len());
    for answer in placed.iter().filter(|answer| answer.status.as_u16() != 202) {
        expect(answer, 503);
        assert_eq!(answer.at("/code"), "outage-limit");
    }

    // A partner's order is stored, acknowledged as read, and taken later.
    let partner = world.edi_partner("acme-edi", "acme-edi-demo");
    let by_edi = PurchaseOrder::new(
        "PO-EDI",
        1,
        &[[several.as_str(), "EA", "", "VP", "SKU-0001"]],
    );
    let acknowledged = partner.send(by_edi.interchange(world.now())).await?;
    expect(&acknowledged, 200);

    // What to check.
    let now = outstanding(&operator).await?.json();
    let bounds = now["bounds"].as_array().unwrap().clone();
    assert!(bounds.len() >= 3, "{now:#}");
    for bound in &bounds {
        let part = |name: &str| decimal(bound[name].as_str().unwrap());
        assert!(part("used") <= part("limit"), "{bound}");
    }
    assert!(live(&world, "PO-1").is_empty());

    // When it is back, one price is another.
    for (kind, holder) in [
        (PriceKind::ContractAccount, "ACME"),
        (PriceKind::AccountList, "ACME"),
        (PriceKind::List, ""),
    ] {
        let holder = holder.to_owned();
        let change = PriceChange {
            item: "SKU-0002".to_owned(),
            kind,
            holder,
            break_quantity: None,
            price: dec!(777.77),
        };
        drop(world.estate.sandbox.erp.set_price(change));
    }
    world.estate.erp_proxy.set_plan(FaultPlan::default())?;
    let held = buyer.order_until(&repriced.at("/order_id"), "held").await?;
    assert_eq!(held.at("/holds/0/reason"), "price_review", "{}", held.text);
    let hold = &operator.holds("price_mismatch").await?[0]["holds"][0];
    let detail = hold["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("while the ERP did not answer") && detail.contains("777.77"),
        "{detail}"
    );
    assert!(live(&world, "PO-2").is_empty());
    buyer
        .order_until(&first.at("/order_id"), "released")
        .await?;
    for answer in &taken {
        buyer
            .order_until(&answer.at("/order_id"), "released")
            .await?;
    }
    the_live_one(&world, "PO-EDI").await?;

    // It is over when nothing is outstanding.
    expect(&operator.release(&repriced.at("/order_id"), 1).await?, 200);
    let settled = buyer
        .order_until(&repriced.at("/order_id"), "released")
        .await?;
    assert_eq!(settled.at("/provisional"), "false");
    until("nothing outstanding", async || {
        let now = outstanding(&operator).await?.json();
        let over = now["bounds"].as_array().is_some_and(Vec::is_empty)
            && now["orders_awaiting_erp"] == 0
            && now["taking_orders"] == true;
        Ok(over.then_some(()))
    })
    .await?;
    world.stop().await
}
