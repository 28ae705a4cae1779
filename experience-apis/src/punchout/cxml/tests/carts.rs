//! `PunchOutOrderMessage` and its form.

use super::support::{
    document, identity, leaving, posted, products, profile, quote, unit, usd, visit, without_price,
};
use crate::punchout::{
    cxml::{
        cart,
        xml::{Element, inner_xml},
    },
    lock::Lock,
    profile::{Profile, ReturnEncoding},
    visit::ReturnForm,
};

const COOKIE: &str = " c-1 <Key a=\"b\">x &amp; ß</Key> ";

fn cart_form(profile: &Profile) -> ReturnForm {
    let (quote, products, visit) = (quote(), products(), visit(COOKIE));
    cart::form(&leaving(Some(&quote), &products, &visit, profile)).unwrap()
}

fn message(form: &ReturnForm) -> Element {
    document(&posted(form)).root
}

fn text(element: &Element, path: &[&str]) -> String {
    element.at(path).unwrap().own_text()
}

#[test]
fn the_cart_says_what_was_quoted() {
    let form = cart_form(&profile("1.2.053"));
    assert_eq!(
        form.action,
        "https://procure.example.com/punchout/back?s=1&t=2"
    );
    assert_eq!(form.charset, "UTF-8");
    let root = message(&form);
    let order = root.at(&["Message", "PunchOutOrderMessage"]).unwrap();
    assert_eq!(inner_xml(order.first("BuyerCookie").unwrap()), COOKIE);
    let header = order.first("PunchOutOrderMessageHeader").unwrap();
    assert_eq!(header.attribute("operationAllowed"), Some("edit"));
    assert_eq!(text(header, &["Total", "Money"]), "163.75");
    let items: Vec<&Element> = order.named("ItemIn").collect();
    let [bolts, gloves] = items.as_slice() else {
        panic!("two lines");
    };
    assert_eq!(bolts.attribute("quantity"), Some("250"));
    assert_eq!(text(bolts, &["ItemID", "SupplierPartID"]), "BOLT-M8");
    assert_eq!(text(bolts, &["ItemID", "BuyerPartID"]), "B-17");
    let lock = text(bolts, &["ItemID", "SupplierPartAuxiliaryID"]);
    let expected = Lock {
        quote: quote().quote_id,
        line: 1,
    };
    assert_eq!(lock.parse(), Ok(expected));
    let detail = bolts.first("ItemDetail").unwrap();
    assert_eq!(text(detail, &["UnitPrice", "Money"]), "0.335");
    assert_eq!(
        text(detail, &["Description"]),
        "Bolt M8 × 40 <zinc> & \"co\" ß"
    );
    assert_eq!(text(detail, &["Classification"]), "31161600");
    // Promised for the 6th, and today is the 2nd.
    assert_eq!(text(detail, &["LeadTime"]), "4");
    assert_eq!(text(detail, &["Extrinsic"]), "2026-03-06");
    let detail = gloves.first("ItemDetail").unwrap();
    assert_eq!(text(detail, &["UnitPrice", "Money"]), "40.00");
    assert_eq!(text(detail, &["Classification"]), "31000000");
    // As the partner writes a carton, so that it is understood when it comes back.
    assert_eq!(text(detail, &["UnitOfMeasure"]), "CT");
}

#[test]
fn the_parties_are_mirrored_and_no_secret_is_there() {
    let root = message(&cart_form(&profile("1.2.053")));
    let party = |name: &str| {
        let credential = root.at(&["Header", name, "Credential"]).unwrap();
        identity(
            credential.attribute("domain").unwrap(),
            &text(credential, &["Identity"]),
        )
    };
    assert_eq!(party("From"), identity("DUNS", "123456789"));
    assert_eq!(party("To"), identity("NetworkID", "AN01-ACME"));
    assert_eq!(party("Sender"), identity("NetworkID", "AN01-NORTHWIND"));
    assert!(!posted(&cart_form(&profile("1.2.053"))).contains("SharedSecret"));
}

#[test]
fn the_urlencoded_field_is_ascii_and_base64_is_utf_8() {
    let form = cart_form(&profile("1.2.053"));
    assert_eq!(form.fields[0].0, "cxml-urlencoded");
    assert!(form.fields[0].1.is_ascii());
    assert!(form.fields[0].1.starts_with("<?xml"), "never encoded twice");
    let mut base64 = profile("1.2.053");
    base64.cxml.as_mut().unwrap().return_encoding = ReturnEncoding::Base64;
    let other = cart_form(&base64);
    assert_eq!(other.fields[0].0, "cxml-base64");
    assert!(posted(&other).contains('ß'));
    assert_eq!(message(&other), message(&form));
}

#[test]
fn a_name_that_ascii_cannot_write_goes_in_base64() {
    let (quote, products, profile) = (quote(), products(), profile("1.2.053"));
    let visit = visit("<Schlüssel>1</Schlüssel>");
    let form = cart::form(&leaving(Some(&quote), &products, &visit, &profile)).unwrap();
    assert_eq!(form.fields[0].0, "cxml-base64");
}

#[test]
fn the_oldest_version_names_no_buyers_part() {
    let text = posted(&cart_form(&profile("1.2.014")));
    assert!(!text.contains("BuyerPartID"), "{text}");
    assert!(text.contains("1.2.014/cXML.dtd"), "{text}");
}

#[test]
fn an_empty_cart_and_a_buyer_that_leaves_are_kept_apart() {
    let (quote, products) = (quote(), products());
    let (visit, profile) = (visit(COOKIE), profile("1.2.053"));
    let empty = message(&cart::form(&leaving(None, &[], &visit, &profile)).unwrap());
    let cart = leaving(Some(&quote), &products, &visit, &profile);
    let left = message(&cart::cancelled(&cart).unwrap());
    for root in [&empty, &left] {
        let order = root.at(&["Message", "PunchOutOrderMessage"]).unwrap();
        assert!(order.first("ItemIn").is_none());
        let total = order.at(&["PunchOutOrderMessageHeader", "Total", "Money"]);
        assert_eq!(total.unwrap().own_text(), usd("0.00").amount.to_string());
        assert_eq!(inner_xml(order.first("BuyerCookie").unwrap()), COOKIE);
    }
    assert!(empty.at(&["Message", "Status"]).is_none());
    let status = left.at(&["Message", "Status"]).unwrap();
    assert_eq!(status.attribute("code"), Some("204"));
}

#[test]
fn a_test_visit_says_so() {
    let (quote, products, profile) = (quote(), products(), profile("1.2.053"));
    let mut visit = visit(COOKIE);
    visit.test = true;
    let form = cart::form(&leaving(Some(&quote), &products, &visit, &profile)).unwrap();
    let mode = message(&form);
    let mode = mode.first("Message").unwrap().attribute("deploymentMode");
    assert_eq!(mode, Some("test"));
}

#[test]
fn a_line_without_price_keeps_the_cart_here() {
    let (quote, products) = (without_price(quote()), products());
    let (visit, profile) = (visit(COOKIE), profile("1.2.053"));
    let error = cart::form(&leaving(Some(&quote), &products, &visit, &profile)).unwrap_err();
    assert_eq!(error.line, Some(2));
    let fewer = &products[..1];
    assert!(cart::form(&leaving(Some(&quote), fewer, &visit, &profile)).is_err());
}

#[test]
fn the_same_cart_is_the_same_document() {
    let first = cart_form(&profile("1.2.053"));
    assert_eq!(first, cart_form(&profile("1.2.053")));
    assert_eq!(quote().lines[1].quantity.unwrap().unit, unit("XCT"));
}
