//! The connector against a live sandbox, alone, behind a proxy that breaks calls, and behind one that lies.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use canonical_model::{ItemNumber, ShipToId, SiteId, capabilities::ReleaseClass};
use jiff::civil::date;
use rstest::rstest;
use rust_decimal::Decimal;
use sandbox::{
    RunningSandbox, Sandbox, SandboxConfig, Seed,
    wms::{FloorStep, Wms},
};
use service_runtime::config::{HumanDuration, Secret};

use super::{client::SandboxWmsConnector, config::SandboxWms};
use crate::wms::{
    connector::WmsConnector,
    contract::{self, Floor, World},
};

async fn sandbox(unique: bool) -> RunningSandbox {
    let config = SandboxConfig {
        unique_client_ref: unique,
        ..SandboxConfig::new(Seed::default_world(date(2026, 11, 20)))
    };
    Sandbox::start(config).await.unwrap()
}

fn connector(base_url: &str, unique: bool) -> Arc<dyn WmsConnector> {
    let token = Secret::from(SandboxConfig::WMS_TOKEN.to_owned());
    let mut settings = SandboxWms::at(base_url.to_owned(), token);
    settings.http.timeout = HumanDuration::from_secs(5);
    settings.release_class = if unique {
        ReleaseClass::Unique
    } else {
        ReleaseClass::Searchable
    };
    // Either way of learning news, under one class each.
    settings.change_feed = unique;
    Arc::new(SandboxWmsConnector::new(&settings).unwrap())
}

struct People(Wms);

impl People {
    fn work(&self, release: &str, step: FloorStep, quantity: Option<Decimal>) {
        let quantities = quantity.map(|quantity| BTreeMap::from([("7".to_owned(), quantity)]));
        self.0.work(release, step, quantities.as_ref()).unwrap();
    }
}

#[async_trait]
impl Floor for People {
    async fn pick(&self, release: &str, quantity: Decimal) {
        self.work(release, FloorStep::Pick, Some(quantity));
    }

    async fn pack(&self, release: &str) {
        self.work(release, FloorStep::Pack, None);
    }

    async fn ship(&self, release: &str) {
        self.work(release, FloorStep::Ship, None);
    }
}

fn world(sandbox: &RunningSandbox) -> World {
    World {
        site: SiteId::new("EAST").unwrap(),
        other_site: SiteId::new("WEST").unwrap(),
        item: ItemNumber::new("SKU-0001").unwrap(),
        ship_to: ShipToId::new("ACME-01").unwrap(),
        ship_date: date(2026, 11, 25),
        run: "RUN".to_owned(),
        calls_before_create: 0,
        is_one_step: true,
        needed_key: "\"pickRequestId\"",
        floor: Box::new(People(sandbox.wms.clone())),
    }
}

#[rstest]
#[tokio::test]
async fn the_contract_holds(#[values(true, false)] unique: bool) {
    let sandbox = sandbox(unique).await;
    let world = world(&sandbox);
    contract::run(connector(&sandbox.wms_url(), unique), &world).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn what_breaks_or_lies_is_told_by_its_class() {
    let sandbox = sandbox(true).await;
    let world = world(&sandbox);
    let connect = |url: &str| connector(url, true);
    contract::breaks(connect, &sandbox.wms_url(), &world).await;
    contract::lies(connect, &sandbox.wms_url(), &world).await;
    sandbox.stop().await;
}
