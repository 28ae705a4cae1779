//! What is made of something that a backend posted: who is believed, and what it says.

use std::sync::Mutex;

use axum::http::{HeaderMap, HeaderValue};
use canonical_model::{
    intake::{MOST_NEWS, News, NewsReceipt},
    shipment::{ShipmentNews, ShipmentNewsLine},
};
use jiff::Timestamp;
use rust_decimal::dec;
use sandbox::wms::{SIGNATURE_HEADER, signature};
use serde_json::{Value, json};
use service_runtime::{
    config::Secret,
    http_client::HopError,
    problem::{FieldError, Problem},
};

use super::{NewsConfig, NewsError, Posted, ReadNews, deliver::deliver_sound};
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

fn shipments(versions: &[u64]) -> Vec<ShipmentNews> {
    let one = read(&told(&shipment()), &config(SECRET, None)).unwrap();
    let number = |(number, version): (usize, &u64)| ShipmentNews {
        shipment: format!("SH-{number}").parse().unwrap(),
        version: *version,
        ..one[0].clone()
    };
    versions.iter().enumerate().map(number).collect()
}

/// Takes as many at once as may be, and no version 0, as `process-apis` do: what was taken, a list for each delivery.
#[derive(Default)]
struct Door {
    taken: Mutex<Vec<Vec<String>>>,
}

impl Door {
    async fn take(&self, news: Vec<News>) -> Result<NewsReceipt, HopError> {
        let refused = |faults| Err(HopError::Problem(Problem::validation(faults)));
        if news.len() > MOST_NEWS {
            return refused(vec![FieldError::new("/news", "out-of-range", "Fewer.")]);
        }
        let mut faults = Vec::new();
        let mut sound = Vec::new();
        for (index, news) in news.into_iter().enumerate() {
            match news {
                News::Shipment(shipment) if shipment.version > 0 => {
                    sound.push(shipment.shipment.to_string())
                }
                News::Shipment(_) | News::Unreadable(_) => {
                    let pointer = format!("/news/{index}/version");
                    faults.push(FieldError::new(pointer, "out-of-range", "From 1."));
                }
            }
        }
        if !faults.is_empty() {
            return refused(faults);
        }
        self.taken.lock().unwrap().push(sound);
        Ok(NewsReceipt {
            outcomes: Vec::new(),
        })
    }

    async fn deliver(&self, news: Vec<ShipmentNews>) -> Vec<String> {
        let faults = deliver_sound(news, |news| self.take(news)).await.unwrap();
        faults.into_iter().map(|fault| fault.detail).collect()
    }
}

#[tokio::test]
async fn of_several_shipments_those_that_are_sound_are_taken() {
    let door = Door::default();
    let faults = door.deliver(shipments(&[1, 0, 2, 0])).await;
    assert_eq!(faults, ["Shipment SH-1: From 1.", "Shipment SH-3: From 1."]);
    assert_eq!(*door.taken.lock().unwrap(), [["SH-0", "SH-2"]]);

    let door = Door::default();
    assert_eq!(door.deliver(shipments(&[0])).await.len(), 1);
    assert!(door.taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn more_shipments_than_one_delivery_has_room_for_are_all_taken() {
    let door = Door::default();
    let faults = door.deliver(shipments(&[1; MOST_NEWS + 1])).await;
    assert!(faults.is_empty(), "{faults:?}");
    let lengths: Vec<_> = door.taken.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(lengths, [MOST_NEWS, 1]);
}

#[tokio::test]
async fn what_cannot_be_stored_now_is_nobody_s_fault() {
    let gone = |_| async { Err(HopError::Timeout) };
    assert!(deliver_sound(shipments(&[1]), gone).await.is_err());
    let unnamed = |_| async {
        let whole = FieldError::new("", "wrong-type", "Not as documented.");
        Err(HopError::Problem(Problem::validation(vec![whole])))
    };
    let faults = deliver_sound(shipments(&[1, 2]), unnamed).await.unwrap();
    assert_eq!(
        faults.len(),
        2,
        "what is wrong with one of them is not said: {faults:?}"
    );
}
