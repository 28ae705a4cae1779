//! One price from the catalogue to the invoice, with a promotion laid on it; and what the ERP adds is no part of it.

use canonical_model::PromotionId;
use jiff::civil::date;
use process_apis::{
    policy::Policies,
    pricing::promotion::{Off, Promotion},
};
use rust_decimal::{Decimal, dec};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, Setup, World, root, texts};

use crate::support::{decimal, expect, line, order, the_live_one};

/// Fifteen percent off everything, for a long time.
fn autumn() -> Promotion {
    Promotion {
        id: PromotionId::new("AUTUMN").unwrap(),
        description: "Autumn fair".to_owned(),
        valid_from: date(2000, 1, 1),
        valid_to: date(2200, 1, 1),
        off: Off::Percent(dec!(15)),
        items: Vec::new(),
        unspsc: Vec::new(),
        accounts: Vec::new(),
        price_groups: Vec::new(),
    }
}

async fn world(promotions: Vec<Promotion>) -> anyhow::Result<World> {
    let policies = Policies {
        promotions,
        ..Policies::load(Some(&root().join("config")))?
    };
    let setup = Setup {
        policies: Some(policies),
        ..Setup::default()
    };
    World::start_with(setup).await
}

/// The price that the catalogue shows from a quantity on.
fn shown(product: &Answer, from: &str) -> Value {
    let breaks = texts(&product.json(), "/price/breaks");
    let mut found = breaks.iter().filter(|step| step["from_quantity"] == from);
    let found = found.next();
    found
        .unwrap_or_else(|| panic!("no break at {from}: {}", product.text))
        .clone()
}

fn amount(price: &Value) -> Decimal {
    decimal(price["unit_price"]["amount"].as_str().unwrap())
}

async fn browsed(buyer: &PortalUser) -> anyhow::Result<Vec<Answer>> {
    let mut products = Vec::new();
    for item in ["SKU-0004", "SKU-0002", "SKU-0005"] {
        products.push(buyer.get(&format!("/products/{item}")).await?);
    }
    Ok(products)
}

/// SKU-0004 is on no contract of ACME's, SKU-0002 is, and of SKU-0005 the contract says "or promotional if lower".
#[tokio::test]
async fn a_promotion_is_browsed_checked_quoted_ordered_and_booked_at_one_price()
-> anyhow::Result<()> {
    let plain = world(Vec::new()).await?;
    let before = browsed(&plain.portal_user("acme-buyer", "ACME")?).await?;
    plain.stop().await?;

    let world = world(vec![autumn()]).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let now = browsed(&buyer).await?;
    let (list_then, list_now) = (shown(&before[0], "0"), shown(&now[0], "0"));
    let reduced = (amount(&list_then) * dec!(0.85))
        .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    assert_eq!(amount(&list_now), reduced);
    assert_eq!(list_now["source"], "list_price");
    assert_eq!(
        list_now["promotion"],
        json!({"promotion": "AUTUMN", "description": "Autumn fair", "instead_of": list_then["unit_price"]})
    );
    assert_eq!(
        before[1].json()["price"]["breaks"],
        now[1].json()["price"]["breaks"],
        "a contract's price stands"
    );
    // 92 % of the list price by contract, 85 % by promotion; from 144 on the contract is at 82 %.
    let (if_lower, deep) = (shown(&now[2], "0"), shown(&now[2], "144"));
    assert!(amount(&if_lower) < amount(&shown(&before[2], "0")));
    assert_eq!(if_lower["promotion"]["promotion"], "AUTUMN");
    assert_eq!(deep, shown(&before[2], "144"));

    let wanted = [
        ("SKU-0004", "2", "EA"),
        ("SKU-0002", "24", "EA"),
        ("SKU-0005", "1", "EA"),
        ("SKU-0005", "144", "EA"),
    ];
    let prices = [
        amount(&list_now),
        amount(&shown(&now[1], "24")),
        amount(&if_lower),
        amount(&deep),
    ];
    let charged = |answer: &Answer| -> Vec<Decimal> {
        let lines = texts(&answer.json(), "/lines");
        lines.iter().map(|line| amount(&line["price"])).collect()
    };
    let lines: Vec<Value> = wanted.into_iter().map(line).collect();
    let basket = json!({"lines": lines});
    let checked = buyer.post("/basket-checks", "c-1", &basket).await?;
    expect(&checked, 200);
    assert_eq!(charged(&checked), prices);
    let quoted = buyer.post("/quotes", "q-1", &basket).await?;
    expect(&quoted, 201);
    assert_eq!(charged(&quoted), prices);

    let placed = buyer.order("k-1", &order("PO-1", &wanted)).await?;
    expect(&placed, 202);
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(charged(&seen), prices);
    let in_erp = the_live_one(&world, "PO-1").await?;
    for (number, price) in (1..).zip(prices) {
        let mut of_line = in_erp.lines.iter();
        let external = format!("{number}");
        let of_line = of_line.find(|line| line.external_line == external);
        let of_line = of_line.unwrap_or_else(|| panic!("no line {number}: {in_erp:?}"));
        assert_eq!(of_line.net_price / of_line.price_unit, price, "{of_line:?}");
    }

    let path = format!("/v1/decisions/{}", seen.at("/decision_id"));
    let decision = world.operator()?.get(&path).await?.json();
    let steps = texts(&decision, "/steps");
    let tried: Vec<(u64, bool)> = steps
        .iter()
        .filter(|step| step["about"] == "promotion")
        .map(|step| {
            let applied = step["chosen"].as_str().unwrap().starts_with("AUTUMN");
            assert_eq!(applied, step["rejected"] == json!([]), "{step}");
            (step["line"].as_u64().unwrap(), applied)
        })
        .collect();
    assert_eq!(tried, [(1, true), (2, false), (3, true), (4, false)]);
    world.stop().await
}

#[tokio::test]
async fn freight_and_tax_of_the_erp_are_told_and_are_no_difference_of_price() -> anyhow::Result<()>
{
    let world = world(Vec::new()).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let price = shown(&buyer.get("/products/SKU-0002").await?, "0");
    let mut body = order("PO-1", &[("SKU-0002", "1", "EA")]);
    body["lines"][0]["expected_unit_price"] = price["unit_price"].clone();
    let placed = buyer.order("k-1", &body).await?;
    expect(&placed, 202);
    assert_eq!(placed.at("/holds"), "[]");
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(
        decimal(&seen.at("/total/amount")),
        amount(&price),
        "the lines alone"
    );

    let in_erp = the_live_one(&world, "PO-1").await?;
    let totals = &seen.json()["totals"];
    let added: Vec<(&str, Decimal)> = totals["added"]
        .as_array()
        .unwrap()
        .iter()
        .map(|charge| {
            let amount = charge["amount"]["amount"].as_str().unwrap();
            (charge["kind"].as_str().unwrap(), decimal(amount))
        })
        .collect();
    let booked: Vec<Decimal> = in_erp.added.iter().map(|charge| charge.amount).collect();
    assert_eq!(added, [("freight", booked[0]), ("tax", booked[1])]);
    assert_eq!(booked[0], dec!(25.00));
    assert!(booked[1] > Decimal::ZERO);
    let of = |what: &str| decimal(totals[what]["amount"].as_str().unwrap());
    assert_eq!(
        (of("net"), of("gross")),
        (in_erp.net_value, in_erp.gross_value)
    );
    assert_eq!(of("gross"), of("net") + booked[0] + booked[1]);
    world.stop().await
}
