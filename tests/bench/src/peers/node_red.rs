//! Node-RED: a flow that fetches a page's products and works out price and availability of each line, and one that takes orders.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::processes::Ports;

use super::{PROBE, Running, Shop, Site, from_npm, node, start};
use crate::machine::Side;

/// Whether the caller is known, and what is fetched.
const ADMIT: &str = r"
if (msg.req.url === '/up') { msg.payload = ''; return [null, msg]; }
if (msg.req.headers.authorization !== 'Bearer none') { msg.statusCode = 401; msg.payload = ''; return [null, msg]; }
msg.url = 'http://{world}' + msg.req.path;
msg.headers = {};
return [msg, null];
";

/// Each price in whole cents, with what is taken off (here: nothing) and rounded half up; what there is over all sites.
const WORK_OUT: &str = r"
const cents = text => { const [whole, part = ''] = text.split('.'); return BigInt(whole + part.padEnd(2, '0').slice(0, 2)); };
const written = value => { const text = value.toString().padStart(3, '0'); return text.slice(0, -2) + '.' + text.slice(-2); };
const off = 0n;
for (const product of msg.payload.items) {
  for (const step of product.price.breaks) {
    const price = (cents(step.unit_price.amount) * (10000n - off) + 5000n) / 10000n;
    step.unit_price.amount = written(price);
  }
  let all = 0n;
  for (const site of product.availability.sites) { all += BigInt(site.available_now); }
  product.availability.available_now = all.toString();
}
msg.headers = {'content-type': 'application/json'};
msg.payload = JSON.stringify(msg.payload);
return msg;
";

/// Prices each line, takes stock and credit, all held in memory, and answers.
const TAKE: &str = r"
const order = msg.payload;
if (!order.purchase_order_number || !order.lines.length) { msg.statusCode = 422; msg.payload = {}; return msg; }
const stock = flow.get('stock') || {};
const lines = order.lines.map(({ item, quantity }) => {
  const count = Number(quantity.value);
  return { item, count, cents: count * (250 + 7 * Number(item.slice(-4))), free: stock[item] ?? 1e12 };
});
const total = lines.reduce((sum, line) => sum + line.cents, 0);
const owed = (flow.get('owed') || 0) + total;
if (lines.some(line => line.free < line.count) || owed > 1e15) { msg.statusCode = 409; msg.payload = {}; return msg; }
for (const line of lines) { stock[line.item] = line.free - line.count; }
flow.set('stock', stock);
flow.set('owed', owed);
msg.statusCode = 202;
msg.headers = {'content-type': 'application/json'};
msg.payload = { number: order.purchase_order_number, status: 'received', total };
return msg;
";

/// Nobody edits its flows, and it tells nobody of itself.
const SETTINGS: &str = r"module.exports = {
  uiHost: '127.0.0.1', uiPort: {port},
  flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: '/', disableEditor: true, credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false }, diagnostics: { enabled: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false } },
  logging: { console: { level: 'warn', metrics: false, audit: false } },
};
";

/// A page of an upstream with its lines worked out.
pub(crate) async fn page(
    ports: &mut Ports,
    cache: &Path,
    folder: &Path,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    run(ports, cache, folder, &flows(world)).await
}

/// A flow that takes orders.
pub(crate) async fn orders(site: Site<'_>) -> anyhow::Result<Shop> {
    let running = run(site.ports, site.cache, &site.folder, &taking()).await?;
    Ok(Shop {
        kept: vec![running.kept],
        server: None,
        address: running.address,
        path: "/orders",
        version: running.version,
    })
}

async fn run(
    ports: &mut Ports,
    cache: &Path,
    folder: &Path,
    flows: &Value,
) -> anyhow::Result<Running> {
    let packages = from_npm(cache, &["node-red@4"]).await?;
    let module = packages.join("node_modules/node-red");
    std::fs::create_dir_all(folder)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    std::fs::write(folder.join("flows.json"), serde_json::to_vec_pretty(flows)?)?;
    let port = address.port();
    let settings = SETTINGS.replace("{port}", &port.to_string());
    std::fs::write(folder.join("settings.js"), settings)?;
    let red = module.join("red.js");
    let (red, settings) = (red.to_string_lossy(), folder.join("settings.js"));
    let (settings, user) = (settings.to_string_lossy(), folder.to_string_lossy());
    let arguments = [red.as_ref(), "--settings", &settings, "--userDir", &user];
    let kept = start(
        Side::Measured,
        (&node()?, &arguments),
        &[("NODE_ENV", "production")],
        address,
        (PROBE, folder.join("log")),
    )
    .await?;
    let manifest = std::fs::read_to_string(module.join("package.json"))?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let version = manifest.get("version").and_then(Value::as_str);
    Ok(Running {
        kept,
        address,
        version: version.context("a package has a version")?.to_owned(),
    })
}

fn flows(world: SocketAddr) -> Value {
    let admit = ADMIT.replace("{world}", &world.to_string());
    json!([
        tab(),
        entry("get", "/:page", "admit"),
        function("admit", &admit, json!([["fetch"], ["out"]])),
        {"id": "fetch", "type": "http request", "z": "shop", "name": "", "method": "GET", "ret": "obj", "paytoqs": "ignore",
            "url": "", "tls": "", "persist": true, "proxy": "", "insecureHTTPParser": false, "authType": "",
            "senderr": false, "headers": [], "x": 1, "y": 1, "wires": [["work-out"]]},
        function("work-out", WORK_OUT, json!([["out"]])),
        out(),
    ])
}

fn taking() -> Value {
    json!([
        tab(),
        entry("get", "/up", "out"),
        entry("post", "/orders", "take"),
        function("take", TAKE, json!([["out"]])),
        out(),
    ])
}

fn tab() -> Value {
    json!({"id": "shop", "type": "tab", "label": "shop", "disabled": false})
}

fn entry(method: &str, url: &str, to: &str) -> Value {
    json!({"id": format!("in-{method}"), "type": "http in", "z": "shop", "name": "", "url": url, "method": method, "upload": false,
        "x": 1, "y": 1, "wires": [[to]]})
}

fn function(id: &str, code: &str, wires: Value) -> Value {
    let outputs = wires.as_array().map_or(0, Vec::len);
    json!({"id": id, "type": "function", "z": "shop", "name": id, "func": code, "outputs": outputs, "timeout": 0, "noerr": 0,
        "initialize": "", "finalize": "", "libs": [], "x": 1, "y": 1, "wires": wires})
}

fn out() -> Value {
    json!({"id": "out", "type": "http response", "z": "shop", "name": "", "statusCode": "", "headers": {}, "x": 1, "y": 1,
        "wires": []})
}
