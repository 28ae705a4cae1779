//! `ConfirmationRequest`.

use rstest::rstest;

use super::support::{Became, Names, document, outgoing, sales_order};
use crate::punchout::cxml::{
    confirmation::{self, Confirmation, DoesNotAddUp, Outcome},
    order::{self, OrderRequest},
    xml::Element,
};

fn received(header: &str, line: &str, detail: &str) -> OrderRequest {
    let text = format!(
        r#"<OrderRequest>
<OrderRequestHeader orderID="DO1234" orderDate="2026-03-02T09:00:00Z" {header}>
<Total><Money currency="EUR">21.00</Money></Total></OrderRequestHeader>
<ItemOut quantity="10" {line}><ItemID><SupplierPartID>BOLT</SupplierPartID></ItemID>
<ItemDetail><UnitPrice><Money currency="EUR">2.10</Money></UnitPrice><Description xml:lang="en">x</Description>
<UnitOfMeasure>PCE</UnitOfMeasure>{detail}<Classification domain="UNSPSC">31161600</Classification></ItemDetail></ItemOut>
</OrderRequest>"#
    );
    order::read(&document(&text).root).unwrap()
}

fn plain() -> OrderRequest {
    received("", "lineNumber=\"7\"", "")
}

fn became<'a>(schedule: &'a [(&'a str, &'a str, &'a str)]) -> Became<'a> {
    Became {
        line: "7",
        schedule,
        ..Became::default()
    }
}

fn confirm(received: &OrderRequest, status: &str, lines: &[Became<'_>]) -> Element {
    let order = sales_order(status, lines);
    write(received, Outcome::Order(&order), None).unwrap()
}

fn write(
    received: &OrderRequest,
    outcome: Outcome<'_>,
    previous: Option<&str>,
) -> Result<Element, DoesNotAddUp> {
    let names = Names::new();
    let confirmation = Confirmation {
        received,
        request_payload_id: "p-1@buyer.example",
        outcome,
        refused_lines: &[(9, "It names a unit that is not known.".to_owned())],
        previous,
    };
    let text = confirmation::write(&outgoing("1.2.053"), names.parties(), &confirmation)?;
    let root = document(&text).root;
    Ok(root
        .at(&["Request", "ConfirmationRequest"])
        .unwrap()
        .clone())
}

/// `type: line xquantity unit [status quantity delivery price comments]…`
fn told(confirmation: &Element) -> String {
    let header = confirmation.first("ConfirmationHeader").unwrap();
    let mut told = format!(
        "{} {}",
        header.attribute("operation").unwrap(),
        header.attribute("type").unwrap()
    );
    for item in confirmation.named("ConfirmationItem") {
        told.push_str(&format!(
            "; {} x{} {}",
            item.attribute("lineNumber").unwrap(),
            item.attribute("quantity").unwrap(),
            item.first("UnitOfMeasure").unwrap().own_text()
        ));
        for status in item.named("ConfirmationStatus") {
            assert_eq!(
                status.first("UnitOfMeasure").unwrap().own_text(),
                item.first("UnitOfMeasure").unwrap().own_text()
            );
            let date = status.attribute("deliveryDate").unwrap_or("-");
            let price = status.at(&["UnitPrice", "Money"]).map(Element::own_text);
            told.push_str(&format!(
                " [{} {} {} {}]",
                status.attribute("type").unwrap(),
                status.attribute("quantity").unwrap(),
                date.get(..10).unwrap_or(date),
                price.as_deref().unwrap_or("-")
            ));
        }
    }
    told
}

#[rstest]
#[case::as_ordered("", "2.10", &[("10", "2026-03-06", "stock")], "new accept; 7 x10 PCE [accept 10 2026-03-06 -]")]
#[case::on_the_day("requestedDeliveryDate=\"2026-03-06\"", "2.10", &[("10", "2026-03-06", "stock")], "new accept; 7 x10 PCE [accept 10 - -]")]
#[case::early("requestedDeliveryDate=\"2026-03-09\"", "2.10", &[("10", "2026-03-06", "stock")], "new accept; 7 x10 PCE [accept 10 2026-03-06 -]")]
#[case::late("requestedDeliveryDate=\"2026-03-05\"", "2.10", &[("10", "2026-03-06", "receipt")], "new detail; 7 x10 PCE [detail 10 2026-03-06 -]")]
#[case::repriced("", "2.25", &[("10", "2026-03-06", "stock")], "new detail; 7 x10 PCE [detail 10 2026-03-06 2.25]")]
#[case::same_price_other_digits("", "2.1000", &[("10", "2026-03-06", "stock")], "new accept; 7 x10 PCE [accept 10 2026-03-06 -]")]
#[case::backordered("", "2.10", &[("10", "2026-05-06", "lead_time")], "new backordered; 7 x10 PCE [backordered 10 2026-05-06 -]")]
#[case::backordered_and_repriced("", "2.25", &[("10", "2026-05-06", "lead_time")], "new detail; 7 x10 PCE [detail 10 2026-05-06 2.25]")]
#[case::split("", "2.10", &[("6", "2026-03-06", "stock"), ("4", "2026-05-06", "lead_time")], "new detail; 7 x10 PCE [accept 6 2026-03-06 -] [backordered 4 2026-05-06 -]")]
fn what_is_taken_is_told_line_by_line(
    #[case] header: &str,
    #[case] price: &str,
    #[case] schedule: &[(&str, &str, &str)],
    #[case] expected: &str,
) {
    let received = received(header, "lineNumber=\"7\"", "");
    let lines = [Became {
        price,
        ..became(schedule)
    }];
    assert_eq!(told(&confirm(&received, "accepted", &lines)), expected);
}

#[test]
fn the_total_goes_along_with_a_price_change_only() {
    let total = |price: &str| {
        let lines = [Became {
            price,
            ..became(&[("10", "2026-03-06", "stock")])
        }];
        let confirmation = confirm(&plain(), "accepted", &lines);
        let total = confirmation.at(&["ConfirmationHeader", "Total", "Money"]);
        total.map(Element::own_text)
    };
    assert_eq!(total("2.10"), None);
    assert_eq!(total("2.25"), Some("21.00".to_owned()));
}

#[test]
fn a_price_is_told_for_as_much_as_it_was_stated() {
    let basis = r#"<PriceBasisQuantity quantity="100" conversionFactor="1"><UnitOfMeasure>PCE</UnitOfMeasure></PriceBasisQuantity>"#;
    let received = received("", "lineNumber=\"7\"", basis);
    let at = |price: &str| {
        let lines = [Became {
            price,
            ..became(&[("10", "2026-03-06", "stock")])
        }];
        told(&confirm(&received, "accepted", &lines))
    };
    assert!(at("0.021").contains("accept"));
    assert!(at("0.0225").contains("[detail 10 2026-03-06 2.25]"));
}

#[test]
fn every_piece_is_accounted_for() {
    let lines = [Became {
        rejected: "3",
        cancelled: "2",
        ..became(&[("5", "2026-03-06", "stock")])
    }];
    let confirmation = confirm(&plain(), "accepted", &lines);
    assert_eq!(
        told(&confirmation),
        "new detail; 7 x10 PCE [reject 3 - -] [reject 2 - -] [accept 5 2026-03-06 -]"
    );
    let reason = confirmation.at(&["ConfirmationItem", "ConfirmationStatus", "Comments"]);
    assert_eq!(reason.unwrap().own_text(), "No product has this number.");
    let order = sales_order(
        "accepted",
        &[Became {
            ordered: "9",
            ..became(&[("9", "2026-03-06", "stock")])
        }],
    );
    assert_eq!(
        write(&plain(), Outcome::Order(&order), None),
        Err(DoesNotAddUp { line: 7 })
    );
}

#[test]
fn a_held_order_is_not_known_yet_and_is_updated_later() {
    let lines = [became(&[("10", "2026-03-06", "stock")])];
    let held = confirm(&plain(), "held", &lines);
    assert_eq!(told(&held), "new detail; 7 x10 PCE [unknown 10 - -]");
    let order = sales_order("accepted", &lines);
    let update = write(
        &plain(),
        Outcome::Order(&order),
        Some("confirmation.1@orderway"),
    );
    let update = update.unwrap();
    assert!(told(&update).starts_with("update accept"));
    let header = update.first("ConfirmationHeader").unwrap();
    let before = header.first("DocumentReference").unwrap();
    assert_eq!(
        before.attribute("payloadID"),
        Some("confirmation.1@orderway")
    );
    let first = held.first("ConfirmationHeader").unwrap();
    assert_eq!(header.attribute("confirmID"), first.attribute("confirmID"));
}

#[rstest]
#[case(
    "rejected",
    "The order was rejected. No product has this number. Line 9: It names a unit that is not known."
)]
#[case(
    "cancelled",
    "The order was cancelled. No product has this number. Line 9: It names a unit that is not known."
)]
fn a_whole_order_that_does_not_come_has_no_lines(#[case] status: &str, #[case] comments: &str) {
    let lines = [Became {
        rejected: "10",
        ..became(&[])
    }];
    let confirmation = confirm(&plain(), status, &lines);
    assert_eq!(told(&confirmation), "new reject");
    let said = confirmation.at(&["ConfirmationHeader", "Comments"]);
    assert_eq!(said.unwrap().own_text(), comments);
}

#[test]
fn a_refusal_says_why_and_what_it_is_about() {
    let reasons = ["The account is blocked.".to_owned()];
    let confirmation = write(&plain(), Outcome::Refused(&reasons), None).unwrap();
    assert_eq!(told(&confirmation), "new reject");
    let said = confirmation
        .at(&["ConfirmationHeader", "Comments"])
        .unwrap();
    assert!(said.own_text().starts_with("The account is blocked."));
    let reference = confirmation.first("OrderReference").unwrap();
    assert_eq!(reference.attribute("orderID"), Some("DO1234"));
    assert_eq!(
        reference.attribute("orderDate"),
        Some("2026-03-02T09:00:00Z")
    );
    let document = reference.first("DocumentReference").unwrap();
    assert_eq!(document.attribute("payloadID"), Some("p-1@buyer.example"));
}

#[test]
fn a_line_that_became_none_is_rejected_with_its_reason() {
    let mut received = plain();
    let mut second = received.lines[0].clone();
    second.line_number = 9;
    received.lines.push(second);
    let lines = [became(&[("10", "2026-03-06", "stock")])];
    let confirmation = confirm(&received, "accepted", &lines);
    assert_eq!(
        told(&confirmation),
        "new detail; 7 x10 PCE [accept 10 2026-03-06 -]; 9 x10 PCE [reject 10 - -]"
    );
    let last = confirmation.named("ConfirmationItem").last().unwrap();
    let reason = last.at(&["ConfirmationStatus", "Comments"]).unwrap();
    assert_eq!(reason.own_text(), "It names a unit that is not known.");
}
