//! Orders that come again, in other words, under other names, with others' locks, or as a test.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tests::punchout::{CartItem, Order, OrderType};

use super::{Siege, as_other};
use crate::{findings::Findings, support::the_live_one};

/// A line of the test's own, at no price that anybody promised.
fn unlocked(item: &str, quantity: &str) -> CartItem {
    CartItem {
        quantity: quantity.to_owned(),
        part: item.to_owned(),
        unit_price: "1.00".to_owned(),
        currency: "USD".to_owned(),
        description: "anything".to_owned(),
        unit: "EA".to_owned(),
        class: "31171504".to_owned(),
        ..CartItem::default()
    }
}

#[tokio::test]
async fn twenty_times_the_same_at_once_is_one_order_and_one_answer() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let items = siege
        .left("left", &[("SKU-0001", "24"), ("SKU-0002", "3")])
        .await?;
    let order = Order::of("TWENTY", &items);
    let sent = (0..20).map(|_| siege.buyer.order("twenty", &order));
    let answers = join_all(sent)
        .await
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    let documents: BTreeSet<&str> = answers.iter().map(|one| one.document.as_str()).collect();
    assert_eq!(documents.len(), 1, "{documents:?}");
    assert_eq!(answers[0].code, 200, "{documents:?}");
    let kept = the_live_one(&siege.world, "TWENTY").await?;
    // Twenty documents of their own, of one order.
    let sent = (0..20).map(|n| {
        let (buyer, order) = (&siege.buyer, &order);
        async move { buyer.order(&format!("other-{n}"), order).await }
    });
    for answer in join_all(sent).await {
        let answer = answer?;
        assert_eq!(answer.code, 200, "{}", answer.document);
    }
    assert_eq!(
        the_live_one(&siege.world, "TWENTY").await?.number,
        kept.number
    );
    assert_eq!(siege.in_the_erp("TWENTY"), 1);
    siege.end().await
}

#[tokio::test]
async fn twenty_documents_of_one_new_order_at_once_are_one_order() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let items = siege.left("left", &[("SKU-0001", "24")]).await?;
    let order = Order::of("AT-ONCE", &items);
    let sent = (0..20).map(|n| {
        let (buyer, order) = (&siege.buyer, &order);
        async move { buyer.order(&format!("at-once-{n}"), order).await }
    });
    for answer in join_all(sent).await {
        let answer = answer?;
        assert_eq!(answer.code, 200, "{}", answer.document);
    }
    the_live_one(&siege.world, "AT-ONCE").await?;
    assert_eq!(siege.in_the_erp("AT-ONCE"), 1);
    siege.end().await
}

/// What may not change an order that is there: (what, document, code, what the answer names).
#[expect(clippy::too_many_lines, reason = "one case after another")]
fn replays(
    siege: &Siege,
    order: &Order,
    items: &[CartItem],
) -> Vec<(&'static str, String, u16, &'static str)> {
    let document = |payload: &str, order: &Order| siege.buyer.order_document(payload, order);
    let first = document("first", order);
    let more = Order {
        lines: order
            .lines
            .iter()
            .map(|line| tests::punchout::OrderLine {
                quantity: "30".to_owned(),
                ..line.clone()
            })
            .collect(),
        ..order.clone()
    };
    let kind = |kind| Order {
        kind,
        ..order.clone()
    };
    let another = Order::of("ANOTHER", items);
    vec![
        ("the same again", first.clone(), 200, ""),
        (
            "the same in another layout",
            first.replace("<Header>", "<Header> "),
            409,
            "payloadID",
        ),
        (
            "the same payloadID, more of it",
            document("first", &more),
            409,
            "payloadID",
        ),
        (
            "the same payloadID, another order",
            document("first", &another),
            409,
            "payloadID",
        ),
        (
            "the same payloadID, as a test",
            first.replace("\"production\"", "\"test\""),
            409,
            "payloadID",
        ),
        (
            "the same payloadID, as a deletion",
            document("first", &kind(OrderType::Delete)),
            409,
            "payloadID",
        ),
        (
            "the same payloadID with blanks around it",
            first.replace("payloadID=\"first\"", "payloadID=\" first \""),
            409,
            "payloadID",
        ),
        (
            "another payloadID, the same order",
            document("second", order),
            200,
            "nothing was taken a second time",
        ),
        (
            "another payloadID, more of it",
            document("third", &more),
            409,
            "ORDER-1",
        ),
        (
            "another payloadID, another item",
            document(
                "fourth",
                &Order::of("ORDER-1", &[unlocked("SKU-0003", "1")]),
            ),
            409,
            "ORDER-1",
        ),
        (
            "an update of an order that is not there",
            document(
                "fifth",
                &Order {
                    id: "NONE".to_owned(),
                    ..kind(OrderType::Update)
                },
            ),
            409,
            "NONE",
        ),
        (
            "a deletion of an order that is not there",
            document(
                "sixth",
                &Order {
                    id: "NONE".to_owned(),
                    ..kind(OrderType::Delete)
                },
            ),
            409,
            "NONE",
        ),
        (
            "a deletion as a test",
            document(
                "seventh",
                &Order {
                    mode: "test",
                    ..kind(OrderType::Delete)
                },
            ),
            200,
            "test",
        ),
        (
            "an update as a test",
            document(
                "eighth",
                &Order {
                    mode: "test",
                    kind: OrderType::Update,
                    ..more.clone()
                },
            ),
            200,
            "test",
        ),
        (
            "a new one as a test",
            document(
                "ninth",
                &Order {
                    mode: "test",
                    ..another.clone()
                },
            ),
            200,
            "test",
        ),
        (
            "the test as production",
            document("ninth", &another),
            409,
            "payloadID",
        ),
        (
            "another type",
            document("tenth", &another).replace("type=\"new\"", "type=\"replace\""),
            400,
            "type",
        ),
        (
            "a blanket order",
            document("eleventh", &another)
                .replace("type=\"new\"", "type=\"new\" orderType=\"blanket\""),
            450,
            "orderType",
        ),
        (
            "a return",
            document("twelfth", &another).replace("<ItemOut ", "<ItemOut isReturn=\"yes\" "),
            450,
            "return",
        ),
        (
            "the other partner changes it",
            as_other(&document("o-1", &kind(OrderType::Update))),
            409,
            "ORDER-1",
        ),
        (
            "the other partner deletes it",
            as_other(&document("o-2", &kind(OrderType::Delete))),
            409,
            "ORDER-1",
        ),
    ]
}

#[tokio::test]
async fn what_comes_again_changes_nothing() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let items = siege.left("left", &[("SKU-0001", "24")]).await?;
    let order = Order::of("ORDER-1", &items);
    let first = siege.buyer.order("first", &order).await?;
    assert_eq!(first.code, 200, "{}", first.document);
    let kept = the_live_one(&siege.world, "ORDER-1").await?;
    tests::until("the confirmation", async || {
        Ok((!siege.site.confirmations().is_empty()).then_some(()))
    })
    .await?;
    let before = siege.world.estate.sandbox.erp.orders();
    let mut findings = Findings::default();
    for (case, document, code, word) in replays(&siege, &order, &items) {
        let status = siege.buyer.send(&document).await?;
        findings.check(
            case,
            status.code == code,
            format!("{code} is due: {}", status.document),
        );
        findings.check(
            case,
            status.document.contains(word),
            format!("names no {word}: {}", status.document),
        );
        let same = status.document == first.document;
        findings.check(
            case,
            same == (case == "the same again"),
            "the first answer, or not",
        );
    }
    findings.none();
    let after = siege.world.estate.sandbox.erp.orders();
    assert_eq!(after.len(), before.len());
    let same = the_live_one(&siege.world, "ORDER-1").await?;
    assert_eq!(
        (same.number, same.lines.len(), same.lines[0].quantity),
        (kept.number, 1, kept.lines[0].quantity)
    );
    // A payloadID is the sender's own: the other partner's is another one.
    let order = Order::of("OTHER-1", &[unlocked("SKU-0003", "1")]);
    let other = as_other(&siege.buyer.order_document("first", &order));
    let (code, text) = siege.told(&other).await?;
    assert_eq!(code, 200, "{text}");
    assert_eq!(
        the_live_one(&siege.world, "OTHER-1").await?.account,
        "BOREALIS"
    );
    siege.end().await
}

#[tokio::test]
async fn a_lock_of_another_account_is_worth_nothing_and_tells_nothing() -> anyhow::Result<()> {
    let changes = [("price = \"hold\"", "price = \"refuse\"")];
    let siege = Siege::with(crate::findings::generous(tests::Setup::default()), &changes).await?;
    let items = siege.left("left", &[("SKU-0001", "24")]).await?;
    // Of no account, of this account, and spelled in other ways.
    let lock = items[0].auxiliary.clone();
    let nobody = "0199e0a46c1f7d3a9a550c6f4f1d2b7e-1";
    let quote = lock.split('-').next().unwrap_or_default();
    let spelled = [
        nobody.to_owned(),
        format!("{quote}-2"),
        format!("{quote}-01"),
        lock.to_uppercase(),
        format!("{lock} OR 1=1"),
        format!("{{{lock}}}"),
        "../../quotes".to_owned(),
        "\u{202e}".repeat(50),
    ];
    let mut findings = Findings::default();
    let mut told = Vec::new();
    for (n, auxiliary) in std::iter::once(&lock).chain(&spelled).enumerate() {
        let other = n == 0;
        let item = CartItem {
            auxiliary: auxiliary.clone(),
            ..items[0].clone()
        };
        let order = Order::of(&format!("LOCK-{n}"), &[item]);
        let document = siege.buyer.order_document(&format!("lock-{n}"), &order);
        let document = if other { as_other(&document) } else { document };
        let (code, text) = siege.told(&document).await?;
        let priced = other || text.contains("price lock");
        findings.check(auxiliary, priced, format!("{code} {text}"));
        told.push((code, text));
    }
    // The other account's price is another, so its order is refused for the price; it reads as if there were no quote.
    findings.check("foreign", told[0].0 == 417, format!("{:?}", told[0]));
    let unknown = as_other(&siege.buyer.order_document(
        "none",
        &Order::of(
            "LOCK-0",
            &[CartItem {
                auxiliary: nobody.to_owned(),
                ..items[0].clone()
            }],
        ),
    ));
    let (code, text) = siege.told(&unknown).await?;
    findings.check(
        "foreign",
        (code, text.clone()) == told[0],
        format!("{code} {text} and {:?}", told[0]),
    );
    findings.none();
    assert_eq!(siege.in_the_erp("LOCK-0"), 0);
    siege.end().await
}

#[tokio::test]
async fn a_test_and_who_is_being_set_up_never_book() -> anyhow::Result<()> {
    let changes = [("test_mode = false", "test_mode = true")];
    let siege = Siege::with(crate::findings::generous(tests::Setup::default()), &changes).await?;
    let before = siege.snapshot().await?;
    let order = Order::of("SET-UP", &[unlocked("SKU-0001", "1")]);
    let mut findings = Findings::default();
    for kind in [OrderType::New, OrderType::Update, OrderType::Delete] {
        let order = Order {
            kind,
            ..order.clone()
        };
        let (code, text) = siege.told(&siege.buyer.order_document("p", &order)).await?;
        findings.check("production", code == 403, format!("{code} {text}"));
    }
    // Absent means production.
    let absent = siege
        .buyer
        .order_document("absent", &order)
        .replace(" deploymentMode=\"production\"", "");
    let (code, text) = siege.told(&absent).await?;
    findings.check("absent", code == 403, format!("{code} {text}"));
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    let test = Order {
        mode: "test",
        ..order.clone()
    };
    let (code, text) = siege.told(&siege.buyer.order_document("t", &test)).await?;
    assert!(
        code == 200 && text.contains("nothing was booked"),
        "{code} {text}"
    );
    let buyer = siege.world.oci_buyer(&siege.site);
    let posted = tests::punchout::Posted {
        path: String::new(),
        body: b"NEW_ITEM-DESCRIPTION[1]=x&NEW_ITEM-QUANTITY[1]=1&NEW_ITEM-UNIT[1]=EA&NEW_ITEM-VENDORMAT[1]=SKU-0001".to_vec(),
    };
    let answer = buyer.order("SET-UP-OCI", &posted).await?;
    assert!(
        answer.text.contains("nothing was booked") || answer.status == 403,
        "{}",
        answer.text
    );
    let told = siege
        .as_channel("/v1/documents?partner=acme-punchout&direction=outbound&limit=10")
        .await?;
    assert_eq!(told["items"].as_array().map(Vec::len), Some(0), "{told}");
    assert_eq!(siege.world.estate.sandbox.erp.orders().len(), 0);
    siege.end().await
}
