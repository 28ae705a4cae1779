//! A channel of somebody's own, as docs/adding-a-channel.md has its readers write it: run, and held to its bounds.

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::json;
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};
use tests::{Setup, World, needs};
use tokio::process::Command;

use crate::support::blocks;

const KEY: &str = "a-key-of-the-kiosk-and-of-nobody-else";

/// A world that knows the service, as the document has its readers set it up.
async fn world() -> anyhow::Result<World> {
    let commands = blocks("adding-a-channel.md", "sh");
    let after = commands[0].split("\n[context.services.kiosk]\n").nth(1);
    let block = after.and_then(|rest| rest.split("\nEND\n").next());
    let block = block.unwrap_or_default();
    assert!(block.contains(KEY), "{commands:?}");
    assert!(commands[1].contains(KEY), "{commands:?}");
    let services = format!("{{ kiosk = {{ {} }} }}", block.replace('\n', ", "));
    World::start_with(Setup::default().with("ORDERWAY_PROCESS__CONTEXT__SERVICES", &services)).await
}

#[tokio::test]
async fn the_service_of_the_document_orders_once_and_sees_it_through() -> anyhow::Result<()> {
    let Some(python) = needs::python() else {
        return Ok(());
    };
    let world = world().await?;
    let service = blocks("adding-a-channel.md", "python");
    let [service] = service.as_slice() else {
        panic!("not one service: {service:?}")
    };
    let output = Command::new(python)
        .args(["-c", service])
        .env("KIOSK_KEY", KEY)
        .env("ORDERWAY_PROCESS", &world.estate.process_url)
        .output()
        .await?;
    let said = String::from_utf8(output.stdout)?;
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    let told: Vec<&str> = said.lines().collect();
    let [price, taken, status] = told.as_slice() else {
        panic!("{said}")
    };
    assert!(price.starts_with("price "), "{said}");
    assert!(taken.ends_with(" once"), "{said}");
    assert!(status.ends_with(" channel kiosk"), "{said}");
    let in_erp = world.estate.sandbox.erp.orders();
    assert_eq!(in_erp.len(), 1, "{in_erp:?}");
    assert!(in_erp[0].purchase_order_number.starts_with("KIOSK-"));
    world.stop().await
}

#[tokio::test]
async fn what_a_service_may_not_say_is_refused_by_name() -> anyhow::Result<()> {
    let world = world().await?;
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None)?;
    let signer = ContextSigner::new(hop, keys, Clock::system());
    let kiosk = CallContext {
        principal: "alice".to_owned(),
        accounts: AccountScope::List(vec!["ACME".to_owned()]),
        company: Some("NWI".to_owned()),
        channel: "kiosk".to_owned(),
        scopes: vec!["prices:read".to_owned()],
        correlation_id: "c-1".to_owned(),
        deadline: world.now() + SignedDuration::from_secs(10),
        remaining_ms: 10_000,
        layer: LayerIdentity::ExperienceApis,
    };
    let ask = async |context: &CallContext| -> anyhow::Result<(StatusCode, serde_json::Value)> {
        let answer = world
            .http
            .post(format!("{}/v1/prices/query", world.estate.process_url))
            .header(CONTEXT_HEADER, signer.sign(context)?)
            .json(&json!({"account": "ACME", "items": ["SKU-0002"]}))
            .send()
            .await?;
        Ok((answer.status(), answer.json().await?))
    };
    let (status, prices) = ask(&kiosk).await?;
    assert_eq!(status, 200, "{prices}");
    for (context, what) in [
        (
            CallContext {
                channel: "edi".to_owned(),
                ..kiosk.clone()
            },
            "the channel `edi`",
        ),
        (
            CallContext {
                scopes: vec!["prices:read".to_owned(), "holds:release".to_owned()],
                ..kiosk.clone()
            },
            "the scope `holds:release`",
        ),
        (
            CallContext {
                accounts: AccountScope::All,
                ..kiosk.clone()
            },
            "all accounts",
        ),
    ] {
        let (status, problem) = ask(&context).await?;
        assert_eq!(status, 403, "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(what), "{detail}");
    }
    world.stop().await
}
