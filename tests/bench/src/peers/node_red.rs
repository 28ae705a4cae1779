//! Node-RED: a flow that fetches a page's products and works out price and availability of each line.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::processes::Ports;

use super::{PROBE, Running, from_npm, start};
use crate::machine::{Side, said};

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
    let packages = from_npm(cache, &["node-red@4"]).await?;
    let module = packages.join("node_modules/node-red");
    std::fs::create_dir_all(folder)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    let flows = serde_json::to_vec_pretty(&flows(world))?;
    std::fs::write(folder.join("flows.json"), flows)?;
    let port = address.port();
    let settings = SETTINGS.replace("{port}", &port.to_string());
    std::fs::write(folder.join("settings.js"), settings)?;
    let red = module.join("red.js");
    let (red, settings) = (red.to_string_lossy(), folder.join("settings.js"));
    let (settings, user) = (settings.to_string_lossy(), folder.to_string_lossy());
    let node = said("sh", &["-c", "command -v node"]);
    anyhow::ensure!(!node.is_empty(), "there is no node");
    let arguments = [red.as_ref(), "--settings", &settings, "--userDir", &user];
    let kept = start(
        Side::Measured,
        (Path::new(&node), &arguments),
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
    let function = |id: &str, code: &str, outputs: u8, wires: Value| {
        json!({"id": id, "type": "function", "z": "shop", "name": id, "func": code, "outputs": outputs, "timeout": 0,
            "noerr": 0, "initialize": "", "finalize": "", "libs": [], "x": 1, "y": 1, "wires": wires})
    };
    json!([
        {"id": "shop", "type": "tab", "label": "shop", "disabled": false},
        {"id": "in", "type": "http in", "z": "shop", "name": "", "url": "/:page", "method": "get", "upload": false, "x": 1, "y": 1,
            "wires": [["admit"]]},
        function("admit", &ADMIT.replace("{world}", &world.to_string()), 2, json!([["fetch"], ["out"]])),
        {"id": "fetch", "type": "http request", "z": "shop", "name": "", "method": "GET", "ret": "obj", "paytoqs": "ignore",
            "url": "", "tls": "", "persist": true, "proxy": "", "insecureHTTPParser": false, "authType": "",
            "senderr": false, "headers": [], "x": 1, "y": 1, "wires": [["work-out"]]},
        function("work-out", WORK_OUT, 1, json!([["out"]])),
        {"id": "out", "type": "http response", "z": "shop", "name": "", "statusCode": "", "headers": {}, "x": 1, "y": 1, "wires": []},
    ])
}
