//! One trace id, from the buyer's request through the logs of the three layers to the order and its events.

use std::{collections::BTreeSet, process::Stdio};

use serde_json::Value;
use tests::{Setup, World, texts};

use crate::support::{expect, order};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The layers log to standard error, and a process has one log: this test runs the one below in a process of its own,
/// and reads what it wrote.
#[test]
fn one_trace_id_runs_through_the_logs_of_the_three_layers() -> anyhow::Result<()> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "trace::an_order_under_a_known_trace",
            "--include-ignored",
            "--nocapture",
        ])
        .stdin(Stdio::null())
        .output()?;
    let log = String::from_utf8(output.stderr)?;
    assert!(
        output.status.success(),
        "{}\n{log}",
        String::from_utf8_lossy(&output.stdout)
    );
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let layers = |wanted: fn(&Value) -> bool| -> BTreeSet<String> {
        let ours = lines
            .iter()
            .filter(|line| line["trace_id"] == TRACE && wanted(line));
        ours.filter_map(|line| line["layer"].as_str().map(str::to_owned))
            .collect()
    };
    let all = ["experience-apis", "process-apis", "system-apis"].map(str::to_owned);
    assert_eq!(
        layers(|line| line["target"] == "orderway::request"),
        BTreeSet::from(all),
        "{log}"
    );
    // The ERP was told after the buyer had the answer, by nobody's request: still the order's trace.
    let told = lines.iter().any(|line| {
        line["trace_id"] == TRACE
            && line["layer"] == "system-apis"
            && line["route"] == "/v1/companies/{company}/sales-orders"
            && line["method"] == "POST"
    });
    assert!(told, "{log}");
    Ok(())
}

#[tokio::test]
#[ignore = "run by one_trace_id_runs_through_the_logs_of_the_three_layers, in a process of its own"]
async fn an_order_under_a_known_trace() -> anyhow::Result<()> {
    let mut setup = Setup::default();
    for layer in ["SYSTEM", "PROCESS", "EXPERIENCE"] {
        setup = setup.with(&format!("ORDERWAY_{layer}__LOG__LEVEL"), "info");
    }
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let request = buyer
        .request(reqwest::Method::POST, "/orders")
        .header("Idempotency-Key", "k")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .json(&order("PO-1", &[("SKU-0002", "24", "EA")]));
    let placed = buyer.send(request).await?;
    expect(&placed, 202);
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(seen.at("/trace_id"), TRACE);
    let path = format!("/v1/orders/{}/events", placed.at("/order_id"));
    let events = texts(&world.operator()?.get(&path).await?.json(), "/events");
    assert!(events.len() >= 3, "{events:?}");
    for event in events {
        let traceparent = event["traceparent"].as_str().unwrap();
        assert!(traceparent.contains(TRACE), "{event}");
    }
    world.stop().await
}
