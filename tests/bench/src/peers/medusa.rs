//! Medusa: a shop on `PostgreSQL`.

use std::path::Path;

use tokio::process::Command;

use super::{Shop, Site, done, from_npm, node, start};
use crate::machine::Side;

const VERSION: &str = "2.21.2";
/// Its project: the place of each file in it.
const FILES: [(&str, &str); 3] = [
    ("medusa-config.js", include_str!("medusa.config.js")),
    ("src/api/orders/route.js", include_str!("medusa.orders.js")),
    ("src/seed.js", include_str!("medusa.seed.js")),
];

/// The shop, filled, and a server for its tables.
pub(crate) async fn orders(mut site: Site<'_>) -> anyhow::Result<Shop> {
    let packages = ["medusa", "framework", "cli"].map(|name| format!("@medusajs/{name}@{VERSION}"));
    let project = from_npm(site.cache, &packages.each_ref().map(String::as_str)).await?;
    std::fs::create_dir_all(&site.folder)?;
    std::fs::create_dir_all(project.join("src/api/orders"))?;
    for (place, text) in FILES {
        std::fs::write(project.join(place), text)?;
    }
    let server = site.database("medusa").await?;
    let address = site.address()?;
    let database = server.url("medusa");
    let environment = [
        ("DATABASE_URL", database.as_str()),
        ("LOG_LEVEL", "error"),
        ("MEDUSA_DISABLE_TELEMETRY", "1"),
        ("NODE_ENV", "production"),
    ];
    let node = node()?;
    let program = "node_modules/@medusajs/cli/cli.js";
    for task in [&["db:migrate"][..], &["exec", "./src/seed.js"]] {
        done(
            Command::new(&node)
                .arg(program)
                .args(task)
                .envs(environment)
                .current_dir(&project),
        )
        .await?;
    }
    let (port, folder) = (address.port().to_string(), project.to_string_lossy());
    let node = node.to_string_lossy();
    let arguments = ["-C", &folder, &node, program, "start"];
    let listen = ["--host", "127.0.0.1", "--port", &port];
    let shop = start(
        Side::Measured,
        (
            Path::new("/usr/bin/env"),
            &[&arguments[..], &listen].concat(),
        ),
        &environment,
        address,
        ("/health", site.log()),
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
