//! Restate: an order as five durable steps of a service, called through its server.

use std::net::SocketAddr;

use super::{Shop, Site, from_npm, node, start};
use crate::machine::Side;

const VERSION: &str = "1.7.12";
const SERVER: &str = "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server";
const SERVICE: &str = include_str!("restate.mjs");

/// The server, with its own log and its own disk, and the service behind it.
pub(crate) async fn orders(mut site: Site<'_>) -> anyhow::Result<Shop> {
    let server = format!("@restatedev/restate-server@{VERSION}");
    let packages = from_npm(site.cache, &[&server, "@restatedev/restate-sdk@1.17.2"]).await?;
    std::fs::create_dir_all(&site.folder)?;
    let script = packages.join("orders.mjs");
    std::fs::write(&script, SERVICE)?;
    let (ingress, admin) = (site.address()?, site.address()?);
    let (fabric, service) = (site.address()?, site.address()?);
    let port = |address: SocketAddr| address.port().to_string();
    let data = site.folder.join("data");
    // It would listen on all addresses.
    let environment = [
        ("RESTATE_BIND_IP", "127.0.0.1".to_owned()),
        ("RESTATE_ADVERTISED_HOST", "127.0.0.1".to_owned()),
        ("RESTATE_LISTEN_MODE", "tcp".to_owned()),
        ("RESTATE_BIND_PORT", port(fabric)),
        ("RESTATE_INGRESS__BIND_PORT", port(ingress)),
        ("RESTATE_ADMIN__BIND_PORT", port(admin)),
        ("RESTATE_NODE_NAME", "bench".to_owned()),
        ("RESTATE_BASE_DIR", data.to_string_lossy().into_owned()),
        ("RESTATE_LOG_FILTER", "error".to_owned()),
        ("RESTATE_DISABLE_TELEMETRY", "true".to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let server = start(
        Side::Measured,
        (&packages.join(SERVER), &["--no-logo"]),
        &environment,
        admin,
        ("/health", site.log()),
    )
    .await?;
    let (port, admin) = (port(service), format!("http://{admin}"));
    let script = script.to_string_lossy();
    let service = start(
        Side::Measured,
        (&node()?, &[&script, &port, &admin]),
        &[("NODE_ENV", "production"), ("RESTATE_LOGGING", "ERROR")],
        ingress,
        ("/orders/up", site.folder.join("service.log")),
    )
    .await?;
    Ok(Shop {
        kept: vec![server, service],
        server: None,
        address: ingress,
        path: "/orders/place",
        version: VERSION.to_owned(),
    })
}
