//! What came back against what left: each field, under each policy, and why a lock does not hold.

use rstest::rstest;
use rust_decimal::dec;
use serde_json::json;

use super::{Ask, Line, World, quote};

/// An order that differs in one field, and a part of the sentence about it.
fn differing(field: &str) -> (Ask, &'static str) {
    let line = Line::default;
    let order = |line| Ask::order("new", &[line]);
    match field {
        "price" => (
            order(Line {
                price: "9.50",
                ..line()
            }),
            "Line 1, price: 10 USD per EA left, 9.5 USD came.",
        ),
        "quantity" => (
            order(Line {
                quantity: "11",
                ..line()
            }),
            "Line 1, quantity: 10 EA left, 11 EA came.",
        ),
        "unit" => (
            order(Line {
                unit: "BX",
                ..line()
            }),
            "Line 1, unit: 10 EA left, 10 XBX came.",
        ),
        "part_number" => (
            order(Line {
                part: "SKU-0002",
                ..line()
            }),
            "Line 1, part number: SKU-0001 left, SKU-0002 came.",
        ),
        "currency" => (
            order(Line {
                currency: "EUR",
                ..line()
            }),
            "Line 1, currency: USD left, EUR came.",
        ),
        "total" => (
            Ask::order_of("new", "90.00", &[line()]),
            "Total: the lines come to 100 USD, and 90 USD came.",
        ),
        "date" => (
            order(line()),
            "Line 1, date: delivery on 2026-03-09 left, it is now 2026-03-12.",
        ),
        "unlocked" => (
            order(Line {
                lock: String::new(),
                ..line()
            }),
            "Line 1, price lock: no price lock came back",
        ),
        other => panic!("{other}"),
    }
}

/// A world in which one field has a policy and all others are taken as they come.
async fn world(field: &str, policy: &str) -> World {
    let fields = [
        "price",
        "quantity",
        "unit",
        "part_number",
        "currency",
        "total",
        "date",
        "unlocked",
    ];
    let world = World::quoted(|profile| {
        let (before, rest) = profile.split_once("[differences]").unwrap();
        let (_, after) = rest.split_once("# cXML; without").unwrap();
        let policies = fields.map(|known| {
            let policy = if known == field { policy } else { "accept" };
            format!("{known} = \"{policy}\"\n")
        });
        format!(
            "{before}[differences]\n{}# cXML; without{after}",
            policies.concat()
        )
    })
    .await;
    let mut line = serde_json::to_value(&quote().lines[0]).unwrap();
    line["schedule"][0]["promised_delivery_date"] = json!("2026-03-12");
    line["price"]["unit_price"]["amount"] = json!("10.5000");
    *world.stub.check.lock().unwrap() = Some(
        serde_json::from_value(json!({"verdict": "accept", "holds": [], "problems": [],
        "lines": [line], "total": {"amount": "105.00", "currency": "USD"}}))
        .unwrap(),
    );
    world
}

#[rstest]
#[tokio::test]
async fn every_difference_is_taken_held_or_refused_as_agreed(
    #[values(
        "price",
        "quantity",
        "unit",
        "part_number",
        "currency",
        "total",
        "date",
        "unlocked"
    )]
    field: &str,
    #[values("accept", "hold", "refuse")] policy: &str,
) {
    let world = world(field, policy).await;
    let (ask, sentence) = differing(field);
    let answer = world.post(ask.text()).await;
    let placed = world.stub.placed();
    if policy == "refuse" {
        assert_eq!(answer.code(), 417, "{}", answer.body);
        assert!(answer.body.contains(sentence), "{}", answer.body);
        assert!(placed.is_empty());
        assert!(world.confirm().await.is_empty(), "the Response has said it");
        return;
    }
    assert_eq!(answer.code(), 200, "{}", answer.body);
    let request = &placed[0].request;
    // Nobody asks for dates where any date is taken.
    let told = (field, policy) != ("date", "accept");
    assert_eq!(answer.body.contains(sentence), told, "{}", answer.body);
    let reviewed: Vec<&str> = request
        .review
        .iter()
        .map(|reason| reason.detail.as_str())
        .collect();
    match (field, policy) {
        // The layer below is told what the buyer believes, and holds.
        ("price", "hold") => {
            assert_eq!(
                request.lines[0]
                    .expected_unit_price
                    .as_ref()
                    .unwrap()
                    .amount,
                dec!(9.5)
            );
            assert!(reviewed.is_empty());
        }
        (_, "hold") => {
            assert_eq!(reviewed.len(), 1, "{reviewed:?}");
            assert!(reviewed[0].contains(sentence), "{reviewed:?}");
            let line = (field != "total").then_some(1);
            assert_eq!(request.review[0].line, line);
        }
        _ => assert!(reviewed.is_empty(), "{reviewed:?}"),
    }
    if field == "price" && policy == "accept" {
        assert_eq!(request.lines[0].expected_unit_price, None);
    }
    let locked = !matches!(field, "unit" | "part_number" | "unlocked");
    assert_eq!(request.lines[0].quote_id.is_some(), locked, "{field}");
}

#[tokio::test]
async fn what_came_back_as_it_left_is_no_difference() {
    for field in ["price", "date", "total", "unlocked"] {
        let world = world(field, "refuse").await;
        let mut same = quote().lines;
        same[0].schedule.clear();
        world.stub.check.lock().unwrap().as_mut().unwrap().lines = same;
        let answer = world
            .post(Ask::order("new", &[Line::default()]).text())
            .await;
        assert_eq!(answer.code(), 200, "{field}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_open_line_s_price_is_compared_with_what_it_costs_now() {
    let world = world("price", "refuse").await;
    let line = Line {
        lock: String::new(),
        ..Line::default()
    };
    let answer = world.post(Ask::order("new", &[line]).text()).await;
    assert_eq!(answer.code(), 417);
    assert!(
        answer
            .body
            .contains("price: 10.5 USD per EA it is now, 10 USD came."),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn the_buyer_s_own_part_number_is_compared_too() {
    let world = world("part_number", "refuse").await;
    let product = json!({"company": "NWI", "item": "SKU-0001", "description": "Part", "base_unit": "EA", "sales_unit": "EA", "conversions": [],
        "orderable": true, "buyer_part_number": "ACM-1", "as_of": "2026-03-02T09:00:00Z"});
    let product: canonical_model::product::Product = serde_json::from_value(product).unwrap();
    world
        .stub
        .products
        .lock()
        .unwrap()
        .insert(product.item.clone(), product);
    let line = |buyer_part| Line {
        buyer_part,
        ..Line::default()
    };
    let same = Ask::order("new", &[line("ACM-1")]);
    assert_eq!(world.post(same.text()).await.code(), 200);
    let other = Ask::order("new", &[line("ACM-2")]).named("p-2@buyer");
    let answer = world.post(other.text()).await;
    assert_eq!(answer.code(), 417);
    assert!(
        answer.body.contains("ACM-1 left, ACM-2 came."),
        "{}",
        answer.body
    );
}

#[rstest]
#[case("something of our own", "no price lock of ours")]
#[case("0199e0a46c1f7d3a9a550c6f4f1d2b70-1", "the price lock is not known")]
#[case("0199e0a46c1f7d3a9a550c6f4f1d2b7e-7", "the price lock is not known")]
#[tokio::test]
async fn a_lock_that_is_not_ours_locks_nothing(#[case] lock: &str, #[case] says: &str) {
    let world = world("unlocked", "hold").await;
    let line = Line {
        lock: lock.to_owned(),
        ..Line::default()
    };
    assert_eq!(
        world.post(Ask::order("new", &[line]).text()).await.code(),
        200
    );
    let request = &world.stub.placed()[0].request;
    assert_eq!(request.lines[0].quote_id, None);
    assert!(
        request.review[0].detail.contains(says),
        "{:?}",
        request.review
    );
}

#[rstest]
#[case(json!({"account": "BOREALIS"}), "the price lock is not known")]
#[case(json!({"expires_at": "2026-03-02T09:30:00Z"}), "the price lock ended on 2026-03-02")]
#[case(json!({"state": "expired"}), "the price lock ended on 2026-03-31")]
#[case(json!({"ship_to": "ACME-02"}), "the price lock is for delivery to ACME-02, and the order goes to ACME-01")]
#[tokio::test]
async fn a_lock_that_no_longer_holds_is_told_and_priced_as_of_now(
    #[case] change: serde_json::Value,
    #[case] says: &str,
) {
    let world = world("unlocked", "hold").await;
    let mut left = serde_json::to_value(quote()).unwrap();
    left.as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let left: canonical_model::quote::Quote = serde_json::from_value(left).unwrap();
    world
        .stub
        .quotes
        .lock()
        .unwrap()
        .insert(left.quote_id, left);
    assert_eq!(
        world
            .post(Ask::order("new", &[Line::default()]).text())
            .await
            .code(),
        200
    );
    let request = &world.stub.placed()[0].request;
    assert_eq!(request.lines[0].quote_id, None);
    assert!(
        request.review[0].detail.contains(says),
        "{:?}",
        request.review
    );
}

#[tokio::test]
async fn fewer_than_were_quoted_are_priced_as_of_now() {
    let world = world("quantity", "hold").await;
    let line = Line {
        quantity: "9",
        ..Line::default()
    };
    world.post(Ask::order("new", &[line]).text()).await;
    let request = &world.stub.placed()[0].request;
    assert_eq!(request.lines[0].quote_id, None);
    assert!(
        request.review[0]
            .detail
            .contains("the price lock is for no less"),
        "{:?}",
        request.review
    );
}

#[tokio::test]
async fn parts_by_date_are_lines_of_their_own_and_keep_a_lock_only_where_they_are_large_enough() {
    let world = world("unlocked", "hold").await;
    let parts = r#"<ScheduleLine quantity="4" requestedDeliveryDate="2026-03-10"><UnitOfMeasure>EA</UnitOfMeasure></ScheduleLine>
<ScheduleLine quantity="6" requestedDeliveryDate="2026-03-20"><UnitOfMeasure>EA</UnitOfMeasure></ScheduleLine></ItemOut>"#;
    let ask = Ask::order("new", &[Line::default()])
        .text()
        .replace("</ItemOut>", parts);
    let answer = world.post(ask).await;
    assert_eq!(answer.code(), 200, "{}", answer.body);
    let request = &world.stub.placed()[0].request;
    let lines: Vec<_> = request
        .lines
        .iter()
        .map(|line| (line.quantity, line.quote_id, line.buyer_line.as_deref()))
        .collect();
    assert_eq!(
        lines,
        [(dec!(4), None, Some("1")), (dec!(6), None, Some("1"))]
    );
    assert!(
        request.review[0].detail.contains("came in parts by date"),
        "{:?}",
        request.review
    );
}

#[tokio::test]
async fn a_total_may_be_rounded_line_by_line_or_at_the_end() {
    let lines = [("0.335", "3"), ("0.335", "3")];
    let lines = lines.map(|(price, quantity)| Line {
        price,
        quantity,
        lock: String::new(),
        ..Line::default()
    });
    for (total, code) in [("2.01", 200), ("2.02", 200), ("2.00", 417)] {
        let world = world("total", "refuse").await;
        let answer = world.post(Ask::order_of("new", total, &lines).text()).await;
        assert_eq!(answer.code(), code, "{total}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_price_for_several_is_exact() {
    let world = world("price", "refuse").await;
    let per_hundred = r#"<PriceBasisQuantity quantity="100" conversionFactor="1"><UnitOfMeasure>EA</UnitOfMeasure></PriceBasisQuantity>"#;
    let ask = Ask::order_of(
        "new",
        "100.00",
        &[Line {
            price: "1000.00",
            ..Line::default()
        }],
    )
    .text();
    let ask = ask.replace("<Classification", &format!("{per_hundred}<Classification"));
    let answer = world.post(ask).await;
    assert_eq!(answer.code(), 200, "{}", answer.body);
    let placed = world.stub.placed();
    assert_eq!(
        placed[0].request.lines[0]
            .expected_unit_price
            .as_ref()
            .unwrap()
            .amount,
        dec!(10)
    );
}
