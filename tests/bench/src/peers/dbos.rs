//! DBOS: an order as five durable steps of a workflow, kept in `PostgreSQL`.

use super::{PROBE, Shop, Site, from_python, start};
use crate::machine::Side;

const VERSION: &str = "3.4.0";
const SERVICE: &str = include_str!("dbos.py");

/// The service, and a server for its state.
pub(crate) async fn orders(mut site: Site<'_>) -> anyhow::Result<Shop> {
    let dbos = format!("dbos=={VERSION}");
    let packages = [dbos.as_str(), "fastapi==0.165.0", "uvicorn==0.54.0"];
    let environment = from_python(site.cache, &packages).await?;
    std::fs::create_dir_all(&site.folder)?;
    let script = site.folder.join("orders.py");
    std::fs::write(&script, SERVICE)?;
    let server = site.database("dbos").await?;
    let address = site.address()?;
    let (port, database) = (address.port().to_string(), server.url("dbos"));
    // SQLAlchemy's name of the scheme.
    let database = database.replacen("postgres:", "postgresql:", 1);
    let service = start(
        Side::Measured,
        (
            &environment.join("bin/python"),
            &[&script.to_string_lossy(), &port, &database],
        ),
        &[],
        address,
        (PROBE, site.log()),
    )
    .await?;
    Ok(Shop {
        kept: vec![service],
        server: Some(server),
        address,
        path: "/orders",
        version: VERSION.to_owned(),
    })
}
