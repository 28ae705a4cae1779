//! `PunchOutOrderMessage`: the cart on its way back, as the browser posts it to `BrowserFormPost`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::{Money, UnitOfMeasure, basket::CheckedLine, money, product::Product};
use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    outgoing::{Message, Outgoing, Parties},
    status::{Code, Status},
    version::Version,
    xml::{self, Characters, Element},
};
use crate::punchout::{
    lock::Lock,
    profile::{Cxml, Profile, ReturnEncoding},
    visit::{CannotLeave, CxmlVisit, LeavingCart, Protocol, ReturnForm},
};

/// The field of a document that the browser encodes.
const URLENCODED: &str = "cxml-urlencoded";
/// The field of a document in base64.
const BASE64: &str = "cxml-base64";

/// The form of a cart that leaves. An empty one tells the buyer's system to delete the lines that it has.
pub fn form(cart: &LeavingCart<'_>) -> Result<ReturnForm, CannotLeave> {
    let lines = cart.quote.map_or(&[][..], |quote| &quote.lines);
    if lines.len() != cart.products.len() {
        return Err(cannot(None, "A product of the cart is missing; try again."));
    }
    let (_, spoken) = spoken(cart)?;
    let version = version(spoken);
    let items: Result<Vec<Element>, CannotLeave> = lines
        .iter()
        .zip(cart.products)
        .map(|(line, product)| item(cart, line, product, version))
        .collect();
    post(cart, None, items?)
}

/// The form of a buyer that leaves without a cart: nothing is to be changed.
pub fn cancelled(cart: &LeavingCart<'_>) -> Result<ReturnForm, CannotLeave> {
    let status = Status::new(
        Code::NoContent,
        "The buyer left without a cart: nothing is to be changed.",
    );
    let nothing = LeavingCart {
        quote: None,
        products: &[],
        ..*cart
    };
    post(&nothing, Some(&status), Vec::new())
}

fn post(
    cart: &LeavingCart<'_>,
    status: Option<&Status>,
    items: Vec<Element>,
) -> Result<ReturnForm, CannotLeave> {
    let (visit, spoken) = spoken(cart)?;
    let cookie = xml::fragment(&visit.buyer_cookie).map_err(|_not_xml| {
        cannot(
            None,
            "What your system sent along cannot be given back; start again from there.",
        )
    })?;
    let total = cart
        .quote
        .map_or_else(|| Money::zero(cart.currency), |quote| quote.total);
    let header = Element::new("PunchOutOrderMessageHeader")
        .with("operationAllowed", "edit")
        .child(Element::new("Total").child(money_element(total)));
    let order = Element::new("PunchOutOrderMessage")
        .child(Element::new("BuyerCookie").verbatim(cookie))
        .child(header)
        .children(items);
    let mode = if cart.visit.test {
        "test"
    } else {
        "production"
    };
    let body = Element::new("Message")
        .with("deploymentMode", mode)
        .children(status.map(Status::element))
        .child(order);
    let outgoing = Outgoing::new(version(spoken), "return", cart.session_id.0, cart.now);
    let parties = Parties {
        from: &visit.to,
        to: &visit.from,
        sender: &spoken.us,
        // It passes through a browser.
        secret: None,
    };
    let message = outgoing.message(parties, body);
    Ok(ReturnForm {
        action: cart.visit.return_url.clone(),
        charset: "UTF-8".to_owned(),
        fields: vec![field(&message, spoken.return_encoding)],
        target: None,
    })
}

/// Receivers read the urlencoded field as US-ASCII: what is more goes by numeric references, and what cannot (a name
/// inside the buyer's cookie) in base64.
fn field(message: &Message, encoding: ReturnEncoding) -> (String, String) {
    if encoding == ReturnEncoding::Urlencoded {
        let text = message.write(Characters::Ascii);
        if text.is_ascii() {
            return (URLENCODED.to_owned(), text);
        }
    }
    let text = message.write(Characters::Unicode);
    (BASE64.to_owned(), STANDARD.encode(text))
}

fn item(
    cart: &LeavingCart<'_>,
    line: &CheckedLine,
    product: &Product,
    version: Version,
) -> Result<Element, CannotLeave> {
    let (Some(quote), Some(quantity), Some(price)) = (cart.quote, line.quantity, &line.price)
    else {
        return Err(cannot(
            Some(line.line),
            "This line has no price, so the cart cannot leave with it: take it out.",
        ));
    };
    let lock = Lock {
        quote: quote.quote_id,
        line: line.line,
    };
    let buyers = product
        .buyer_part_number
        .as_deref()
        .filter(|_| version.has_buyer_part_id());
    let id = Element::new("ItemID")
        .child(Element::new("SupplierPartID").text(product.item.as_str()))
        .child(Element::new("SupplierPartAuxiliaryID").text(lock.to_string()))
        .children(buyers.map(|part| Element::new("BuyerPartID").text(part)));
    let unit_price = Money::new(price.unit_price.amount, price.unit_price.currency);
    let description = Some(product.description.trim()).filter(|text| !text.is_empty());
    let class = product
        .unspsc
        .as_ref()
        .unwrap_or(&cart.profile.default_unspsc);
    let mut detail = Element::new("ItemDetail")
        .child(Element::new("UnitPrice").child(money_element(unit_price)))
        .child(
            Element::new("Description")
                .with("xml:lang", "en")
                .text(description.unwrap_or(product.item.as_str())),
        )
        .child(Element::new("UnitOfMeasure").text(unit_text(cart.profile, quantity.unit)))
        .child(
            Element::new("Classification")
                .with("domain", "UNSPSC")
                .text(class.as_str()),
        );
    if let Some(date) = promised(line) {
        let days = lead_time(cart.now, date).to_string();
        detail = detail.child(Element::new("LeadTime").text(days)).child(
            Element::new("Extrinsic")
                .with("name", "PromisedDeliveryDate")
                .text(date.to_string()),
        );
    }
    Ok(Element::new("ItemIn")
        .with("quantity", quantity.value.normalize().to_string())
        .with("lineNumber", line.line.to_string())
        .child(id)
        .child(detail))
}

/// When all of the line is there.
fn promised(line: &CheckedLine) -> Option<jiff::civil::Date> {
    let dates = line.schedule.iter().map(|part| part.promised_delivery_date);
    dates.max()
}

fn lead_time(now: Timestamp, date: jiff::civil::Date) -> i32 {
    let today = TimeZone::UTC.to_datetime(now).date();
    today.until(date).map_or(0, |span| span.get_days()).max(0)
}

/// The unit as the partner writes it, so that it is understood when it comes back.
fn unit_text(profile: &Profile, unit: UnitOfMeasure) -> String {
    let theirs = profile.units.iter().find(|(_, ours)| **ours == unit);
    theirs.map_or_else(|| unit.code().to_owned(), |(theirs, _)| theirs.clone())
}

/// An amount with all its digits, and at least the currency's.
pub(super) fn money_element(of: Money) -> Element {
    let mut amount: Decimal = of.amount.normalize();
    if amount.scale() < money::scale(of.currency) {
        amount.rescale(money::scale(of.currency));
    }
    Element::new("Money")
        .with("currency", of.currency.code())
        .text(amount.to_string())
}

fn version(spoken: &Cxml) -> Version {
    // The profile was checked when it was loaded.
    spoken.version.parse().unwrap_or(Version::OLDEST)
}

fn spoken<'a>(cart: &LeavingCart<'a>) -> Result<(&'a CxmlVisit, &'a Cxml), CannotLeave> {
    match (&cart.visit.protocol, &cart.profile.cxml) {
        (Protocol::Cxml(visit), Some(spoken)) => Ok((visit, spoken)),
        _ => Err(cannot(
            None,
            "Carts are no longer sent to your system this way: ask your purchasing department.",
        )),
    }
}

fn cannot(line: Option<u32>, detail: &str) -> CannotLeave {
    CannotLeave {
        line,
        detail: detail.to_owned(),
    }
}
