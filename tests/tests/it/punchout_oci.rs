//! A buyer shops by OCI with a real browser: from the login to the order in the ERP's own record; and its system asks
//! for one item and for a search, without a visit.

use std::sync::Arc;

use rust_decimal::Decimal;
use tests::{
    Setup, World,
    browser::{Browser, JavaScript},
    needs::{self, Chromium},
    punchout::{OciBuyer, OciItem, Posted, Shopper, Site},
};

use crate::support::{decimal, expect, the_live_one};

/// A world, the buyer's site and system.
struct Play {
    world: World,
    site: Arc<Site>,
    buyer: OciBuyer,
}

impl Play {
    async fn start() -> anyhow::Result<Self> {
        let site = Arc::new(Site::start().await?);
        let setup = Setup::default().with_punchout_partner(&site, &[])?;
        let world = World::start_with(setup).await?;
        Ok(Self {
            buyer: world.oci_buyer(&site),
            world,
            site,
        })
    }

    /// What the browser posted last, at the address of `HOOK_URL` and with its query among the fields.
    async fn came_back(&self, nth: usize) -> anyhow::Result<(Posted, Vec<OciItem>)> {
        let posted = self.site.cart(nth).await?;
        assert_eq!(posted.path, "/oci/cart");
        let fields = posted.fields();
        for (name, value) in [
            ("sap-client", "100"),
            ("sessid", "ABC=="),
            ("~OkCode", "ADDI"),
        ] {
            let held = fields
                .iter()
                .any(|field| (field.0.as_str(), field.1.as_str()) == (name, value));
            assert!(held, "{name} is missing: {fields:?}");
        }
        let items = OciItem::all(&fields);
        Ok((posted, items))
    }
}

/// A line of a cart that any system takes: required fields, lengths and decimals by the book.
fn sound(item: &OciItem) {
    let limits = [
        ("DESCRIPTION", 40),
        ("UNIT", 3),
        ("QUANTITY", 15),
        ("PRICE", 15),
        ("CURRENCY", 5),
    ];
    for (field, most) in limits {
        let length = item.get(field).chars().count();
        assert!((1..=most).contains(&length), "{field}: {item:?}");
    }
    for field in ["QUANTITY", "PRICE"] {
        let (whole, decimals) = item
            .get(field)
            .split_once('.')
            .unwrap_or_else(|| (item.get(field), ""));
        assert!(
            whole.len() <= 11 && decimals.len() <= 3,
            "{field}: {item:?}"
        );
        assert!(
            decimal(item.get(field)) > Decimal::ZERO,
            "{field}: {item:?}"
        );
    }
    assert_eq!(item.get("CURRENCY"), "USD");
}

fn locked(item: &OciItem) {
    let (quote, line) = (item.get("EXT_QUOTE_ID"), item.get("EXT_QUOTE_ITEM"));
    assert!(
        quote.len() == 32 && !line.is_empty(),
        "no price lock: {item:?}"
    );
}

async fn from_login_to_an_order(chromium: &Chromium, javascript: JavaScript) -> anyhow::Result<()> {
    let play = Play::start().await?;
    let browser = Browser::start(chromium, javascript).await?;
    let shopper = Shopper::new(&browser, javascript);
    let call = play.buyer.call(&[("~TARGET", "_top")]);
    shopper.enter_by_link(&play.site.link(&call)).await?;
    shopper.search("SKU-000").await?;
    assert!(
        !browser.address().await?.contains("PASSWORD"),
        "the credential stays behind"
    );
    shopper.add("SKU-0001", "EA", "24").await?;
    shopper.add("SKU-0003", "EA", "2").await?;
    shopper.cart(2).await?;
    shopper.give_back().await?;
    let (posted, items) = play.came_back(1).await?;
    let [first, second] = items.as_slice() else {
        panic!("two lines were expected: {items:?}");
    };
    for item in [first, second] {
        sound(item);
        locked(item);
    }
    assert_eq!(decimal(first.get("QUANTITY")), decimal("24"));

    let answer = play.buyer.order("4600001", &posted).await?;
    expect(&answer, 202);
    let kept = the_live_one(&play.world, "4600001").await?;
    assert_eq!(kept.account, "ACME");
    let lines: Vec<_> = kept
        .lines
        .iter()
        .map(|line| (line.item.as_str(), line.quantity, line.net_price))
        .collect();
    let expected: Vec<_> = [("SKU-0001", first), ("SKU-0003", second)]
        .map(|(item, left)| {
            let each = decimal(left.get("PRICE")) / decimal(left.get("PRICEUNIT"));
            (item, decimal(left.get("QUANTITY")), each)
        })
        .into();
    assert_eq!(lines, expected);

    // The same order once more is the same order.
    expect(&play.buyer.order("4600001", &posted).await?, 202);
    assert_eq!(
        the_live_one(&play.world, "4600001").await?.number,
        kept.number
    );
    play.world.stop().await
}

#[tokio::test]
async fn a_buyer_shops_by_oci_from_login_to_order() -> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    from_login_to_an_order(&chromium, JavaScript::On).await
}

#[tokio::test]
async fn by_oci_without_scripts_it_is_the_same() -> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    from_login_to_an_order(&chromium, JavaScript::Off).await
}

#[tokio::test]
async fn a_buyers_system_asks_for_one_item_and_for_what_is_found() -> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    let play = Play::start().await?;
    let browser = Browser::start(&chromium, JavaScript::On).await?;
    let validate = [
        ("FUNCTION", "VALIDATE"),
        ("PRODUCTID", "SKU-0001"),
        ("QUANTITY", "24"),
    ];
    browser.open(&play.buyer.call(&validate)).await?;
    browser.see("The cart is back.").await?;
    let (_, items) = play.came_back(1).await?;
    let [item] = items.as_slice() else {
        panic!("one item was expected: {items:?}");
    };
    sound(item);
    locked(item);
    assert_eq!(
        (item.get("EXT_PRODUCT_ID"), decimal(item.get("QUANTITY"))),
        ("SKU-0001", decimal("24"))
    );

    let search = [
        ("FUNCTION", "BACKGROUND_SEARCH"),
        ("SEARCHSTRING", "SKU-000"),
    ];
    browser.open(&play.buyer.call(&search)).await?;
    browser.see("The cart is back.").await?;
    let (_, hits) = play.came_back(2).await?;
    assert!(hits.len() > 3, "{hits:?}");
    for hit in &hits {
        sound(hit);
        assert!(hit.get("EXT_PRODUCT_ID").starts_with("SKU-000"), "{hit:?}");
    }
    play.world.stop().await
}
