//! Amounts that are none, too much, or could be two: in the shop, in orders of cXML and in carts of OCI.

use std::time::Duration;

use tests::{
    Answer,
    punchout::{CartItem, Operation, Order, OrderLine, PASSWORD, Posted, USER},
};

use super::{ITEMS, Siege};
use crate::{
    findings::{Findings, answer_of, shortened},
    punchout_html::Page,
};

const HOSTILE: &[&str] = &[
    "0",
    "-0",
    "0.000",
    "-1",
    "-0.0001",
    "+-1",
    "--1",
    "1E5",
    "1e5",
    "1e-1",
    "0x10",
    "1_000",
    "1 000",
    "1.000.000",
    "1,000.00",
    "NaN",
    "Infinity",
    "-Infinity",
    "1/2",
    "½",
    "１２",
    "١٢",
    "Ⅻ",
    "1\u{200b}2",
    "\u{202e}21",
    "1;2",
    "1'",
    "ten",
    "1EA",
    "9999999999999999999999",
    "0.00000000001",
    "1..0",
    ".",
    "-",
    "%31",
    "1\u{0}",
];

/// What is a number of some kind for one dialect and too much for an order.
const TOO_MUCH: &[&str] = &["10000000", "1000000000", "1000000001", "999999999999999999"];

fn line(item: &str, quantity: &str) -> CartItem {
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

fn attribute(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('\u{0}', "&#0;")
}

#[tokio::test]
async fn no_amount_that_is_none_is_ordered() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let guest = siege.enter("amounts").await?;
    let before = siege.snapshot().await?;
    let mut findings = Findings::default();
    let oci = |number: &str, quantity: &str| {
        Posted {
        path: String::new(),
        body: format!(
            "NEW_ITEM-DESCRIPTION[1]=x&NEW_ITEM-VENDORMAT[1]=SKU-0001&NEW_ITEM-UNIT[1]=EA&NEW_ITEM-QUANTITY[1]={}&n={number}",
            url::form_urlencoded::byte_serialize(quantity.as_bytes()).collect::<String>()
        )
        .into_bytes(),
    }
    };
    let buyer = siege.world.oci_buyer(&siege.site);
    for (n, quantity) in HOSTILE.iter().chain(&["12,5"]).enumerate() {
        let fields = [("item", "SKU-0001"), ("quantity", quantity), ("unit", "EA")];
        let answer = guest.post("add", &fields).await;
        findings.check(
            quantity,
            answer.status == 422,
            format!("shop {}", answer.status),
        );
        let order = siege.buyer.order_document(
            &format!("amount-{n}"),
            &Order::of(
                &format!("AMOUNT-{n}"),
                &[line("SKU-0001", &attribute(quantity))],
            ),
        );
        let (code, text) = siege.told(&order).await?;
        let due = if quantity.contains('\u{0}') { 406 } else { 400 };
        findings.check(quantity, code == due, format!("cXML {code} {text}"));
        if *quantity != "12,5" {
            let answer = buyer
                .order(&format!("AMOUNT-OCI-{n}"), &oci("1", quantity))
                .await?;
            findings.check(
                quantity,
                answer.status == 422,
                format!("OCI {}: {}", answer.status, answer.text),
            );
            let ask = [
                ("FUNCTION", "VALIDATE"),
                ("PRODUCTID", "SKU-0001"),
                ("QUANTITY", *quantity),
            ];
            let answer = buyer.ask(&ask).await?;
            findings.check(
                quantity,
                answer.status == 400,
                format!("VALIDATE {}", answer.status),
            );
        }
    }
    for ambiguous in ["1,234", "1,234.56", "1.234,56"] {
        let answer = buyer.order("AMBIGUOUS", &oci("2", ambiguous)).await?;
        findings.check(
            ambiguous,
            answer.status == 422,
            format!("OCI {}: {}", answer.status, answer.text),
        );
    }
    let page = Page::read(&guest.get("cart").await.text);
    findings.check(
        "the cart",
        page.text.contains("Your cart is empty"),
        "it has lines",
    );
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

#[tokio::test]
async fn no_amount_that_is_too_much_is_ordered() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let mut findings = Findings::default();
    let buyer = siege.world.oci_buyer(&siege.site);
    for (n, quantity) in TOO_MUCH.iter().enumerate() {
        let order = siege.buyer.order_document(
            &format!("much-{n}"),
            &Order::of(&format!("MUCH-{n}"), &[line("SKU-0001", quantity)]),
        );
        let (code, text) = siege.told(&order).await?;
        // Received, and refused by a confirmation.
        findings.check(
            quantity,
            [200, 400].contains(&code),
            format!("{code} {text}"),
        );
        let fields = format!(
            "NEW_ITEM-DESCRIPTION[1]=x&NEW_ITEM-VENDORMAT[1]=SKU-0001&NEW_ITEM-UNIT[1]=EA&NEW_ITEM-QUANTITY[1]={quantity}"
        );
        let posted = Posted {
            path: String::new(),
            body: fields.into_bytes(),
        };
        let answer = buyer.order(&format!("MUCH-OCI-{n}"), &posted).await?;
        findings.check(
            quantity,
            answer.status == 422,
            format!("OCI {}: {}", answer.status, answer.text),
        );
        let guest = siege.enter(&format!("much-{n}")).await?;
        let fields = [
            ("item", "SKU-0001"),
            ("quantity", *quantity),
            ("unit", "EA"),
        ];
        let added = guest.post("add", &fields).await;
        let answer = guest.post("return", &[]).await;
        // It may stand in the cart, and cannot leave.
        let stays = answer.status == 422
            || (added.status == 422 && answer.header("location").ends_with("/cart"));
        findings.check(
            quantity,
            stays,
            format!("{} {}", added.status, answer.status),
        );
    }
    findings.none();
    for item in ITEMS {
        let product = siege.user.get(&format!("/products/{item}")).await?;
        assert_eq!(product.status, 200, "{}", product.text);
    }
    let live = siege.world.estate.sandbox.erp.orders();
    assert!(
        live.iter().all(|order| order.blocked) || live.is_empty(),
        "{live:?}"
    );
    siege.end().await
}

#[tokio::test]
async fn carts_at_the_limit_are_taken_and_beyond_it_refused() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let items = siege.left("left", &[("SKU-0001", "1")]).await?;
    let mut findings = Findings::default();
    let order = |number: &str, count: u32| Order {
        lines: (1..=count)
            .map(|number| OrderLine {
                number,
                quantity: "1".to_owned(),
                item: items[0].clone(),
            })
            .collect(),
        ..Order::of(number, &[])
    };
    let patience = Duration::from_secs(120);
    let send =
        async |document: String| tokio::time::timeout(patience, siege.told(&document)).await?;
    let (code, text) = send(
        siege
            .buyer
            .order_document("beyond", &order("BEYOND", 5_001)),
    )
    .await?;
    findings.check(
        "5,001 lines",
        code == 400 && text.contains("5000"),
        format!("{code} {text}"),
    );
    findings.check(
        "5,001 lines",
        siege.in_the_erp("BEYOND") == 0,
        "were ordered",
    );
    let (code, text) = send(siege.buyer.order_document("at", &order("AT", 5_000))).await?;
    findings.check("5,000 lines", code == 200, format!("{code} {text}"));
    let same = |count: usize| Operation::Edit(vec![items[0].clone(); count]);
    for (count, due) in [(500, 200), (501, 400), (5_001, 400)] {
        let document = siege.setup(&format!("edit-{count}"), "edit", &same(count));
        let (code, text) = send(document).await?;
        findings.check(
            &format!("{count} lines back"),
            code == due,
            format!("{code} {text}"),
        );
    }
    let oci = |count: usize| {
        let mut body = String::from("PO_NUMBER=OCI");
        for n in 1..=count {
            body.push_str(&format!("&NEW_ITEM-DESCRIPTION[{n}]=x&NEW_ITEM-QUANTITY[{n}]=1&NEW_ITEM-UNIT[{n}]=EA&NEW_ITEM-VENDORMAT[{n}]=SKU-0001"));
        }
        body
    };
    let answer = posted(&siege, oci(5_001)).await;
    findings.check(
        "5,001 items",
        answer.status == 413,
        format!("{} {}", answer.status, shortened(&answer.text)),
    );
    let answer = posted(&siege, format!("PO_NUMBER=FLOOD{}", "&a".repeat(1_000_000))).await;
    findings.check(
        "a million fields",
        [413, 422].contains(&answer.status.as_u16()),
        format!("{}", answer.status),
    );
    let answer = posted(&siege, "x".repeat(7 * 1024 * 1024)).await;
    findings.check("7 MiB", answer.status == 413, format!("{}", answer.status));
    let answer = posted(&siege, "PO_NUMBER=INDEX&NEW_ITEM-QUANTITY[4294967296]=1&NEW_ITEM-QUANTITY[-1]=1&NEW_ITEM-QUANTITY[1][2]=1".to_owned()).await;
    findings.check(
        "indices",
        answer.status == 422,
        format!("{}", answer.status),
    );
    findings.check(
        "by OCI",
        siege.in_the_erp("OCI") == 0 && siege.in_the_erp("FLOOD") == 0,
        "was ordered",
    );
    findings.none();
    siege.end().await
}

async fn posted(siege: &Siege, body: String) -> Answer {
    let request = siege
        .http
        .post(siege.url("/punchout/oci/acme-punchout/orders"));
    let request = request.basic_auth(USER, Some(PASSWORD));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    answer_of(request.body(body)).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn numbers_and_dates_at_their_ends_are_answered_for_good() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let most = "999999999999999999";
    let least = "0.000000001";
    let basis = |quantity: &str, factor: &str| {
        format!(
            "<PriceBasisQuantity quantity=\"{quantity}\" conversionFactor=\"{factor}\"><UnitOfMeasure>EA</UnitOfMeasure></PriceBasisQuantity></ItemDetail>"
        )
    };
    let parts = |quantity: &str| {
        let part =
            format!("<ScheduleLine quantity=\"{quantity}\" requestedDeliveryDate=\"2026-12-31\"/>");
        format!("{}</ItemOut>", part.repeat(100))
    };
    let extremes: Vec<(&str, String)> = vec![
        (
            ">1.00</Money></UnitPrice>",
            format!(">{most}</Money></UnitPrice>"),
        ),
        (
            ">1.00</Money></UnitPrice>",
            format!(">{least}</Money></UnitPrice>"),
        ),
        (
            ">1.00</Money></UnitPrice>",
            format!(">-{least}</Money></UnitPrice>"),
        ),
        (
            ">1.00</Money></Total>",
            format!(">{most}.999999999</Money></Total>"),
        ),
        (">1.00</Money></Total>", format!(">-{most}</Money></Total>")),
        ("</ItemDetail>", basis(least, most)),
        ("</ItemDetail>", basis(most, least)),
        ("</ItemDetail>", basis("0", "1")),
        ("</ItemOut>", parts(&format!("{most}.999999999"))),
        ("</ItemOut>", parts(least)),
        ("lineNumber=\"1\"", "lineNumber=\"0\"".to_owned()),
        ("lineNumber=\"1\"", "lineNumber=\"4294967295\"".to_owned()),
        ("lineNumber=\"1\"", "lineNumber=\"4294967296\"".to_owned()),
        ("lineNumber=\"1\"", "lineNumber=\"-1\"".to_owned()),
        (
            "lineNumber=\"1\"",
            "lineNumber=\"1\" requestedDeliveryDate=\"9999-12-31\"".to_owned(),
        ),
        (
            "lineNumber=\"1\"",
            "lineNumber=\"1\" requestedDeliveryDate=\"0000-01-01\"".to_owned(),
        ),
        (
            "lineNumber=\"1\"",
            "lineNumber=\"1\" requestedDeliveryDate=\"-9999-01-01\"".to_owned(),
        ),
        (
            "lineNumber=\"1\"",
            "lineNumber=\"1\" requestedDeliveryDate=\"2026-02-30\"".to_owned(),
        ),
        ("orderDate=\"2026", "orderDate=\"9999999".to_owned()),
        ("timestamp=\"2026", "timestamp=\"-99999".to_owned()),
    ];
    let mut findings = Findings::default();
    for (n, (old, new)) in extremes.iter().enumerate() {
        let order = Order::of(&format!("END-{n}"), &[line("SKU-0001", "1")]);
        let document = siege.buyer.order_document(&format!("end-{n}"), &order);
        anyhow::ensure!(document.contains(old), "{old}: {document}");
        let (code, text) = siege.told(&document.replacen(old, new, 1)).await?;
        // Never one that would have it sent again for ever.
        findings.check(
            new,
            [200, 400, 417].contains(&code),
            format!("{code} {text}"),
        );
    }
    // More than is kept of a visit, in one piece and in many.
    let sound = siege.setup("kept", "kept", &Operation::Create);
    let many = "<Extrinsic name=\"\"/>".repeat(100_000);
    let kept = [
        sound.replacen(
            "<BuyerCookie>kept",
            &format!("<BuyerCookie>{}", "c".repeat(70_000)),
            1,
        ),
        sound.replacen("<Extrinsic", &format!("{many}<Extrinsic"), 1),
        sound.replacen(
            "<BuyerCookie>kept",
            &format!("<BuyerCookie>{}", "<a/>".repeat(20_000)),
            1,
        ),
    ];
    for (n, document) in kept.iter().enumerate() {
        let document = document.replace("payloadID=\"kept\"", &format!("payloadID=\"kept-{n}\""));
        let (code, text) = siege.told(&document).await?;
        findings.check("too much to keep", code == 400, format!("{code} {text}"));
    }
    // As much as is kept leaves again.
    let cookie = "\u{1f600}\"&amp;".repeat(6_500);
    let document = sound.replacen("<BuyerCookie>kept", &format!("<BuyerCookie>{cookie}"), 1);
    let status = siege.buyer.send(&document).await?;
    let start = status
        .start
        .ok_or_else(|| anyhow::anyhow!("{}", status.document))?;
    let guest = super::Guest::enter(&siege.http, &start).await?;
    guest.add("SKU-0001", "1", "EA").await?;
    let left = super::cart_of(&guest.give_back().await?)?;
    let same = left.cookie == cookie.replace("&amp;", "&");
    findings.check("as much as is kept", same, shortened(&left.cookie));
    findings.none();
    siege.end().await
}
