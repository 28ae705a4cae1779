//! Everything we write, judged by the published definitions.

use std::process::Command;

use super::support::{
    Became, Names, beside, document, leaving, outgoing, posted, products, profile, quote,
    sales_order, skipped, visit,
};
use crate::punchout::cxml::{
    cart,
    confirmation::{self, Confirmation, Outcome},
    order, profile_response, setup,
    status::{Code, Status},
};

const ORDER: &str = r#"<OrderRequest>
<OrderRequestHeader orderID="DO1234" orderDate="2026-03-02T09:00:00+01:00" type="new">
  <Total><Money currency="EUR">21.00</Money></Total>
  <BillTo><Address><Name xml:lang="en">Acme</Name></Address></BillTo>
</OrderRequestHeader>
<ItemOut quantity="10" lineNumber="1"><ItemID><SupplierPartID>BOLT</SupplierPartID></ItemID>
  <ItemDetail><UnitPrice><Money currency="EUR">2.00</Money></UnitPrice><Description xml:lang="en">x</Description>
  <UnitOfMeasure>EA</UnitOfMeasure><Classification domain="UNSPSC">31161600</Classification></ItemDetail></ItemOut>
</OrderRequest>"#;

fn responses(version: &str) -> Vec<(String, String)> {
    let outgoing = outgoing(version);
    let every_code = (200..600).filter_map(Code::of_number).map(|code| {
        let status = Status::new(code, "What happened <and> what to do: \u{1} & \"so on\".");
        (
            format!("status {}", code.number()),
            outgoing.response(&status),
        )
    });
    let mut all: Vec<_> = every_code.collect();
    let url = "https://orders.example.com/punchout/cxml?a=1&b=2";
    all.push(("setup".to_owned(), setup::response(&outgoing, url)));
    all.push((
        "profile".to_owned(),
        profile_response::response(&outgoing, url, true),
    ));
    all
}

fn carts(version: &str) -> Vec<(String, String)> {
    let (quote, products) = (quote(), products());
    let mut all = Vec::new();
    for encoding in ["urlencoded", "base64"] {
        let mut profile = profile(version);
        if encoding == "base64" {
            profile.cxml.as_mut().unwrap().return_encoding =
                crate::punchout::profile::ReturnEncoding::Base64;
        }
        // BuyerCookie holds ANY: what the definition knows.
        let visit = visit("c&amp;1 <Extrinsic name=\"é\">2</Extrinsic>");
        let full = leaving(Some(&quote), &products, &visit, &profile);
        let empty = leaving(None, &[], &visit, &profile);
        let documents = [
            ("cart", cart::form(&full)),
            ("empty cart", cart::form(&empty)),
            ("cancelled", cart::cancelled(&full)),
        ];
        for (name, form) in documents {
            all.push((format!("{name} {encoding}"), posted(&form.unwrap())));
        }
    }
    all
}

fn confirmations(version: &str) -> Vec<(String, String)> {
    let names = Names::new();
    let mut received = order::read(&document(ORDER).root).unwrap();
    let split = [
        ("4", "2026-03-06", "stock"),
        ("3", "2026-03-20", "receipt"),
        ("1", "2026-05-20", "lead_time"),
    ];
    let became = Became {
        schedule: &split,
        rejected: "1",
        cancelled: "1",
        ..Became::default()
    };
    let mut all = Vec::new();
    for status in ["held", "accepted", "rejected", "cancelled", "shipped"] {
        for previous in [None, Some("confirmation.1@orderway")] {
            let order = sales_order(status, std::slice::from_ref(&became));
            let confirmation = Confirmation {
                received: &received,
                request_payload_id: "p-1@buyer.example",
                outcome: Outcome::Order(&order),
                refused_lines: &[],
                previous,
            };
            let text = confirmation::write(&outgoing(version), names.parties(), &confirmation);
            all.push((format!("{status} after {previous:?}"), text.unwrap()));
        }
    }
    received.lines.clear();
    let reasons = ["The account is blocked: call us.".to_owned()];
    let refused = Confirmation {
        received: &received,
        request_payload_id: "p-1@buyer.example",
        outcome: Outcome::Refused(&reasons),
        refused_lines: &[(1, "no such item".to_owned())],
        previous: None,
    };
    let text = confirmation::write(&outgoing(version), names.parties(), &refused);
    all.push(("refused".to_owned(), text.unwrap()));
    all
}

#[test]
fn everything_we_write_is_valid() {
    let has_xmllint = Command::new("xmllint").arg("--version").output().is_ok();
    let Some(definitions) = beside("ORDERWAY_DTD", "dtd") else {
        return skipped("dtd");
    };
    if !has_xmllint {
        return skipped("xmllint");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut judged = 0;
    for (version, dtd) in [
        ("1.2.014", "cXML.dtd"),
        ("1.2.053", "cXML.dtd"),
        ("1.2.071", "cXML.dtd"),
        ("1.2.053", "Fulfill.dtd"),
        ("1.2.071", "Fulfill.dtd"),
    ] {
        let documents = if dtd == "cXML.dtd" {
            let mut all = responses(version);
            all.extend(carts(version));
            all
        } else {
            confirmations(version)
        };
        for (name, text) in documents {
            let declared = format!("http://xml.cxml.org/schemas/cXML/{version}/{dtd}");
            assert!(text.contains(&declared), "{name}: {text}");
            let path = folder.path().join("document.xml");
            std::fs::write(&path, &text).unwrap();
            let output = Command::new("xmllint")
                .args(["--noout", "--nonet", "--dtdvalid"])
                .arg(definitions.join(version).join(dtd))
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} {version}: {said}\n{text}");
            judged += 1;
        }
    }
    assert_eq!(judged, 3 * (13 + 2 + 6) + 2 * 11);
}
