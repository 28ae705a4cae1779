//! django-oscar: a shop, its file made durable as Orderway makes its own.

use tokio::process::Command;

use super::{PROBE, Shop, Site, done, from_python, start};
use crate::machine::Side;

const VERSION: &str = "4.2.1";
const SHOP: &str = include_str!("oscar.py");

/// The shop, filled, with two workers.
pub(crate) async fn orders(mut site: Site<'_>) -> anyhow::Result<Shop> {
    let oscar = format!("django-oscar=={VERSION}");
    let packages = [oscar.as_str(), "Django==5.2.19", "gunicorn==27.0.1"];
    let environment = from_python(site.cache, &packages).await?;
    std::fs::create_dir_all(&site.folder)?;
    let script = site.folder.join("shop.py");
    std::fs::write(&script, SHOP)?;
    done(Command::new(environment.join("bin/python")).arg(&script)).await?;
    let address = site.address()?;
    let (listen, folder) = (address.to_string(), site.folder.to_string_lossy());
    let arguments = [
        "--no-control-socket",
        "--workers",
        "2",
        "--bind",
        &listen,
        "--chdir",
        &folder,
        "shop:application",
    ];
    let workers = start(
        Side::Measured,
        (&environment.join("bin/gunicorn"), &arguments),
        &[],
        address,
        (PROBE, site.log()),
    )
    .await?;
    Ok(Shop {
        kept: vec![workers],
        server: None,
        address,
        path: "/orders",
        version: VERSION.to_owned(),
    })
}
