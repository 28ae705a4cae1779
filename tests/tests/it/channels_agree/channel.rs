//! The channels, each as a buyer uses it: looks first, and orders what was seen.

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::{
    Acknowledged, Medium, PurchaseOrder, Terms,
    punchout::{Cart, CartItem, Operation, Order, Posted, Walk},
    until,
};

use super::scene::{Line, Scene};
use crate::support::expect;

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Portal,
    Edi,
    Cxml,
    Oci,
}

pub(crate) const ALL: [Channel; 4] = [Channel::Portal, Channel::Edi, Channel::Cxml, Channel::Oci];

/// What was seen, and what it takes to order it.
pub(crate) struct Seen {
    /// What was told before anything was ordered.
    pub(crate) shown: Vec<(Medium, Terms)>,
    /// The price of each line, where the channel shows prices.
    pub(crate) prices: Vec<String>,
    kept: Kept,
}

enum Kept {
    Quote(Option<String>),
    Nothing,
    Cart(Cart),
    Form(Posted),
}

/// What the order states of its prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stating {
    /// What the channel states by itself, under its lock where it has one.
    AsSeen,
    /// The prices that were seen, and no lock.
    WithoutLock,
}

/// What became of it.
pub(crate) struct Ordered {
    /// The order, as the portal shows it.
    pub(crate) order: Terms,
    /// Its holds, as the seller sees them.
    pub(crate) holds: Vec<String>,
    /// What the channel told by itself.
    pub(crate) told: Option<(Medium, Terms)>,
}

impl Channel {
    /// Looks at a basket.
    pub(crate) async fn look(
        self,
        scene: &Scene,
        name: &str,
        lines: &[Line],
    ) -> anyhow::Result<Seen> {
        match self {
            Self::Portal => look_at_portal(scene, name, lines).await,
            Self::Edi => Ok(Seen {
                shown: Vec::new(),
                prices: Vec::new(),
                kept: Kept::Nothing,
            }),
            Self::Cxml => look_by_cxml(scene, name, lines).await,
            Self::Oci => look_by_oci(scene, lines).await,
        }
    }

    /// Orders what was seen. `prices` are what a channel without a sight of its own states.
    pub(crate) async fn order(
        self,
        scene: &Scene,
        number: &str,
        lines: &[Line],
        seen: &Seen,
        (stating, prices): (Stating, &[String]),
    ) -> anyhow::Result<Ordered> {
        let told = match (self, &seen.kept) {
            (Self::Portal, Kept::Quote(quote)) => {
                let quote = quote.as_ref().filter(|_| stating == Stating::AsSeen);
                let prices = if stating == Stating::AsSeen {
                    &[]
                } else {
                    prices
                };
                let user = scene.user()?;
                let body = portal_order(number, lines, prices, quote);
                expect(&user.order(number, &body).await?, 202);
                None
            }
            (Self::Edi, _) => Some(order_by_edi(scene, number, lines, prices).await?),
            (Self::Cxml, Kept::Cart(cart)) => {
                Some(order_by_cxml(scene, number, &cart.items, stating).await?)
            }
            (Self::Oci, Kept::Form(form)) => {
                let form = without_locks(form, stating);
                let answer = scene
                    .world
                    .oci_buyer(&scene.site)
                    .order(number, &form)
                    .await?;
                expect(&answer, 202);
                None
            }
            _ => anyhow::bail!("{self:?} saw something else"),
        };
        let (order, holds) = scene
            .order(number)
            .await?
            .with_context(|| format!("{self:?} brought no order {number}"))?;
        Ok(Ordered { order, holds, told })
    }
}

fn portal_order(number: &str, lines: &[Line], prices: &[String], quote: Option<&String>) -> Value {
    let line = |(index, (item, value, unit, _)): (usize, &Line)| {
        let mut line = json!({"item": item, "quantity": {"value": value, "unit": unit}});
        if let Some(price) = prices.get(index) {
            line["expected_unit_price"] = json!({"amount": price, "currency": "USD", "unit": unit});
        }
        line
    };
    let lines: Vec<Value> = lines.iter().enumerate().map(line).collect();
    let mut body =
        json!({"purchase_order_number": number, "line_policy": "take_sound_lines", "lines": lines});
    if let Some(quote) = quote {
        body["quote_id"] = json!(quote);
    }
    body
}

async fn look_at_portal(scene: &Scene, name: &str, lines: &[Line]) -> anyhow::Result<Seen> {
    let user = scene.user()?;
    let lines = portal_order("", lines, &[], None)["lines"].clone();
    let body = json!({"lines": lines});
    let checked = user.post("/basket-checks", "none", &body).await?;
    expect(&checked, 200);
    let shown = Terms::of_portal(&checked.json());
    let quoted = user
        .post("/quotes", &format!("quote-{name}"), &body)
        .await?;
    let quote = (quoted.status == 201).then(|| quoted.at("/quote_id"));
    // What counts is the quote: a price may change after the check.
    let prices = match &quote {
        Some(_) => Terms::of_portal(&quoted.json()),
        None => shown.clone(),
    };
    Ok(Seen {
        prices: prices_of(&prices),
        shown: vec![(Medium::Check, shown)],
        kept: Kept::Quote(quote),
    })
}

async fn look_by_cxml(scene: &Scene, name: &str, lines: &[Line]) -> anyhow::Result<Seen> {
    let buyer = scene.world.cxml_buyer(&scene.site);
    let start = buyer
        .set_up(&format!("setup-{name}@acme"), &Operation::Create)
        .await?;
    let (page, posted) = shop(&start, lines).await?;
    let cart = Cart::read(&posted)?;
    let message = Terms::of_cart_message(&cart, scene.today())?;
    Ok(Seen {
        prices: prices_of(&message),
        shown: vec![(Medium::CartPage, page), (Medium::CartMessage, message)],
        kept: Kept::Cart(cart),
    })
}

async fn look_by_oci(scene: &Scene, lines: &[Line]) -> anyhow::Result<Seen> {
    let buyer = scene.world.oci_buyer(&scene.site);
    let start = buyer.ask(&[("http_content_charset", "UTF-8")]).await?;
    expect(&start, 303);
    let (page, posted) = shop(start.header("location"), lines).await?;
    let form = Terms::of_cart_form(&posted, scene.today())?;
    Ok(Seen {
        prices: prices_of(&form),
        shown: vec![(Medium::CartPage, page), (Medium::CartForm, form)],
        kept: Kept::Form(posted),
    })
}

/// The cart's page, and what leaves.
async fn shop(start: &str, lines: &[Line]) -> anyhow::Result<(Terms, Posted)> {
    let walk = Walk::start(start).await?;
    for (item, quantity, unit, _) in lines {
        walk.add(item, quantity, unit).await?;
    }
    let page = Terms::of_cart_page(&walk.cart().await?)?;
    Ok((page, walk.give_back().await?))
}

fn prices_of(terms: &Terms) -> Vec<String> {
    let lines = terms.lines.iter();
    lines.map(|line| line.unit_price.clone()).collect()
}

async fn order_by_edi(
    scene: &Scene,
    number: &str,
    lines: &[Line],
    prices: &[String],
) -> anyhow::Result<(Medium, Terms)> {
    let partner = scene.world.edi_partner("partner", "acme-edi-demo");
    let lines: Vec<[&str; 5]> = (0..)
        .zip(lines)
        .map(|(index, (item, value, _, unit))| {
            let price = prices.get(index).map_or("", String::as_str);
            [*value, *unit, price, "VP", *item]
        })
        .collect();
    let control = number
        .bytes()
        .fold(1_u32, |sum, byte| (sum % 10_000_000) * 31 + u32::from(byte));
    let sent = partner
        .send(PurchaseOrder::new(number, control, &lines).interchange(scene.world.now()))
        .await?;
    expect(&sent, 200);
    let what = format!("the 855 of {number}");
    let told = until(&what, async || {
        let all = partner.order_acknowledgments(1).await?;
        let named = format!("*{number}*");
        Ok(all.into_iter().find(|text| text.contains(&named)))
    });
    let told = Terms::of_acknowledgment(&Acknowledged::read(&told.await?)?);
    Ok((Medium::Acknowledgment, told))
}

async fn order_by_cxml(
    scene: &Scene,
    number: &str,
    items: &[CartItem],
    stating: Stating,
) -> anyhow::Result<(Medium, Terms)> {
    let mut items = items.to_vec();
    for item in &mut items {
        if stating == Stating::WithoutLock {
            item.auxiliary.clear();
        }
    }
    let order = Order::of(number, &items);
    let buyer = scene.world.cxml_buyer(&scene.site);
    let status = buyer.order(&format!("order-{number}@acme"), &order).await?;
    anyhow::ensure!(status.code == 200, "{status:?}");
    let what = format!("the confirmation of {number}");
    let confirmation = until(&what, async || {
        let came = scene.site.confirmations().into_iter();
        let mut about = came.filter(|document| {
            String::from_utf8_lossy(document).contains(&format!("orderID=\"{number}\""))
        });
        Ok(about.next())
    });
    let told = Terms::of_confirmation(&confirmation.await?, &order)?;
    Ok((Medium::Confirmation, told))
}

/// The same form, its locks taken out where they are not wanted.
fn without_locks(form: &Posted, stating: Stating) -> Posted {
    let fields = form.fields().into_iter();
    let fields = fields
        .filter(|(name, _)| stating == Stating::AsSeen || !name.starts_with("NEW_ITEM-EXT_QUOTE"));
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    Posted {
        path: form.path.clone(),
        body: body.finish().into_bytes(),
    }
}
