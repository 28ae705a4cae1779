//! Documents and values that the tests share.

use std::path::{Path, PathBuf};

use canonical_model::{
    Money, SessionId, UnitOfMeasure, basket::CheckedLine, order::SalesOrder, product::Product,
    quote::Quote,
};
use jiff::Timestamp;
use serde_json::json;

use crate::punchout::{
    cxml::{
        envelope::{self, Envelope},
        outgoing::{Outgoing, Parties},
        status::Status,
        xml::{self, Document},
    },
    profile::{Identity, Profile},
    visit::{CxmlVisit, LeavingCart, Mode, Protocol, Stage, Visit},
};

pub(super) const MOST: usize = 8 * 1024 * 1024;

/// A folder beside the repository that the test may read.
pub(super) fn beside(variable: &str, folder: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../shared")
                .join(folder)
        },
        PathBuf::from,
    );
    path.is_dir().then_some(path)
}

/// Says that a test was skipped; fails where skipping is not allowed.
pub(super) fn skipped(need: &str) {
    let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
    let required = required.to_string_lossy();
    assert!(
        !required.split(',').any(|required| required.trim() == need),
        "needs {need}"
    );
    println!("skipped: needs {need}");
}

pub(super) fn document(text: &str) -> Document {
    xml::read(text.as_bytes(), MOST, None).unwrap()
}

pub(super) fn envelope(text: &str) -> Result<Envelope, Status> {
    xml::read(text.as_bytes(), MOST, None)
        .map_err(Status::from)
        .and_then(|document| envelope::read(&document))
}

/// A document around what is asked.
pub(super) fn asking(request: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="p-1@buyer.example" timestamp="2026-03-02T09:00:00+01:00" xml:lang="en">
  <Header>
    <From><Credential domain="NetworkID"><Identity>AN01-ACME</Identity></Credential></From>
    <To><Credential domain="DUNS"><Identity>123456789</Identity></Credential></To>
    <Sender>
      <Credential domain="NetworkID"><Identity>AN01-HUB</Identity><SharedSecret>hunter2</SharedSecret></Credential>
      <UserAgent>Test 1.0</UserAgent>
    </Sender>
  </Header>
  <Request>{request}</Request>
</cXML>"#
    )
}

pub(super) fn identity(domain: &str, identity: &str) -> Identity {
    Identity {
        domain: domain.to_owned(),
        identity: identity.to_owned(),
    }
}

pub(super) fn now() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

pub(super) fn outgoing(version: &str) -> Outgoing {
    Outgoing::new(
        version.parse().unwrap(),
        "test",
        uuid::Uuid::from_u128(7),
        now(),
    )
}

pub(super) fn profile(version: &str) -> Profile {
    let text = format!(
        r#"
id = "acme-punchout"
name = "Acme"
company = "NWI"
account = "ACME"
return_urls = ["https://procure.example.com/punchout/"]
default_unspsc = "31000000"
units = {{ "CT" = "XCT" }}
[cxml]
version = "{version}"
us = {{ domain = "NetworkID", identity = "AN01-NORTHWIND" }}
theirs = [{{ domain = "NetworkID", identity = "AN01-ACME" }}]
senders = []
"#
    );
    toml::from_str(&text).unwrap()
}

/// A visit whose buyer sent this cookie along.
pub(super) fn visit(cookie: &str) -> Visit {
    Visit {
        protocol: Protocol::Cxml(CxmlVisit {
            buyer_cookie: cookie.to_owned(),
            operation: "create".to_owned(),
            from: vec![identity("NetworkID", "AN01-ACME")],
            to: vec![identity("DUNS", "123456789")],
            payload_id: "p-1@buyer.example".to_owned(),
            fingerprint: String::new(),
            extrinsics: Vec::new(),
        }),
        mode: Mode::Create,
        test: false,
        return_url: "https://procure.example.com/punchout/back?s=1&t=2".to_owned(),
        cart: Vec::new(),
        ship_to: None,
        selected: None,
        stage: Stage::Shopping,
    }
}

/// A cart of two lines: bolts at 0.335 a piece, and a carton.
pub(super) fn quote() -> Quote {
    let line = |line: u32, item: &str, unit: &str, quantity: &str, price: &str, total: &str| {
        json!({
            "line": line,
            "item": item,
            "quantity": {"value": quantity, "unit": unit},
            "price": {
                "unit_price": {"amount": price, "currency": "USD", "unit": unit},
                "total": {"amount": total, "currency": "USD"},
                "basis": {"source": "record", "level": "list", "record": "L1"}
            },
            "schedule": [
                {"site": "MAIN", "quantity": {"value": quantity, "unit": unit}, "ship_date": "2026-03-04",
                 "promised_delivery_date": "2026-03-06", "cover": "stock"}
            ],
            "problems": []
        })
    };
    serde_json::from_value(json!({
        "quote_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e",
        "account": "ACME",
        "ship_to": "ACME-01",
        "lines": [
            line(1, "BOLT-M8", "EA", "250.0", "0.3350", "83.75"),
            line(2, "GLOVES", "XCT", "2", "40", "80.00"),
        ],
        "total": {"amount": "163.75", "currency": "USD"},
        "created_at": "2026-03-02T08:00:00Z",
        "expires_at": "2026-04-01T08:00:00Z",
        "state": "open",
        "decision_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7f"
    }))
    .unwrap()
}

pub(super) fn products() -> Vec<Product> {
    let product = |item: &str, description: &str, unspsc: Option<&str>, buyers: Option<&str>| {
        serde_json::from_value(json!({
            "company": "NWI", "item": item, "description": description, "base_unit": "EA", "sales_unit": "EA",
            "conversions": [], "unspsc": unspsc, "orderable": true, "buyer_part_number": buyers,
            "as_of": "2026-03-02T07:59:00Z"
        }))
        .unwrap()
    };
    vec![
        product(
            "BOLT-M8",
            "Bolt M8 × 40 <zinc> & \"co\" ß",
            Some("31161600"),
            Some("B-17"),
        ),
        product("GLOVES", "Gloves", None, None),
    ]
}

pub(super) fn leaving<'a>(
    quote: Option<&'a Quote>,
    products: &'a [Product],
    visit: &'a Visit,
    profile: &'a Profile,
) -> LeavingCart<'a> {
    LeavingCart {
        quote,
        products,
        currency: canonical_model::Currency::USD,
        visit,
        profile,
        session_id: SessionId(uuid::Uuid::from_u128(7)),
        now: now(),
    }
}

/// The document in a form's only field.
pub(super) fn posted(form: &crate::punchout::visit::ReturnForm) -> String {
    use base64::Engine as _;
    let [(name, value)] = form.fields.as_slice() else {
        panic!("one field");
    };
    match name.as_str() {
        "cxml-urlencoded" => value.clone(),
        "cxml-base64" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value);
            String::from_utf8(bytes.unwrap()).unwrap()
        }
        other => panic!("no field of cXML: {other}"),
    }
}

/// Who our documents are from and to.
pub(super) struct Names {
    us: Vec<Identity>,
    them: Vec<Identity>,
    secret: service_runtime::config::Secret,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            us: vec![identity("NetworkID", "AN01-NORTHWIND")],
            them: vec![identity("NetworkID", "AN01-ACME")],
            secret: service_runtime::config::Secret::from("ours & only ours".to_owned()),
        }
    }

    pub(super) fn parties(&self) -> Parties<'_> {
        Parties {
            from: &self.us,
            to: &self.them,
            sender: &self.us[0],
            secret: Some(&self.secret),
        }
    }
}

/// What becomes of one line: `(buyer's line, ordered, price, schedule of (quantity, promised, cover), rejected, cancelled)`.
pub(super) struct Became<'a> {
    pub(super) line: &'a str,
    pub(super) ordered: &'a str,
    pub(super) price: &'a str,
    pub(super) schedule: &'a [(&'a str, &'a str, &'a str)],
    pub(super) rejected: &'a str,
    pub(super) cancelled: &'a str,
}

impl Default for Became<'_> {
    fn default() -> Self {
        Self {
            line: "1",
            ordered: "10",
            price: "2.10",
            schedule: &[("10", "2026-03-06", "stock")],
            rejected: "0",
            cancelled: "0",
        }
    }
}

pub(super) fn sales_order(status: &str, lines: &[Became<'_>]) -> SalesOrder {
    let lines = lines.iter().enumerate().map(|(index, line)| {
        let quantity = |value: &str| json!({"value": value, "unit": "EA"});
        let schedule = line.schedule.iter().map(|(value, date, cover)| {
            json!({"site": "MAIN", "quantity": quantity(value), "ship_date": "2026-03-04",
                   "promised_delivery_date": date, "cover": cover})
        });
        let problem = json!([{"code": "unknown-item", "pointer": "/lines/0", "detail": "No product has this number."}]);
        let rejected = line.rejected != "0";
        json!({
            "line": index + 1, "buyer_line": line.line, "identifiers": [], "ordered": quantity(line.ordered),
            "price": {
                "unit_price": {"amount": line.price, "currency": "EUR", "unit": "EA"},
                "total": {"amount": "21.00", "currency": "EUR"},
                "basis": {"source": "record", "level": "list", "record": "L1"}
            },
            "schedule": schedule.collect::<Vec<_>>(),
            "quantities": {
                "open": "0", "rejected": line.rejected, "cancelled": line.cancelled, "backordered": "0",
                "allocated": "0", "released": "0", "picked": "0", "packed": "0", "shipped": "0", "delivered": "0",
                "invoiced": "0", "returned": "0"
            },
            "problems": if rejected { problem } else { json!([]) }
        })
    });
    serde_json::from_value(json!({
        "order_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b70", "order_reference": "OW0123456789ABCDEF",
        "purchase_order_number": "DO1234", "company": "NWI", "account": "ACME", "ship_to": "ACME-01",
        "channel": "punchout", "status": status, "version": 3, "holds": [],
        "lines": lines.collect::<Vec<_>>(), "total": {"amount": "21.00", "currency": "EUR"},
        "received_at": "2026-03-02T08:00:00Z", "decision_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7f",
        "correlation_id": "c", "trace_id": "t"
    }))
    .unwrap()
}

/// A line as a quote has it, for what a test changes.
pub(super) fn without_price(mut quote: Quote) -> Quote {
    let line: &mut CheckedLine = quote.lines.last_mut().unwrap();
    line.price = None;
    quote
}

pub(super) fn usd(amount: &str) -> Money {
    Money::new(amount.parse().unwrap(), canonical_model::Currency::USD)
}

pub(super) fn unit(code: &str) -> UnitOfMeasure {
    UnitOfMeasure::from_code(code).unwrap()
}
