//! The WMS's shipments and their news, from outside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use jiff::Timestamp;
use sandbox::wms::{
    FloorStep, NewsFaults, NewsState, NewsTarget, Release, SIGNATURE_HEADER, signature,
};
use sandbox::{RunningSandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::{config, http, start, start_with, wms};

const SECRET: &str = "a-secret-of-the-warehouse";

/// What came: the version and its status, in order; the first so many are refused.
#[derive(Clone, Default)]
struct Receiver {
    came: Arc<Mutex<Vec<Value>>>,
    refuse: Arc<Mutex<u32>>,
}

impl Receiver {
    async fn start(&self, sandbox: &RunningSandbox) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/news", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/news", post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sandbox.wms.send_news_to(Some(NewsTarget {
            url,
            secret: SECRET.to_owned(),
            http: http(),
        }));
    }

    fn versions(&self) -> Vec<u64> {
        let came = self.came.lock().unwrap();
        came.iter()
            .map(|news| news["shipment"]["version"].as_u64().unwrap())
            .collect()
    }

    async fn until(&self, count: usize) {
        let enough = async {
            while self.versions().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), enough)
            .await
            .unwrap_or_else(|_| panic!("{:?}", self.versions()));
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers[SIGNATURE_HEADER].to_str().unwrap();
    let at = given.split_once(',').unwrap().0.strip_prefix("t=").unwrap();
    let at = Timestamp::from_second(at.parse().unwrap()).unwrap();
    assert_eq!(given, signature(SECRET, at, &body));
    let mut refuse = receiver.refuse.lock().unwrap();
    if *refuse > 0 {
        *refuse -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let news = serde_json::from_slice(&body).unwrap();
    receiver.came.lock().unwrap().push(news);
    StatusCode::NO_CONTENT
}

/// A request to pick twelve; its id.
async fn pick_request(sandbox: &RunningSandbox) -> String {
    let body = json!({
        "clientRef": "OW1-EAST", "orderRef": "0000100001", "siteCode": "EAST",
        "lines": [{ "lineRef": "1", "skuCode": "SKU-0001", "qty": "12", "unit": "EACH" }],
    });
    let request = http()
        .post(format!("{}/wms/v2/pickRequests", sandbox.wms_url()))
        .json(&body);
    let made: Value = wms(request).send().await.unwrap().json().await.unwrap();
    made["pickRequestId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_leaves_in_as_many_shipments_as_the_floor_makes() {
    let sandbox = start().await;
    let id = pick_request(&sandbox).await;
    let five = [("1".to_owned(), 5.into())].into();
    let first = sandbox.wms.work(&id, FloorStep::Pick, Some(&five)).unwrap();
    assert_eq!(
        (first.shipment_id.as_str(), first.version),
        ("SH-100001-1", 1)
    );
    sandbox.wms.work(&id, FloorStep::Pack, None).unwrap();
    let first = sandbox.wms.work(&id, FloorStep::Ship, None).unwrap();
    assert_eq!((first.version, first.lines[0].qty_shipped), (3, 5.into()));
    assert!(first.tracking_no.is_some() && first.ssccs.len() == 1);
    // What is left goes into another one.
    let second = sandbox.wms.work(&id, FloorStep::Pick, None).unwrap();
    assert_eq!(
        (second.shipment_id.as_str(), second.lines[0].qty_picked),
        ("SH-100001-2", 7.into())
    );

    let get = async |path: &str| -> (u16, Value) {
        let answer = wms(http().get(format!("{}/wms/v2/{path}", sandbox.wms_url())))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or_default(),
        )
    };
    let (status, shown) = get("shipments/SH-100001-2").await;
    assert_eq!(
        (status, &shown["lines"][0]["qtyPicked"]),
        (200, &json!("7"))
    );
    assert_eq!(get("shipments/SH-9").await.0, 404);
    let (_, both) = get("shipments?clientRef=OW1-EAST").await;
    assert_eq!(both["items"].as_array().unwrap().len(), 2);
    let (_, request) = get(&format!("pickRequests/{id}")).await;
    assert_eq!(request["status"], "PICKING");
}

#[tokio::test]
async fn news_are_signed_and_sent_until_they_are_taken() {
    let sandbox = start().await;
    let receiver = Receiver::default();
    *receiver.refuse.lock().unwrap() = 2;
    receiver.start(&sandbox).await;
    let id = pick_request(&sandbox).await;
    sandbox.wms.work(&id, FloorStep::Pick, None).unwrap();
    receiver.until(1).await;
    let told = async {
        while sandbox.wms.news()[0].state != NewsState::Delivered {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap();
    let news = &sandbox.wms.news()[0];
    assert_eq!((news.attempts, news.last_status), (3, Some(204)));
}

#[tokio::test]
async fn news_are_lost_doubled_and_turned_round_as_asked() {
    let sandbox = start().await;
    let receiver = Receiver::default();
    receiver.start(&sandbox).await;
    let id = pick_request(&sandbox).await;
    let step = |step| sandbox.wms.work(&id, step, None).unwrap();
    sandbox.wms.upset_news(NewsFaults {
        lose: 1,
        ..NewsFaults::default()
    });
    step(FloorStep::Pick);
    sandbox.wms.upset_news(NewsFaults {
        duplicate: 1,
        hold: true,
        ..NewsFaults::default()
    });
    step(FloorStep::Pack);
    step(FloorStep::Ship);
    assert!(receiver.versions().is_empty());
    sandbox.wms.release_news(Release::Reversed);
    receiver.until(4).await;
    let mut versions = receiver.versions();
    versions.sort_unstable();
    assert_eq!(versions, [2, 2, 3, 3]);
    assert_eq!(sandbox.wms.news()[0].state, NewsState::Lost);
    sandbox.wms.send_again("SH-100001-1").unwrap();
    receiver.until(6).await;
}

#[tokio::test]
async fn a_floor_that_works_by_itself_ships_what_is_asked() {
    let sandbox = start_with(SandboxConfig {
        wms_floor: Some(Duration::from_millis(10)),
        ..config()
    })
    .await;
    let receiver = Receiver::default();
    receiver.start(&sandbox).await;
    pick_request(&sandbox).await;
    receiver.until(3).await;
    let shipped = &sandbox.wms.shipments()[0];
    assert_eq!(
        (shipped.version, shipped.lines[0].qty_shipped),
        (3, 12.into())
    );
    let control = format!("{}/wms/control/news", sandbox.wms_url());
    let news: Value = http()
        .get(control)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(news.as_array().unwrap().len(), 3);
}
