//! The terms as the punchout channel tells them: on the cart's page, in the carts that go back, and in a confirmation.

use std::str::FromStr as _;

use anyhow::Context as _;
use jiff::{ToSpan as _, civil::Date};
use roxmltree::Node;
use rust_decimal::Decimal;

use super::{Cart, OciItem, Order, Posted, Shown, xml};
use crate::terms::{LineTerms, Part, Terms, by_day, number, un_ece};

impl Terms {
    /// Of the cart's page.
    pub fn of_cart_page(shown: &Shown) -> anyhow::Result<Self> {
        let lines = shown.lines.iter().map(|line| {
            let part = |date: &String| {
                let (quantity, day) = match date.split_once(" on ") {
                    Some((quantity, day)) => (quantity, day),
                    None => (line.quantity.as_str(), date.as_str()),
                };
                let day = Date::strptime("%d %b %Y", day).with_context(|| date.clone())?;
                Ok(arriving(quantity, day.to_string()))
            };
            let parts: anyhow::Result<Vec<Part>> = line.dates.iter().map(part).collect();
            Ok(LineTerms {
                item: line.item.clone(),
                quantity: number(&line.quantity),
                unit: line.unit.clone(),
                unit_price: number(line.price.split(' ').next().unwrap_or_default()),
                total: Some(money(&line.total)),
                parts: by_day(parts?.into_iter()),
                refused: !line.faults.is_empty(),
            })
        });
        Ok(Self {
            total: Some(money(&shown.total)),
            lines: lines.collect::<anyhow::Result<_>>()?,
            ..Self::default()
        })
    }

    /// Of a PunchOutOrderMessage that came on this day. Its days of delivery are told twice, and are one day.
    pub fn of_cart_message(cart: &Cart, today: Date) -> anyhow::Result<Self> {
        let tree = xml::tree(&cart.document)?;
        let items = tree
            .descendants()
            .filter(|node| node.has_tag_name("ItemIn"));
        let line = |item: Node<'_, '_>| {
            let (unit_price, _) = xml::first(item, "UnitPrice")
                .map(xml::money)
                .unwrap_or_default();
            let quantity = number(&xml::attribute(item, "quantity"));
            let promised = item.descendants().find(|node| {
                node.has_tag_name("Extrinsic")
                    && node.attribute("name") == Some("PromisedDeliveryDate")
            });
            let promised = promised.and_then(|node| node.text()).unwrap_or_default();
            let by_days = in_days(today, &xml::text(item, "LeadTime"))?;
            let day = if by_days == promised {
                by_days
            } else {
                format!("{promised} or {by_days}")
            };
            Ok(LineTerms {
                item: xml::text(item, "SupplierPartID"),
                unit: xml::text(item, "UnitOfMeasure"),
                unit_price: number(&unit_price),
                total: None,
                parts: vec![arriving(&quantity, day)],
                quantity,
                refused: false,
            })
        };
        let (total, currency) = &cart.total;
        Ok(Self {
            total: Some(money(&format!("{total} {currency}"))),
            lines: items.map(line).collect::<anyhow::Result<_>>()?,
            ..Self::default()
        })
    }

    /// Of an OCI cart that came on this day.
    pub fn of_cart_form(posted: &Posted, today: Date) -> anyhow::Result<Self> {
        let line = |item: &OciItem| {
            let quantity = number(item.get("QUANTITY"));
            let price = Decimal::from_str(item.get("PRICE"))?;
            let per = Decimal::from_str(item.get("PRICEUNIT"))?;
            let each = price.checked_div(per).context("PRICEUNIT is zero")?;
            Ok(LineTerms {
                item: item.get("VENDORMAT").to_owned(),
                unit: un_ece(item.get("UNIT")),
                unit_price: each.normalize().to_string(),
                total: None,
                parts: vec![arriving(&quantity, in_days(today, item.get("LEADTIME"))?)],
                quantity,
                refused: false,
            })
        };
        let items = OciItem::all(&posted.fields());
        Ok(Self {
            lines: items.iter().map(line).collect::<anyhow::Result<_>>()?,
            ..Self::default()
        })
    }

    /// Of a ConfirmationRequest about this order: of a price it says nothing where it is the one that was stated.
    pub fn of_confirmation(document: &[u8], order: &Order) -> anyhow::Result<Self> {
        let document = std::str::from_utf8(document)?;
        let tree = xml::tree(document)?;
        let header = xml::first(tree.root(), "ConfirmationHeader").context("no confirmation")?;
        let kind = xml::attribute(header, "type");
        let items = tree
            .descendants()
            .filter(|node| node.has_tag_name("ConfirmationItem"));
        let lines: Vec<(LineTerms, bool)> = items.map(|item| confirmed(item, order)).collect();
        let verdict = match kind.as_str() {
            "reject" => "reject",
            _ if lines.iter().any(|(_, held)| *held) => "hold",
            _ => "accept",
        };
        Ok(Self {
            verdict: verdict.to_owned(),
            lines: lines.into_iter().map(|(line, _)| line).collect(),
            ..Self::default()
        })
    }
}

/// A line, and whether it is still undecided.
fn confirmed(item: Node<'_, '_>, order: &Order) -> (LineTerms, bool) {
    let statuses: Vec<Node<'_, '_>> = item
        .children()
        .filter(|node| node.has_tag_name("ConfirmationStatus"))
        .collect();
    let all = |kind: &str| {
        statuses
            .iter()
            .all(|status| xml::attribute(*status, "type") == kind)
    };
    let (refused, held) = (all("reject"), all("unknown"));
    let line = xml::attribute(item, "lineNumber");
    let ordered = order
        .lines
        .iter()
        .find(|ordered| ordered.number.to_string() == line);
    let stated = ordered.map(|ordered| ordered.item.unit_price.clone());
    let prices = statuses
        .iter()
        .filter_map(|status| xml::first(*status, "UnitPrice"));
    let mut prices: Vec<String> = prices.map(|price| xml::money(price).0).collect();
    prices.dedup();
    prices.extend(stated.filter(|_| prices.is_empty()));
    let parts = statuses.iter().filter_map(|status| {
        let day = |name: &str| {
            let at = status.attribute(name)?;
            at.split('T').next().map(str::to_owned)
        };
        let arrives = day("deliveryDate")?;
        Some(Part {
            ships: day("shipmentDate"),
            arrives: Some(arrives),
            quantity: number(&xml::attribute(*status, "quantity")),
            covered: Some(xml::attribute(*status, "type") != "backordered"),
        })
    });
    let told = |text: String| if refused { String::new() } else { text };
    let prices: Vec<String> = prices.iter().map(|price| number(price)).collect();
    let terms = LineTerms {
        item: told(
            ordered
                .map(|ordered| ordered.item.part.clone())
                .unwrap_or_default(),
        ),
        quantity: number(&xml::attribute(item, "quantity")),
        unit: xml::text(item, "UnitOfMeasure"),
        unit_price: told(if held {
            String::new()
        } else {
            prices.join(" or ")
        }),
        total: None,
        parts: by_day(parts),
        refused,
    };
    (terms, held)
}

fn arriving(quantity: &str, day: String) -> Part {
    Part {
        ships: None,
        arrives: Some(day),
        quantity: number(quantity),
        covered: None,
    }
}

fn in_days(today: Date, days: &str) -> anyhow::Result<String> {
    let days: i32 = days.parse().with_context(|| format!("{days:?} days"))?;
    Ok(today.checked_add(days.days())?.to_string())
}

fn money(text: &str) -> String {
    match text.split_once(' ') {
        Some((amount, currency)) => format!("{} {currency}", number(amount)),
        None => text.to_owned(),
    }
}
