//! The connector against a live Tryton, alone, behind a proxy that breaks calls, and behind one that lies; and its mapping.

use std::sync::Arc;

use async_trait::async_trait;
use canonical_model::{ItemNumber, ShipToId, SiteId};
use jiff::ToSpan as _;
use rust_decimal::{Decimal, dec};
use serde::Deserialize;
use serde_json::json;
use service_runtime::{clock::Clock, config::HumanDuration};

use super::{
    client::TrytonWmsConnector,
    config::TrytonWms,
    mapping,
    wire::{self, SHIPMENT},
};
use crate::{
    tryton::{
        Context, Search, Tryton,
        client::Record,
        live::{Live, live},
        values::Count,
    },
    wms::{
        connector::WmsConnector,
        contract::{self, Floor, World},
    },
};

/// People at Tryton's own screens, as far as a server can see.
struct People {
    tryton: Tryton,
}

impl People {
    async fn shipment(&self, number: &str) -> (i64, Context) {
        let context = self.tryton.context().await.unwrap();
        let search = Search::of(json!([["number", "=", number]]), 2, &["number"]);
        let found: Vec<Record> = self
            .tryton
            .search_read(SHIPMENT, &search, &context)
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{number}");
        (found[0].id, context)
    }

    async fn press(&self, number: &str, buttons: &[&str]) {
        let (id, context) = self.shipment(number).await;
        for button in buttons {
            let asks = |name: &str| name.ends_with(".done");
            let pressed = self.tryton.press(SHIPMENT, button, id, &context, (3, asks));
            pressed.await.unwrap();
        }
    }
}

#[derive(Deserialize)]
struct InventoryMoves {
    inventory_moves: Vec<i64>,
}

#[async_trait]
impl Floor for People {
    async fn pick(&self, release: &str, quantity: Decimal) {
        let (id, context) = self.shipment(release).await;
        let (ids, fields) = ([id], ["inventory_moves"]);
        let read = self.tryton.read(SHIPMENT, &ids, &fields, &context);
        let read: Vec<InventoryMoves> = read.await.unwrap();
        let moves = &read[0].inventory_moves;
        let less = json!({"inventory_moves": [["write", moves, {"quantity": Count(quantity)}]]});
        let written = self.tryton.write(SHIPMENT, &[id], &less, &context).await;
        written.unwrap();
        self.press(release, &["assign_try", "pick"]).await;
    }

    async fn pack(&self, release: &str) {
        self.press(release, &["pack"]).await;
    }

    async fn ship(&self, release: &str) {
        self.press(release, &["ship", "do"]).await;
    }
}

/// Six characters that no other run has.
fn new_run() -> String {
    let millis = Clock::default().now().as_millisecond();
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut left = usize::try_from(millis).unwrap();
    let mut text = String::new();
    for _digit in 0..8 {
        text.push(char::from(digits[left % 36]));
        left /= 36;
    }
    text
}

fn world(live: &Live) -> World {
    let server = live.server("wms");
    World {
        site: SiteId::new("EAST").unwrap(),
        other_site: SiteId::new("WEST").unwrap(),
        item: ItemNumber::new("SKU-0001").unwrap(),
        ship_to: ShipToId::new("ACME-01").unwrap(),
        ship_date: live.base_date("wms") + 3.days(),
        run: new_run(),
        // Its drafts, the warehouse, the address, the products and the company's currency.
        calls_before_create: 5,
        is_one_step: false,
        needed_key: "\"last_modified_at\"",
        floor: Box::new(People {
            tryton: Tryton::new(&server).unwrap(),
        }),
    }
}

#[tokio::test]
async fn the_contract_holds() {
    let Some(live) = live() else { return };
    let server = live.server("wms");
    let connect = |url: &str| -> Arc<dyn WmsConnector> {
        let mut settings = TrytonWms::at(server.clone());
        url.clone_into(&mut settings.server.url);
        settings.server.http.timeout = HumanDuration::from_secs(60);
        Arc::new(TrytonWmsConnector::new(&settings).unwrap())
    };
    let mut world = world(&live);
    contract::run(connect(&server.url), &world).await;
    contract::breaks(connect, &server.url, &world).await;
    contract::lies(connect, &server.url, &world).await;

    // The draft that a lost answer left is carried on, not made again.
    let tryton = Tryton::new(&server).unwrap();
    let context = tryton.context().await.unwrap();
    let lost = json!([["reference", "like", format!("OW{}L-EAST | %", world.run)]]);
    let search = Search::of(lost, 9, &["state"]);
    let found: Vec<Record> = tryton
        .search_read(SHIPMENT, &search, &context)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);

    // Broken where the draft is there and becomes a release.
    world.run = new_run();
    world.calls_before_create += 1;
    world.is_one_step = true;
    contract::breaks(connect, &server.url, &world).await;
}

fn shipment(state: &str) -> wire::Shipment {
    serde_json::from_value(json!({
        "id": 14, "number": "200014", "state": state,
        "reference": "OW7K2M4Q9T1B3C5D6E-EAST | 1 24 EA SKU-0001 | 2 5 EA SKU-0002 | 4 6 EA SKU-0001",
        "last_modified_at": {"__class__": "datetime", "year": 2026, "month": 11, "day": 21, "hour": 19, "minute": 55,
            "second": 0, "microsecond": 116_625},
        "warehouse": 16, "warehouse.": {"id": 16, "code": "EAST"},
    }))
    .unwrap()
}

fn goods(item: &str, quantity: &str, unit: &str) -> wire::Move {
    let text =
        json!({"id": 1, "shipment": "stock.shipment.out,14", "internal_quantity": 0, "product": 3,
        "product.": {"id": 3, "code": item, "default_uom.": {"id": 1, "symbol": unit}}})
        .to_string();
    let text = text.replace(
        "\"internal_quantity\":0",
        &format!("\"internal_quantity\":{quantity}"),
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn goods_are_shared_out_to_the_lines_that_asked_for_them() {
    let moves = [
        goods("SKU-0001", "20.0", "u"),
        goods("SKU-0002", "5.0", "u"),
        goods("SKU-0001", "7.0", "u"),
    ];
    let package = |number: &str| -> wire::Package {
        serde_json::from_value(json!({"number": number, "shipment": "stock.shipment.out,14"}))
            .unwrap()
    };
    let packages = [package("106141411234567897"), package("12")];
    let told = |state: &str| mapping::shipment(&shipment(state), &moves, &packages).unwrap();
    let packed = told("packed");
    let lines: Vec<_> = packed
        .lines
        .iter()
        .map(|line| (line.line, line.picked, line.packed, line.shipped))
        .collect();
    assert_eq!(
        lines,
        [
            (1, dec!(24), dec!(24), dec!(0)),
            (2, dec!(5), dec!(5), dec!(0)),
            (4, dec!(3), dec!(3), dec!(0))
        ]
    );
    assert_eq!(packed.order_reference.as_str(), "OW7K2M4Q9T1B3C5D6E");
    assert_eq!(
        (packed.version, packed.ssccs.len()),
        (1_795_290_900_116_625, 1)
    );
    assert!(told("assigned").lines.is_empty(), "set aside is not picked");
    assert!(told("cancelled").lines.is_empty());
    assert_eq!(told("done").lines[0].shipped, dec!(24));
}

#[test]
fn what_was_not_asked_for_is_for_a_person() {
    let other = [goods("SKU-0009", "1.0", "u")];
    let fault = mapping::shipment(&shipment("picked"), &other, &[]).unwrap_err();
    assert!(fault.contains("SKU-0009"), "{fault}");
    let kilos = [goods("SKU-0001", "1.5", "kg")];
    let fault = mapping::shipment(&shipment("picked"), &kilos, &[]).unwrap_err();
    assert!(fault.contains("kg"), "{fault}");
    // More than was asked for is not hidden: whoever knows the order refuses it.
    let more = [goods("SKU-0002", "9.0", "u")];
    let told = mapping::shipment(&shipment("picked"), &more, &[]).unwrap();
    assert_eq!(told.lines[0].picked, dec!(9));
    let mut unknown = shipment("lost");
    assert!(mapping::shipment(&unknown, &[], &[]).is_err());
    unknown.reference = Some("our own delivery".to_owned());
    assert!(mapping::asked(unknown.reference.as_deref().unwrap()).is_none());
}

#[test]
fn a_release_that_does_not_fit_is_refused_before_anything_is_sent() {
    let asked = mapping::asked("OW1-EAST | 1 24 EA SKU 0001").unwrap();
    assert_eq!(asked.lines[0].item.as_str(), "SKU 0001");
    for bad in [
        "OW1-EAST",
        "",
        "OW1-EAST | ",
        "OW1-EAST | 1 24 EA",
        "OW1-EAST | x 24 EA SKU",
        "OW1 | 1 24 PIECES SKU",
    ] {
        assert_eq!(mapping::asked(bad), None, "{bad}");
    }
}
