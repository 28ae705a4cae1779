//! Every published cXML document of the sample collection: what is read of it, and what is refused and why. The table
//! was made by reading the documents.

use super::support::{MOST, beside, skipped};
use crate::punchout::cxml::{
    envelope::{self, Envelope, Kind},
    order, setup,
    status::Status,
    xml,
};

/// A file and what becomes of it.
const TABLE: &[(&str, &str)] = &[
    // Two lines at 2.10 and 3.20; ordered for a past date, with a file that does not travel along.
    (
        "cxml-php__OrderRequest.xml",
        "order DO1234 New, test: 1 x10 EA 2.10 EUR 1233244; 2 x20 EA 3.20 EUR 1233245; total 85.00",
    ),
    (
        "cxml-php__PunchOutSetupRequest.xml",
        "setup Create, test: cookie 550bce3e592023b2e7b015307f965133 to https://prominate-platform.com/hook-url, selected 4545321, items 5555 x2, 6666 x1",
    ),
    // A Message is what we send, not what we take.
    ("cxml-php__PunchoutOrderMessage.xml", "450"),
    ("cxml-php__QuoteMessage.xml", "450"),
    (
        "cxml-php__ShipNoticeRequest.xml",
        "request ShipNoticeRequest",
    ),
    (
        "cxml-php__StatusUpdateRequest.xml",
        "request StatusUpdateRequest",
    ),
    // Its Sender sends no secret: read, and refused when it is asked who it is.
    (
        "cxml-php__b_order_request.xml",
        "order myorder-1 New: 1 x3 EA 763.20 USD 5555 (KD5555); 2 x5 EA 226.20 USD 666 (KD666); total 3420.60; no secret",
    ),
    ("cxml-php__b_poom.xml", "450"),
    // Without DOCTYPE.
    ("cxml-php__simple-profile-request.xml", "profile"),
    // The fork mended the root's name: a Message all the same.
    ("cxml-ruby__punch_out_order_message_doc.xml", "450"),
    // Without UserAgent, which the definition requires.
    (
        "officeluv__envelope.xml",
        "request CatalogUploadRequest; no UserAgent",
    ),
    (
        "officeluv__invoice_backed_by_multiple_pos.xml",
        "request InvoiceDetailRequest; Z",
    ),
    (
        "officeluv__invoice_taxes_at_line.xml",
        "request InvoiceDetailRequest",
    ),
    (
        "officeluv__invoice_taxes_at_total.xml",
        "request InvoiceDetailRequest",
    ),
    // Part of a document: the root is ItemIn.
    ("officeluv__item_in.xml", "406"),
    (
        "officeluv__order_request.xml",
        "order 3309 New: 1 x1 EA 8.1 USD product:1861 [product-requisition:6236]; 2 x9 EA 9.29 USD product:4884 [product-requisition:6235]; total 91.71 to 21444",
    ),
    // The root is cxml in small letters.
    ("officeluv__punch_out_order_message_doc.xml", "406"),
    (
        "officeluv__punch_out_setup_request_doc.xml",
        "setup Create: cookie demoSCAWIGP to http://return_to_supplier_url.com",
    ),
    (
        "officeluv__punch_out_setup_request_doc_with_ship_to.xml",
        "setup Create: cookie demoSCAWIGP to http://return_to_supplier_url.com, ship to 3119",
    ),
    ("officeluv__request_doc.xml", "request ConfirmationRequest"),
    // Responses: answers, not questions.
    ("officeluv__response_status_200.xml", "406"),
    ("officeluv__response_status_400.xml", "406"),
    (
        "punchoutsandbox__confirmationrequest.xml",
        "request ConfirmationRequest, test",
    ),
    (
        "punchoutsandbox__invoicedetailrequest.xml",
        "request InvoiceDetailRequest, test",
    ),
    ("punchoutsandbox__punchoutordermessage.xml", "450"),
    (
        "punchoutsandbox__punchoutsetuprequest.xml",
        "setup Create, test: cookie your-requisition-id to https://your-system.example.com/punchout/return",
    ),
    (
        "punchoutsandbox__shipnoticerequest.xml",
        "request ShipNoticeRequest, test",
    ),
];

fn outcome(bytes: &[u8]) -> String {
    let read = xml::read(bytes, MOST, None)
        .map_err(Status::from)
        .and_then(|document| envelope::read(&document));
    match read.and_then(|envelope| told(&envelope)) {
        Ok(told) => told,
        Err(status) => status.code.number().to_string(),
    }
}

fn told(envelope: &Envelope) -> Result<String, Status> {
    let test = if envelope.test { ", test" } else { "" };
    let mut told = match &envelope.kind {
        Kind::Profile => "profile".to_owned(),
        Kind::Other(name) => format!("request {name}{test}"),
        Kind::PunchOutSetup => setup_told(&setup::read(&envelope.request)?, test),
        Kind::Order => order_told(&order::read(&envelope.request)?, test),
    };
    for (note, word) in [("UserAgent", "; no UserAgent"), ("ends in Z", "; Z")] {
        if envelope.notes.iter().any(|told| told.contains(note)) {
            told.push_str(word);
        }
    }
    if envelope.sender.iter().all(|one| one.secret.is_none()) {
        told.push_str("; no secret");
    }
    Ok(told)
}

fn setup_told(setup: &setup::Setup, test: &str) -> String {
    let mut told = format!(
        "setup {:?}{test}: cookie {} to {}",
        setup.operation,
        setup.buyer_cookie.trim(),
        setup.return_url
    );
    if let Some(selected) = &setup.selected {
        told.push_str(&format!(", selected {}", selected.supplier_part_id));
    }
    let place = setup.ship_to.as_ref();
    if let Some(id) = place.and_then(|place| place.address_id.as_ref()) {
        told.push_str(&format!(", ship to {id}"));
    }
    let items = setup
        .items
        .iter()
        .map(|item| format!("{} x{}", item.item.supplier_part_id, item.quantity));
    let items: Vec<String> = items.collect();
    if !items.is_empty() {
        told.push_str(&format!(", items {}", items.join(", ")));
    }
    told
}

fn order_told(order: &order::OrderRequest, test: &str) -> String {
    let lines = order.lines.iter().map(|line| {
        let price = line.price.unwrap();
        let auxiliary = line.item.auxiliary_id.iter().map(|id| format!(" [{id}]"));
        let buyers = line.item.buyer_part_id.iter().map(|id| format!(" ({id})"));
        format!(
            "{} x{} {} {} {} {}{}",
            line.line_number,
            line.quantity,
            line.unit.as_deref().unwrap(),
            price.amount,
            price.currency.code(),
            line.item.supplier_part_id,
            auxiliary.chain(buyers).collect::<String>()
        )
    });
    let lines: Vec<String> = lines.collect();
    let place = order.ship_to.as_ref();
    let place = place.and_then(|place| place.address_id.as_ref());
    let place = place.map_or_else(String::new, |id| format!(" to {id}"));
    format!(
        "order {} {:?}{test}: {}; total {}{place}",
        order.order_id,
        order.order_type,
        lines.join("; "),
        order.total.unwrap().amount
    )
}

#[test]
fn every_sample_is_read_or_told_why_not() {
    let Some(folder) = beside("ORDERWAY_SAMPLES", "samples").map(|folder| folder.join("cxml"))
    else {
        return skipped("samples");
    };
    let mut wrong = Vec::new();
    for (file, expected) in TABLE {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let seen = outcome(&bytes);
        if seen != *expected {
            wrong.push(format!("{file}\n  expected {expected}\n  got      {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A file that is in no table is read or refused like any other.
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !TABLE.iter().any(|(file, _)| *file == name) {
            println!("{name}: {}", outcome(&std::fs::read(&path).unwrap()));
        }
    }
}
