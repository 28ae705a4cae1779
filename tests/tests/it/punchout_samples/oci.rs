//! The carts of OCI, read from their pages as a browser reads them and posted as orders.

use std::path::Path;

use tests::{
    Answer, needs,
    punchout::{PASSWORD, USER},
};

use super::{Kept, Play, files};
use crate::{
    findings::{Findings, answer_of, shortened},
    punchout_html::Page,
};

/// What is due of a cart: as an order at its own prices, and with our products, currency and prices of today.
struct Row {
    file: &'static str,
    /// The problem of the cart as it is, and what it names.
    as_it_is: (u16, &'static str),
    /// What the ERP should have once the items are ours; empty = it is no order whatever they are.
    taken: &'static [Kept],
    why: &'static str,
}

const TEN: &[Kept] = &[
    ("SKU-0002", "1", "EA"),
    ("SKU-0003", "1", "EA"),
    ("SKU-0005", "1", "EA"),
    ("SKU-0006", "1", "EA"),
    ("SKU-0007", "1", "EA"),
    ("SKU-0009", "1", "EA"),
    ("SKU-0011", "1", "EA"),
    ("SKU-0013", "1", "EA"),
    ("SKU-0014", "1", "EA"),
    ("SKU-0015", "1", "EA"),
];
const FOREIGN_CURRENCY: (u16, &str) = (422, "currency: USD left, EUR came");

const TABLE: &[Row] = &[
    Row {
        file: "oci30_spec_priceunit.html",
        as_it_is: (422, "NEW_ITEM-VENDORMAT[1]"),
        taken: &[("SKU-0002", "20", "EA")],
        why: "the book's example of PRICEUNIT names no part number, without which nothing can be ordered; with one, 50.00 for 5 is ten each",
    },
    Row {
        file: "punchoutsandbox__return_body.form",
        as_it_is: (422, "currency: USD left, GBP came"),
        taken: &[("SKU-0001", "3", "XCT"), ("SKU-0002", "500", "EA")],
        why: "two currencies, neither the account's; BX is a carton by agreement, and one line is priced per thousand",
    },
    Row {
        file: "punchoutsandbox__return_form.html",
        as_it_is: (422, "currency: USD left, GBP came"),
        taken: &[("SKU-0001", "3", "XCT"), ("SKU-0002", "500", "EA")],
        why: "the same as a page",
    },
    Row {
        file: "punchoutsandbox__validate_response.html",
        as_it_is: FOREIGN_CURRENCY,
        taken: &[("SKU-0002", "500", "EA")],
        why: "what VALIDATE answers is a cart of one item",
    },
    Row {
        file: "sapoci__oci40_meplato_extensions.html",
        as_it_is: FOREIGN_CURRENCY,
        taken: TEN,
        why: "fields of its own are read over; leading zeros and descriptions of more than 40 characters do no harm",
    },
    Row {
        file: "sapoci__oci40_real_world.html",
        as_it_is: FOREIGN_CURRENCY,
        taken: TEN,
        why: "a real shop's cart: EXT_PRODUCT_ID is the part number, PA a unit that is agreed",
    },
    Row {
        file: "sapoci__valid_invalid_longtext_html.html",
        as_it_is: FOREIGN_CURRENCY,
        taken: &[
            ("SKU-0002", "1", "EA"),
            ("SKU-0003", "2", "EA"),
            ("SKU-0005", "1", "EA"),
            ("SKU-0006", "1", "EA"),
            ("SKU-0007", "1", "EA"),
        ],
        why: "five spellings of LONGTEXT, none of which keeps anybody from ordering",
    },
    Row {
        file: "sapoci__valid_long_html.html",
        as_it_is: FOREIGN_CURRENCY,
        taken: &[("SKU-0002", "1", "EA"), ("SKU-0003", "2", "EA")],
        why: "quotes within values are written as references, GTIN is no field of the book",
    },
    Row {
        file: "sapoci__valid_single_html.html",
        as_it_is: (422, "NEW_ITEM-QUANTITY[1]"),
        taken: &[],
        why: "a description and nothing more: without quantity and unit it is no order",
    },
];

type Fields = Vec<(String, String)>;

fn fields(path: &Path) -> anyhow::Result<Fields> {
    let bytes = std::fs::read(path)?;
    if path.extension().is_some_and(|end| end == "form") {
        return Ok(url::form_urlencoded::parse(&bytes).into_owned().collect());
    }
    Ok(Page::read(&String::from_utf8(bytes)?).fields())
}

/// A cart of these items: their products, currency and prices are ours, all else is as it came.
fn adapted(fields: &Fields, lines: &[Kept], prices: &[rust_decimal::Decimal]) -> Fields {
    let index = |name: &str| -> Option<usize> {
        let place = name.strip_prefix("NEW_ITEM-")?.split_once('[')?.1;
        place.strip_suffix(']')?.parse().ok()
    };
    let per = |n: usize| {
        let name = format!("NEW_ITEM-PRICEUNIT[{n}]");
        let found = fields.iter().find(|(known, _)| *known == name);
        found.map_or(rust_decimal::Decimal::ONE, |(_, value)| {
            crate::support::decimal(value)
        })
    };
    let mut ours: Fields = Vec::new();
    for (name, value) in fields {
        let field = name
            .trim_start_matches("NEW_ITEM-")
            .split('[')
            .next()
            .unwrap_or_default();
        let line = index(name).and_then(|n| lines.get(n.checked_sub(1)?).zip(prices.get(n - 1)));
        let value = match (field, line) {
            ("VENDORMAT" | "EXT_PRODUCT_ID", Some(((item, ..), _))) => (*item).to_owned(),
            ("CURRENCY", Some(_)) => "USD".to_owned(),
            ("PRICE", Some((_, price))) => (*price * per(index(name).unwrap_or(1))).to_string(),
            _ => value.clone(),
        };
        ours.push((name.clone(), value));
    }
    for (n, (item, ..)) in (1..).zip(lines) {
        let named = |field: &str| {
            ours.iter()
                .any(|(name, _)| *name == format!("NEW_ITEM-{field}[{n}]"))
        };
        if !named("VENDORMAT") && !named("EXT_PRODUCT_ID") {
            ours.push((format!("NEW_ITEM-VENDORMAT[{n}]"), (*item).to_owned()));
        }
    }
    ours
}

async fn post(play: &Play, fields: &Fields, more: &[(&str, &str)], login: Option<&str>) -> Answer {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields).extend_pairs(more);
    let url = format!(
        "{}/punchout/oci/acme-punchout/orders",
        play.world.estate.experience_url
    );
    let request = play.world.http.post(url);
    let request = match login {
        Some(password) => request.basic_auth(USER, Some(password)),
        None => request,
    };
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    answer_of(request.body(body.finish())).await
}

async fn walk(
    play: &Play,
    findings: &mut Findings,
    folder: &Path,
    row: &Row,
) -> anyhow::Result<()> {
    let cart = fields(&folder.join(row.file))?;
    let case = format!("{} ({})", row.file, row.why);
    let number = row.file.split('.').next().unwrap_or_default();
    let number: String = number
        .chars()
        .rev()
        .take(30)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let mut due = |step: &str, answer: &Answer, status: u16, word: &str| {
        let right = answer.status == status && answer.text.contains(word);
        findings.check(
            &case,
            right,
            format!(
                "{step}: {status} '{word}' is due, not {} {}",
                answer.status,
                shortened(&answer.text)
            ),
        );
    };
    due(
        "from a stranger",
        &post(play, &cart, &[("PO_NUMBER", &number)], None).await,
        401,
        "unauthenticated",
    );
    due(
        "with a wrong password",
        &post(play, &cart, &[("PO_NUMBER", &number)], Some("wrong")).await,
        401,
        "unauthenticated",
    );
    due(
        "without a number",
        &post(play, &cart, &[], Some(PASSWORD)).await,
        422,
        "PO_NUMBER",
    );
    let (status, word) = row.as_it_is;
    due(
        "as it is",
        &post(play, &cart, &[("PO_NUMBER", &number)], Some(PASSWORD)).await,
        status,
        word,
    );
    if play.count(&number) > 0 {
        anyhow::bail!("{case}: it was ordered");
    }
    if row.taken.is_empty() {
        return Ok(());
    }
    let prices = play.prices(row.taken).await?;
    let twice: Vec<_> = prices
        .iter()
        .map(|price| price * rust_decimal::Decimal::TWO)
        .collect();
    let held = format!("{number}-H");
    let dear = adapted(&cart, row.taken, &twice);
    due(
        "at other prices",
        &post(play, &dear, &[("PO_NUMBER", &held)], Some(PASSWORD)).await,
        202,
        "\"status\":\"held\"",
    );
    let ours = adapted(&cart, row.taken, &prices);
    let answer = post(play, &ours, &[("PO_NUMBER", &number)], Some(PASSWORD)).await;
    due("as ours", &answer, 202, "\"test\":false");
    if answer.status == 202 {
        play.kept(findings, &case, &number, row.taken, &prices)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_oci_sample_is_answered_as_it_should_be() -> anyhow::Result<()> {
    let Some(folder) = needs::samples().map(|folder| folder.join("oci")) else {
        return Ok(());
    };
    files(&folder, TABLE.iter().map(|row| row.file))?;
    let play = Play::start().await?;
    let mut findings = Findings::default();
    for row in TABLE {
        walk(&play, &mut findings, &folder, row).await?;
    }
    findings.none();
    play.world.stop().await
}
