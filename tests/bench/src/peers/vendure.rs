//! Vendure: a shop on `PostgreSQL`.

use serde_json::json;
use tokio::process::Command;

use super::{PROBE, Shop, Site, done, from_npm_with, node, start};
use crate::machine::Side;

const VERSION: &str = "3.7.3";
const SHOP: &str = include_str!("vendure.js");
/// It tells nobody of itself.
const QUIET: (&str, &str) = ("VENDURE_DISABLE_TELEMETRY", "true");

/// The shop, filled, and a server for its tables.
pub(crate) async fn orders(mut site: Site<'_>) -> anyhow::Result<Shop> {
    let core = format!("@vendure/core@{VERSION}");
    // The one after it cannot be had.
    let overrides = json!({"@graphql-tools/batch-execute": "10.2.0"});
    let packages = from_npm_with(site.cache, &overrides, &[&core, "pg@8"]).await?;
    std::fs::create_dir_all(&site.folder)?;
    let script = packages.join("orders.js");
    std::fs::write(&script, SHOP)?;
    let server = site.database("vendure").await?;
    let address = site.address()?;
    let (port, database) = (address.port().to_string(), server.url("vendure"));
    let (script, folder) = (script.to_string_lossy(), site.folder.to_string_lossy());
    let arguments = |task| [script.as_ref(), task, &port, &database, &folder].map(str::to_owned);
    let node = node()?;
    let (name, value) = QUIET;
    done(Command::new(&node).args(arguments("seed")).env(name, value)).await?;
    let serve = arguments("serve");
    let shop = start(
        Side::Measured,
        (&node, &serve.each_ref().map(String::as_str)),
        &[QUIET, ("NODE_ENV", "production")],
        address,
        (PROBE, site.log()),
    )
    .await?;
    Ok(Shop {
        kept: vec![shop],
        server: Some(server),
        address,
        path: "/orders",
        version: VERSION.to_owned(),
    })
}
