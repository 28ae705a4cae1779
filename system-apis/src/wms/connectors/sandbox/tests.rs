//! The connector against a live sandbox, and behind a proxy that loses an answer.

use canonical_model::{ItemNumber, SiteId, capabilities::ReleaseClass};
use jiff::civil::date;
use rstest::rstest;
use sandbox::{
    RunningSandbox, Sandbox, SandboxConfig, Seed,
    fault::{Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule},
};
use service_runtime::config::Secret;

use super::{client::SandboxWmsConnector, config::SandboxWms};
use crate::{
    connector::ConnectorError,
    wms::{
        connector::WmsConnector,
        contract::{self, World},
    },
};

async fn sandbox(unique: bool) -> RunningSandbox {
    let config = SandboxConfig {
        unique_client_ref: unique,
        ..SandboxConfig::new(Seed::default_world(date(2026, 11, 20)))
    };
    Sandbox::start(config).await.unwrap()
}

fn connector(base_url: &str, unique: bool) -> SandboxWmsConnector {
    let token = Secret::from(SandboxConfig::WMS_TOKEN.to_owned());
    let mut settings = SandboxWms::at(base_url.to_owned(), token);
    settings.release_class = if unique {
        ReleaseClass::Unique
    } else {
        ReleaseClass::Searchable
    };
    SandboxWmsConnector::new(&settings).unwrap()
}

fn world() -> World {
    World {
        site: SiteId::new("EAST").unwrap(),
        item: ItemNumber::new("SKU-0001").unwrap(),
    }
}

#[rstest]
#[tokio::test]
async fn the_contract_holds(#[values(true, false)] unique: bool) {
    let sandbox = sandbox(unique).await;
    contract::run(&connector(&sandbox.wms_url(), unique), &world()).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_release_is_found_by_its_reference() {
    let sandbox = sandbox(true).await;
    let proxy = FaultProxy::start(&sandbox.wms_url(), FaultConfig::default())
        .await
        .unwrap();
    proxy
        .set_plan(FaultPlan {
            rules: vec![FaultRule {
                name: "lost".to_owned(),
                method: Some("POST".to_owned()),
                path_prefix: "/wms/v2/pickRequests".to_owned(),
                probability: 1.0,
                skip: 0,
                times: Some(1),
                fault: Fault::DropAfterCommit,
            }],
            ..FaultPlan::default()
        })
        .unwrap();
    let wms = connector(&proxy.url(), true);
    let lost = wms
        .create_release(&contract::release(&world(), "OW-LOST"))
        .await
        .unwrap_err();
    assert!(
        matches!(lost, ConnectorError::OutcomeUnknown(_)),
        "{lost:?}"
    );
    assert_eq!(wms.find_releases("OW-LOST").await.unwrap().len(), 1);
}
