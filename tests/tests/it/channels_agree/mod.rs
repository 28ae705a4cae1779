//! Whoever orders by whichever channel gets the same price, dates and verdict: portal, EDI, cXML and OCI.

mod channel;
mod scene;

use std::sync::atomic::{AtomicI64, Ordering};

use rust_decimal::Decimal;
use tests::{Terms, differences};

use crate::support::decimal;
use channel::{ALL, Channel, Ordered, Seen, Stating};
use scene::{ACME, Agreed, BOREALIS, Buyer, Line, Scene};

const PIECES: Line = ("SKU-0001", "24", "EA", "EA");

/// The order, and all that was told, as far as it differs from what the order says.
fn contradictions(channel: Channel, seen: &Seen, ordered: &Ordered) -> Vec<String> {
    let told = seen.shown.iter().chain(&ordered.told);
    told.flat_map(|(medium, told)| {
        let mut expected = ordered.order.as_told_by(*medium);
        // A check says what would become of an order: the place is the account's first, and is not told.
        let mut told = told.clone();
        told.ship_to = None;
        expected.ship_to = None;
        let found = differences(&expected, &told).into_iter();
        found.map(move |difference| format!("{channel:?}, {medium:?}: {difference}"))
    })
    .collect()
}

/// Sends the basket through a channel in a world of its own.
async fn through(
    channel: Channel,
    buyer: Buyer,
    lines: &[Line],
    agreed: Agreed<'_>,
) -> anyhow::Result<(Seen, Ordered)> {
    let scene = Scene::frozen(buyer, agreed).await?;
    let seen = channel.look(&scene, "1", lines).await?;
    let ordered = channel
        .order(&scene, "PO-1", lines, &seen, (Stating::AsSeen, &[]))
        .await?;
    scene.world.stop().await?;
    Ok((seen, ordered))
}

/// Sends the basket through every channel, and holds all that is told to each other.
async fn agreed(buyer: Buyer, lines: &[Line]) -> anyhow::Result<Terms> {
    let mut first: Option<Terms> = None;
    for channel in ALL {
        let (seen, ordered) = through(channel, buyer, lines, Agreed::default()).await?;
        assert_eq!(
            contradictions(channel, &seen, &ordered),
            Vec::<String>::new()
        );
        match &first {
            None => first = Some(ordered.order),
            Some(first) => assert_eq!(
                differences(first, &ordered.order),
                Vec::<String>::new(),
                "the portal's order and that by {channel:?}"
            ),
        }
    }
    first.ok_or_else(|| anyhow::anyhow!("there is no channel"))
}

#[tokio::test]
async fn a_basket_of_every_kind_is_the_same_by_every_channel() -> anyhow::Result<()> {
    let lines = [
        PIECES,                          // the second break of the contract
        ("SKU-0011", "2", "XCT", "CT"),  // by the carton
        ("SKU-0010", "30", "EA", "EA"),  // none in stock, a receipt comes
        ("SKU-0020", "3", "EA", "EA"),   // nothing in stock, nothing on order
        ("SKU-0003", "10", "EA", "EA"),  // 4 at one site, the rest later
        ("SKU-0025", "7", "EA", "EA"),   // at WEST alone
        ("SKU-0016", "150", "EA", "EA"), // priced per 100, by the list
    ];
    let terms = agreed(ACME, &lines).await?;
    assert_eq!(
        (terms.verdict.as_str(), terms.ship_to.as_deref()),
        ("accept", Some("ACME-01"))
    );
    let covered: Vec<Vec<Option<bool>>> = terms
        .lines
        .iter()
        .map(|line| line.parts.iter().map(|part| part.covered).collect())
        .collect();
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(
        covered,
        [
            vec![yes],
            vec![yes],
            vec![yes],
            vec![no],
            vec![yes, no],
            vec![yes],
            vec![yes]
        ],
        "{terms:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_basket_over_the_limit_is_held_by_every_channel() -> anyhow::Result<()> {
    let lines = [
        ("SKU-0001", "60", "EA", "EA"),
        ("SKU-0002", "60", "EA", "EA"),
    ];
    let terms = agreed(BOREALIS, &lines).await?;
    assert_eq!(terms.verdict, "hold", "{terms:?}");
    Ok(())
}

#[tokio::test]
async fn a_basket_with_an_unknown_item_is_judged_alike() -> anyhow::Result<()> {
    // A cart holds only what the shop has: this is for the channels that name products by themselves.
    let lines = [PIECES, ("SKU-9999", "1", "EA", "EA")];
    let none = Agreed::default();
    let (_, portal) = through(Channel::Portal, ACME, &lines, none).await?;
    let (_, edi) = through(Channel::Edi, ACME, &lines, none).await?;
    assert_eq!(differences(&portal.order, &edi.order), Vec::<String>::new());
    let refused = |terms: &Terms| {
        terms
            .lines
            .iter()
            .map(|line| line.refused)
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(&portal.order), [false, true]);
    let (medium, told) = edi.told.unwrap();
    assert_eq!(refused(&told), [false, true]);
    assert_eq!(told.lines[0], portal.order.as_told_by(medium).lines[0]);
    Ok(())
}

/// The contract's price of the pieces, before and after.
struct Change {
    channel: Channel,
    seen: Seen,
    ordered: Ordered,
}

/// Looks, changes the contract, and orders.
async fn changed_in_between(channel: Channel, stating: Stating) -> anyhow::Result<Change> {
    let scene = Scene::changing(ACME).await?;
    let lines = [PIECES];
    let shown = Channel::Portal.look(&scene, "shown", &lines).await?.prices;
    let seen = channel.look(&scene, "1", &lines).await?;
    scene.change_contract("SKU-0001", decimal("55.55"))?;
    let ordered = channel
        .order(&scene, "PO-1", &lines, &seen, (stating, &shown))
        .await?;
    scene.world.stop().await?;
    Ok(Change {
        channel,
        seen,
        ordered,
    })
}

#[tokio::test]
async fn who_locked_a_price_orders_at_it_while_the_contract_changes() -> anyhow::Result<()> {
    let mut orders = Vec::new();
    for channel in [Channel::Portal, Channel::Cxml, Channel::Oci] {
        let change = changed_in_between(channel, Stating::AsSeen).await?;
        let order = change.ordered.order;
        assert_eq!(
            order.verdict, "accept",
            "{channel:?}: {:?}",
            change.ordered.holds
        );
        assert_eq!(
            vec![order.lines[0].unit_price.clone()],
            change.seen.prices,
            "{channel:?}"
        );
        assert_ne!(order.lines[0].unit_price, "55.55");
        orders.push(order);
    }
    assert_eq!(differences(&orders[0], &orders[1]), Vec::<String>::new());
    assert_eq!(differences(&orders[0], &orders[2]), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn who_states_an_old_price_without_a_lock_waits_for_a_person_whichever_the_channel()
-> anyhow::Result<()> {
    let mut changes = Vec::new();
    for channel in ALL {
        changes.push(changed_in_between(channel, Stating::WithoutLock).await?);
    }
    let first = &changes[0].ordered;
    assert_eq!(first.order.verdict, "hold");
    assert_eq!(first.holds.len(), 1, "{:?}", first.holds);
    let said = &first.holds[0];
    assert!(
        said.starts_with("price_mismatch, line 1") && said.contains("55.55"),
        "{said}"
    );
    for Change {
        channel, ordered, ..
    } in &changes
    {
        assert_eq!(&ordered.holds, &first.holds, "{channel:?}");
        assert_eq!(
            differences(&first.order, &ordered.order),
            Vec::<String>::new(),
            "{channel:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn who_comes_after_the_change_sees_and_pays_the_new_price() -> anyhow::Result<()> {
    let mut first: Option<Terms> = None;
    for channel in ALL {
        let scene = Scene::changing(ACME).await?;
        // The old price was known to the layers.
        Channel::Portal.look(&scene, "before", &[PIECES]).await?;
        scene.change_contract("SKU-0001", decimal("55.55"))?;
        let seen = channel.look(&scene, "1", &[PIECES]).await?;
        let ordered = channel
            .order(&scene, "PO-1", &[PIECES], &seen, (Stating::AsSeen, &[]))
            .await?;
        scene.world.stop().await?;
        assert_eq!(
            contradictions(channel, &seen, &ordered),
            Vec::<String>::new()
        );
        assert_eq!(ordered.order.lines[0].unit_price, "55.55", "{channel:?}");
        assert_eq!(ordered.order.verdict, "accept", "{channel:?}");
        let first = first.get_or_insert_with(|| ordered.order.clone());
        assert_eq!(differences(first, &ordered.order), Vec::<String>::new());
    }
    Ok(())
}

/// The contract changes whenever a buyer has taken a step: once it has looked, so that what it orders at is the contract's
/// price no more, and once it has ordered, while others look.
#[tokio::test]
async fn while_the_contract_changes_again_and_again_nobody_is_silently_repriced()
-> anyhow::Result<()> {
    let scene = &Scene::busy(ACME).await?;
    let lines = &[("SKU-0001", "2", "EA", "EA")];
    let cents = AtomicI64::new(4_000);
    let change = &|| {
        let price = Decimal::new(cents.fetch_add(1, Ordering::Relaxed), 2);
        scene.change_contract("SKU-0001", price)?;
        anyhow::Ok(price)
    };
    change()?;
    for round in 0..4 {
        let orders = ALL.map(|channel| async move {
            let name = format!("{channel:?}-{round}");
            let seen = channel.look(scene, &name, lines).await?;
            let stated = match channel {
                Channel::Edi => Channel::Portal.look(scene, &name, lines).await?.prices,
                _ => seen.prices.clone(),
            };
            let price = change()?;
            assert!(decimal(&stated[0]) < price, "{name}: {stated:?}, {price}");
            let ordered = channel
                .order(
                    scene,
                    &format!("PO-{name}"),
                    lines,
                    &seen,
                    (Stating::AsSeen, &stated),
                )
                .await?;
            change()?;
            anyhow::Ok((channel, stated, ordered))
        });
        for done in futures_util::future::join_all(orders).await {
            let (channel, stated, Ordered { order, holds, .. }) = done?;
            if channel == Channel::Edi {
                // It has no lock: what it states is not the price any more, and a person is asked.
                assert_eq!(order.verdict, "hold");
                assert!(holds[0].starts_with("price_mismatch"), "{holds:?}");
            } else {
                assert_eq!(order.verdict, "accept", "{channel:?}: {holds:?}");
                assert_eq!(vec![order.lines[0].unit_price.clone()], stated);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_difference_between_the_channels_is_found_wherever_it_is() -> anyhow::Result<()> {
    let lines = [("SKU-0003", "10", "EA", "EA")];
    let none = Agreed::default();
    let (_, portal) = through(Channel::Portal, ACME, &lines, none).await?;
    let portal = portal.order;
    let planted: [fn(&mut Terms); 8] = [
        |terms| terms.verdict = "hold".to_owned(),
        |terms| terms.ship_to = Some("ACME-02".to_owned()),
        |terms| terms.total = Some("0.01 USD".to_owned()),
        |terms| terms.lines[0].unit_price = "0.01".to_owned(),
        |terms| terms.lines[0].parts[0].arrives = Some("2026-12-31".to_owned()),
        |terms| terms.lines[0].parts[0].ships = Some("2026-12-31".to_owned()),
        |terms| terms.lines[0].refused = true,
        |terms| terms.lines.clear(),
    ];
    for plant in planted {
        let mut other = portal.clone();
        plant(&mut other);
        assert_eq!(differences(&portal, &other).len(), 1, "{other:?}");
    }
    assert!(differences(&portal, &portal.clone()).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_planted_fault_of_a_mapping_is_found_by_the_comparison() -> anyhow::Result<()> {
    let pieces = [("SKU-0011", "2", "EA", "EA")];
    let (_, portal) = through(Channel::Portal, ACME, &pieces, Agreed::default()).await?;
    let edi = [("ship_to = \"ACME-01\"", "ship_to = \"ACME-02\"")];
    let place = [("\"ACME-01\"", "\"ACME-02\"")];
    // A piece that is a carton in the partner's documents.
    let unit = [
        ("BX = \"XBX\"", "EA = \"XCT\""),
        ("unit = \"refuse\"", "unit = \"accept\""),
        ("price = \"hold\"", "price = \"accept\""),
        ("total = \"hold\"", "total = \"accept\""),
    ];
    let planted: [(Channel, &str, Agreed<'_>); 4] = [
        (
            Channel::Edi,
            "ship-to",
            Agreed {
                edi: &edi,
                punchout: &[],
            },
        ),
        (
            Channel::Cxml,
            "ship-to",
            Agreed {
                edi: &[],
                punchout: &place,
            },
        ),
        (
            Channel::Oci,
            "ship-to",
            Agreed {
                edi: &[],
                punchout: &place,
            },
        ),
        (
            Channel::Cxml,
            "line 1, unit",
            Agreed {
                edi: &[],
                punchout: &unit,
            },
        ),
    ];
    for (channel, what, wrong) in planted {
        let (_, ordered) = through(channel, ACME, &pieces, wrong).await?;
        let found = differences(&portal.order, &ordered.order);
        assert!(
            found.iter().any(|difference| difference.starts_with(what)),
            "{channel:?}: {found:?}"
        );
    }
    Ok(())
}
