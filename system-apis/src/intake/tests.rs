//! What is made of something that a backend posted: who is believed, and what it says.

use axum::http::{HeaderMap, HeaderValue};
use canonical_model::shipment::ShipmentNewsLine;
use jiff::Timestamp;
use rust_decimal::dec;
use sandbox::wms::{SIGNATURE_HEADER, signature};
use serde_json::{Value, json};
use service_runtime::config::Secret;

use super::{NewsConfig, NewsError, Posted, ReadNews};
use crate::wms::{
    connector::WmsConnector as _,
    connectors::sandbox::{client::SandboxWmsConnector, config::SandboxWms},
};

const SECRET: &str = "a-secret-of-the-warehouse";

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn shipment() -> Value {
    json!({
        "shipmentId": "SH-1", "pickRequestId": "PR-1", "clientRef": "OW7K2M4Q9T1B3C5D6E-EAST", "orderRef": "0000100001",
        "siteCode": "EAST", "version": 3, "status": "SHIPPED", "carrier": "SWIFT", "trackingNo": "1Z1",
        "ssccs": ["106141411234567897"], "updatedAt": "2026-11-21T09:59:58Z",
        "lines": [{"lineRef": "2", "skuCode": "SKU-0001", "unit": "EACH", "qtyPicked": "12", "qtyPacked": "12",
            "qtyShipped": "12.0"}],
    })
}

fn read(body: &str, config: &NewsConfig) -> ReadNews {
    let settings = SandboxWms::at(
        "http://127.0.0.1:9".to_owned(),
        Secret::from("t".to_owned()),
    );
    let connector = SandboxWmsConnector::new(&settings).unwrap();
    let signed = signature(SECRET, now(), body.as_bytes());
    let headers = HeaderMap::from_iter([(
        SIGNATURE_HEADER.parse().unwrap(),
        HeaderValue::from_str(&signed).unwrap(),
    )]);
    connector.read_news(&Posted {
        headers: &headers,
        body: body.as_bytes(),
        at: now(),
        config,
    })
}

fn config(secret: &str, previous: Option<&str>) -> NewsConfig {
    NewsConfig {
        secret: Secret::from(secret.to_owned()),
        secret_previous: previous.map(|text| Secret::from(text.to_owned())),
    }
}

fn told(shipment: &Value) -> String {
    json!({"deliveryId": "WN-1", "event": "shipment.changed", "shipment": shipment}).to_string()
}

#[test]
fn a_shipment_is_read_whole_in_canonical_words() {
    let news = read(&told(&shipment()), &config(SECRET, None)).unwrap();
    let [news] = news.as_slice() else {
        panic!("{news:?}")
    };
    assert_eq!(
        (news.shipment.as_str(), news.version, news.site.as_str()),
        ("SH-1", 3, "EAST")
    );
    assert_eq!(news.order_reference.as_str(), "OW7K2M4Q9T1B3C5D6E");
    assert_eq!(
        news.sales_order_number.as_ref().unwrap().as_str(),
        "0000100001"
    );
    assert_eq!(news.release_number.as_deref(), Some("PR-1"));
    assert_eq!(
        news.lines,
        [ShipmentNewsLine {
            line: 2,
            item: "SKU-0001".parse().unwrap(),
            unit: canonical_model::UnitOfMeasure::EACH,
            picked: dec!(12),
            packed: dec!(12),
            shipped: dec!(12),
        }]
    );
    assert_eq!(news.tracking_numbers, ["1Z1"]);
}

#[test]
fn while_secrets_rotate_both_are_believed_and_no_other() {
    let body = told(&shipment());
    assert!(read(&body, &config("the-next-secret-of-it", Some(SECRET))).is_ok());
    let refused = read(&body, &config("the-next-secret-of-it", None));
    assert_eq!(refused, Err(NewsError::Unsigned));
}

#[test]
fn what_cannot_be_understood_says_what_is_wrong_with_it() {
    for (pointer, value, says) in [
        ("/clientRef", json!("our own delivery"), "clientRef"),
        ("/version", json!(0), "version"),
        ("/lines/0/unit", json!("PIECES"), "unit"),
        ("/lines/0/lineRef", json!("first"), "lineRef"),
        ("/lines/0/qtyPacked", json!("1e3"), "qtyPacked"),
        ("/ssccs/0", json!("106141411234567890"), "ssccs"),
        ("/updatedAt", json!("yesterday"), "updatedAt"),
        ("/lines", json!("none"), "documented"),
    ] {
        let mut changed = shipment();
        *changed.pointer_mut(pointer).unwrap() = value;
        let Err(NewsError::Unreadable(detail)) = read(&told(&changed), &config(SECRET, None))
        else {
            panic!("{pointer} was read")
        };
        assert!(detail.contains(says), "{pointer}: {detail}");
    }
    let other = json!({"event": "pallet.lost", "shipment": shipment()}).to_string();
    assert!(matches!(
        read(&other, &config(SECRET, None)),
        Err(NewsError::Unreadable(detail)) if detail.contains("pallet.lost")
    ));
}
