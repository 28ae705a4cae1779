//! The published contract is good enough to work from: a TypeScript client is generated from it, compiled as strictly as
//! the compiler can, and used against the running portal.

use std::process::Stdio;

use serde::Deserialize;
use tests::{
    World,
    needs::{self, Node},
};
use tokio::process::Command;

use crate::support::{decimal, the_live_one};

const PURCHASE_ORDER: &str = "PO-TYPESCRIPT";

/// What the script says it did.
#[derive(Debug, Deserialize)]
struct Told {
    item: String,
    unit: String,
    verdict: String,
    checked_total: Amount,
    quoted_unit_price: String,
    order_id: String,
    repeated_order_id: String,
    sales_order_number: String,
    total: Amount,
    refusal: Refusal,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Amount {
    amount: String,
    currency: String,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    status: u16,
    code: String,
    faults: Vec<Fault>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    pointer: String,
    code: String,
}

/// Runs a script of `tests/typescript`, and gives what it printed.
async fn run(node: &Node, script: &[&str], settings: &[(&str, &str)]) -> String {
    let output = Command::new(&node.program)
        .args(script)
        .current_dir(tests::root().join("tests/typescript"))
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script:?}: {printed}{errors}");
    printed
}

#[tokio::test]
async fn a_generated_typescript_client_buys_at_the_running_portal() -> anyhow::Result<()> {
    let Some(node) = needs::node() else {
        return Ok(());
    };
    let generator = "node_modules/@hey-api/openapi-ts/bin/run.js";
    run(&node, &[generator, "--silent", "--no-log-file"], &[]).await;
    run(&node, &["node_modules/typescript/bin/tsc"], &[]).await;

    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let settings = [
        ("ORDERWAY_URL", world.estate.experience_url.as_str()),
        ("ORDERWAY_TOKEN", buyer.token()),
        ("ORDERWAY_ACCOUNT", "ACME"),
        ("ORDERWAY_PURCHASE_ORDER", PURCHASE_ORDER),
    ];
    let told = run(&node, &["compiled/buy.js"], &settings).await;
    let told: Told = serde_json::from_str(&told)?;

    assert_eq!(told.verdict, "accept");
    assert_eq!(told.order_id, told.repeated_order_id);
    assert_eq!(told.total, told.checked_total);
    assert_eq!(told.total.currency, "USD");
    let refusal = &told.refusal;
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (422, "order-rejected"),
        "{refusal:?}"
    );
    let [fault] = refusal.faults.as_slice() else {
        panic!("one fault was expected: {refusal:?}");
    };
    assert_eq!(
        (fault.pointer.as_str(), fault.code.as_str()),
        ("/lines/0/item", "unknown-item")
    );

    // The ERP's own record, under the number that the client was told.
    let kept = the_live_one(&world, PURCHASE_ORDER).await?;
    assert_eq!(kept.number, told.sales_order_number);
    let [line] = kept.lines.as_slice() else {
        panic!("one line was expected: {kept:?}");
    };
    // The ERP's own word for the unit.
    assert_eq!((told.unit.as_str(), line.unit.as_str()), ("EA", "ST"));
    assert_eq!(line.item, told.item);
    assert_eq!(line.quantity, decimal("3"));
    assert_eq!(line.net_price, decimal(&told.quoted_unit_price));
    world.stop().await
}
