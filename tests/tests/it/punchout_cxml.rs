//! A buyer shops by cXML with a real browser: from the set-up to the order in the ERP's own record and its
//! confirmation, and again to change, look at and call off. In a frame with scripts, by a link without.

use std::sync::Arc;

use rust_decimal::Decimal;
use sandbox::erp::OrderStatus;
use tests::{
    Setup, World,
    browser::{Browser, JavaScript},
    needs::{self, Chromium},
    punchout::{
        Cart, CartItem, Confirmation, CxmlBuyer, Dtds, Operation, Order, OrderType, Shopper, Site,
    },
    until,
};

use crate::support::{decimal, the_live_one};

/// Two products of which there are none and of which none are on their way: no warehouse has a part in their orders, so
/// they can be changed and called off.
const FIRST: &str = "SKU-0020";
const SECOND: &str = "SKU-0060";

/// The buyer's number of the order.
const NUMBER: &str = "4500001";

/// How the user gets into the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Frame,
    Link,
}

/// A world, the buyer's site and system, and its user's browser.
struct Play {
    world: World,
    site: Arc<Site>,
    buyer: CxmlBuyer,
    browser: Browser,
    javascript: JavaScript,
    way: Way,
    dtds: Option<Dtds>,
}

impl Play {
    async fn start(
        chromium: &Chromium,
        javascript: JavaScript,
        way: Way,
        changes: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let site = Arc::new(Site::start().await?);
        let setup = Setup::default().with_punchout_partner(&site, changes)?;
        let world = World::start_with(setup).await?;
        Ok(Self {
            buyer: world.cxml_buyer(&site),
            browser: Browser::start(chromium, javascript).await?,
            dtds: Dtds::find(),
            world,
            site,
            javascript,
            way,
        })
    }

    /// Sets a visit up, and lets the user in.
    async fn enter(&self, payload_id: &str, operation: &Operation) -> anyhow::Result<Shopper<'_>> {
        let start = self.buyer.set_up(payload_id, operation).await?;
        let shopper = Shopper::new(&self.browser, self.javascript);
        match self.way {
            Way::Frame => shopper.enter_in_frame(&self.site.frame(&start)).await?,
            Way::Link => shopper.enter_by_link(&self.site.link(&start)).await?,
        }
        Ok(shopper)
    }

    /// The cart that came back as the nth, valid and of this visit.
    async fn came_back(&self, nth: usize, payload_id: &str) -> anyhow::Result<Cart> {
        let cart = Cart::read(&self.site.cart(nth).await?)?;
        assert_eq!(cart.cookie, format!("req-{payload_id}<1>"));
        self.judge(cart.document.as_bytes())?;
        Ok(cart)
    }

    /// Waits until so many confirmations have come, and gives the last, valid and in our name.
    async fn confirmation(&self, count: usize) -> anyhow::Result<Confirmation> {
        let document = until(&format!("confirmation {count}"), async || {
            let came = self.site.confirmations();
            Ok(came.into_iter().nth(count - 1))
        })
        .await?;
        self.judge(&document)?;
        let confirmation = Confirmation::read(&document)?;
        assert_eq!(confirmation.sender, "AN01-NORTHWIND");
        assert_eq!(confirmation.secret, "northwind-to-acme-demo");
        Ok(confirmation)
    }

    fn judge(&self, document: &[u8]) -> anyhow::Result<()> {
        self.dtds
            .as_ref()
            .map_or(Ok(()), |dtds| dtds.judge(document))
    }

    async fn end(self) -> anyhow::Result<()> {
        if let Some(dtds) = &self.dtds {
            assert!(self.buyer.judge(dtds)? > 0, "no Response came");
        }
        self.world.stop().await
    }
}

/// What a line of a cart must be, whatever it costs today.
fn sound(item: &CartItem) {
    assert!(decimal(&item.unit_price) > Decimal::ZERO, "{item:?}");
    assert_eq!(
        (item.currency.as_str(), item.class_domain.as_str()),
        ("USD", "UNSPSC")
    );
    assert!(
        item.class.len() == 8 && !item.description.is_empty(),
        "{item:?}"
    );
    let lock = item.auxiliary.as_str();
    let plain = |c: char| c.is_ascii_hexdigit() || c == '-';
    assert!(
        (34..=100).contains(&lock.len()) && lock.chars().all(plain),
        "{item:?}"
    );
}

/// The ERP's order of a purchase order has these lines, at the prices of the cart.
async fn in_the_erp(
    world: &World,
    number: &str,
    lines: &[(&CartItem, &str)],
) -> anyhow::Result<String> {
    let kept = the_live_one(world, number).await?;
    assert_eq!(
        (kept.account.as_str(), kept.ship_to.as_str()),
        ("ACME", "ACME-01")
    );
    let seen: Vec<_> = kept
        .lines
        .iter()
        .map(|line| {
            (
                line.item.clone(),
                line.quantity,
                line.unit.clone(),
                line.net_price,
            )
        })
        .collect();
    let expected: Vec<_> = lines
        .iter()
        .map(|(item, quantity)| {
            let price = decimal(&item.unit_price);
            // The ERP's own word for the unit.
            let unit = item.unit.replace("EA", "ST");
            (item.part.clone(), decimal(quantity), unit, price)
        })
        .collect();
    assert_eq!(seen, expected, "{kept:?}");
    Ok(kept.number)
}

/// Create, order; edit, update; inspect; delete.
async fn from_set_up_to_the_end_of_an_order(play: Play) -> anyhow::Result<()> {
    let shopper = play.enter("setup-1", &Operation::Create).await?;
    shopper.search(FIRST).await?;
    shopper.add(FIRST, "EA", "24").await?;
    shopper.search(SECOND).await?;
    shopper.add(SECOND, "EA", "3").await?;
    shopper.cart(2).await?;
    shopper.give_back().await?;
    let cart = play.came_back(1, "setup-1").await?;
    assert_eq!(
        (cart.operation_allowed.as_str(), cart.status.as_str()),
        ("edit", "")
    );
    let [first, second] = cart.items.as_slice() else {
        panic!("two lines were expected: {}", cart.document);
    };
    sound(first);
    sound(second);
    assert_eq!(
        (first.part.as_str(), decimal(&first.quantity)),
        (FIRST, decimal("24"))
    );

    let order = Order::of(NUMBER, &cart.items);
    let status = play.buyer.order("order-1", &order).await?;
    assert_eq!(status.code, 200, "{status:?}");
    let number = in_the_erp(&play.world, NUMBER, &[(first, "24"), (second, "3")]).await?;
    let confirmation = play.confirmation(1).await?;
    told(
        &confirmation,
        ["backordered", "new", "order-1"],
        &["24", "3"],
    );

    // The same document once more is the same order, and the same answer.
    let again = play.buyer.order("order-1", &order).await?;
    assert_eq!(again.document, status.document);
    assert_eq!(the_live_one(&play.world, NUMBER).await?.number, number);

    edited(&play, &order, &cart).await?;
    inspected(&play, &cart).await?;
    called_off(&play, &order).await?;
    play.end().await
}

/// The first line in another quantity, and the order replaced by it.
async fn edited(play: &Play, order: &Order, cart: &Cart) -> anyhow::Result<()> {
    let shopper = play
        .enter("setup-2", &Operation::Edit(cart.items.clone()))
        .await?;
    shopper.cart(2).await?;
    shopper.change(FIRST, "EA", "30").await?;
    shopper.give_back().await?;
    let changed = play.came_back(2, "setup-2").await?;
    let [first, second] = changed.items.as_slice() else {
        panic!("two lines were expected: {}", changed.document);
    };
    assert_eq!(decimal(&first.quantity), decimal("30"));
    let update = Order {
        kind: OrderType::Update,
        replaces: Some("order-1".to_owned()),
        ..Order::of(&order.id, &changed.items)
    };
    let status = play.buyer.order("order-2", &update).await?;
    assert_eq!(status.code, 200, "{status:?}");
    until("the changed order in the ERP", async || {
        let live = crate::support::live(&play.world, &order.id);
        let changed = live
            .iter()
            .all(|one| one.lines.iter().any(|line| line.quantity == decimal("30")));
        Ok((live.len() == 1 && changed).then_some(()))
    })
    .await?;
    in_the_erp(&play.world, &order.id, &[(first, "30"), (second, "3")]).await?;
    let confirmation = play.confirmation(2).await?;
    told(
        &confirmation,
        ["backordered", "new", "order-2"],
        &["30", "3"],
    );
    Ok(())
}

/// The cart can be looked at and not changed, and nothing of it comes back.
async fn inspected(play: &Play, cart: &Cart) -> anyhow::Result<()> {
    let shopper = play
        .enter("setup-3", &Operation::Inspect(cart.items.clone()))
        .await?;
    shopper.cart(2).await?;
    let text = play.browser.text().await?;
    assert!(text.contains("It cannot be changed here"), "{text}");
    assert_eq!(
        play.browser
            .count("//button[normalize-space()='Return the cart']")
            .await?,
        0
    );
    shopper.leave().await?;
    let nothing = play.came_back(3, "setup-3").await?;
    assert_eq!((nothing.status.as_str(), nothing.items.len()), ("204", 0));
    Ok(())
}

/// What a confirmation says of an order that waits for goods: type, operation, the document that it answers, and the
/// quantity of each line with a date.
fn told(confirmation: &Confirmation, said: [&str; 3], quantities: &[&str]) {
    let Confirmation {
        kind,
        operation,
        order_payload_id,
        ..
    } = confirmation;
    assert_eq!(
        [kind, operation, order_payload_id],
        said,
        "{confirmation:?}"
    );
    assert_eq!(confirmation.order_id, NUMBER);
    assert!(!confirmation.confirm_id.is_empty(), "{confirmation:?}");
    let lines = confirmation
        .items
        .iter()
        .map(|item| match item.parts.as_slice() {
            [(quantity, kind, date)] if kind == "backordered" && !date.is_empty() => {
                quantity.as_str()
            }
            _ => panic!("{item:?}"),
        });
    assert_eq!(lines.collect::<Vec<_>>(), quantities);
}

async fn called_off(play: &Play, order: &Order) -> anyhow::Result<()> {
    let delete = Order {
        kind: OrderType::Delete,
        replaces: Some("order-2".to_owned()),
        ..order.clone()
    };
    let status = play.buyer.order("order-3", &delete).await?;
    assert_eq!(status.code, 200, "{status:?}");
    until("the end of the order in the ERP", async || {
        let mut orders = play.world.estate.sandbox.erp.orders();
        orders.retain(|one| one.purchase_order_number == order.id);
        let ended = orders
            .iter()
            .all(|one| one.status == OrderStatus::Cancelled || one.blocked);
        Ok(ended.then_some(()))
    })
    .await?;
    let confirmation = play.confirmation(3).await?;
    assert_eq!(
        (confirmation.kind.as_str(), confirmation.operation.as_str()),
        ("reject", "update")
    );
    assert_eq!(confirmation.order_payload_id, "order-2");
    assert_eq!(confirmation.comments, ["The order was cancelled."]);
    Ok(())
}

#[tokio::test]
async fn in_a_frame_with_scripts_a_cart_becomes_an_order_and_follows_the_buyer()
-> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    let play = Play::start(&chromium, JavaScript::On, Way::Frame, &[]).await?;
    Box::pin(from_set_up_to_the_end_of_an_order(play)).await
}

#[tokio::test]
async fn by_a_link_without_scripts_in_base64_and_by_the_newest_dtd_it_is_the_same()
-> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    let changes = [
        ("\"urlencoded\"", "\"base64\""),
        ("version = \"1.2.053\"", "version = \"1.2.071\""),
    ];
    let play = Play::start(&chromium, JavaScript::Off, Way::Link, &changes).await?;
    Box::pin(from_set_up_to_the_end_of_an_order(play)).await
}
