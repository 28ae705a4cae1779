//! The live Tryton that `tests/backends/tryton up` leaves for tests, if there is one.

use std::{
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
};

use serde_json::Value;
use service_runtime::{config::Secret, http_client::BackendClientConfig};

use super::config::TrytonServer;

/// What `tryton.json` tells.
pub(crate) struct Live(pub(crate) Value);

/// The live server; says aloud where there is none, and fails where `ORDERWAY_TEST_REQUIRE` asks for it.
pub(crate) fn live() -> Option<Live> {
    let of = |variable| std::env::var_os(variable).map(PathBuf::from);
    let folder = of("ORDERWAY_TRYTON_DIR").unwrap_or_else(|| {
        let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        of("CARGO_TARGET_DIR").unwrap_or_else(usual).join("tryton")
    });
    let told = std::fs::read(folder.join("tryton.json")).ok();
    let told = told.and_then(|told| serde_json::from_slice::<Value>(&told).ok());
    let listens = |told: &Value| {
        let url = told.get("url").and_then(Value::as_str);
        let url = url.and_then(|url| reqwest::Url::parse(url).ok());
        let addresses = url.and_then(|url| url.socket_addrs(|| None).ok());
        addresses.is_some_and(|addresses| TcpStream::connect(&*addresses).is_ok())
    };
    let found = told.filter(listens).map(Live);
    if found.is_none() {
        let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let required = required.to_string_lossy();
        let is_required = required.split(',').any(|one| one.trim() == "tryton");
        let how = "run tests/backends/tryton up";
        assert!(!is_required, "needs tryton: {how}");
        // Past the capture of the test runner: a skip that nobody sees would look like a pass.
        drop(writeln!(std::io::stderr(), "skipped: needs tryton ({how})"));
    }
    found
}

impl Live {
    /// One of its databases, such as `erp`, as the user of the gateway.
    pub(crate) fn server(&self, role: &str) -> TrytonServer {
        let text = |path: &str| self.0.pointer(path).unwrap().as_str().unwrap().to_owned();
        TrytonServer {
            url: text("/url"),
            database: text(&format!("/databases/{role}/name")),
            user: text("/users/gateway/login"),
            password: Secret::from(text("/users/gateway/password")),
            company: text(&format!("/databases/{role}/company/code")),
            http: BackendClientConfig::default(),
        }
    }

    /// The same database as its administrator, who may change what the gateway only reads.
    pub(crate) fn administrator(&self, role: &str) -> TrytonServer {
        let text = |path: &str| self.0.pointer(path).unwrap().as_str().unwrap().to_owned();
        TrytonServer {
            user: text("/users/changefeed/login"),
            password: Secret::from(text("/users/changefeed/password")),
            ..self.server(role)
        }
    }

    /// The day of its seed.
    pub(crate) fn base_date(&self, role: &str) -> jiff::civil::Date {
        let date = self.0.pointer(&format!("/databases/{role}/base_date"));
        date.unwrap().as_str().unwrap().parse().unwrap()
    }
}
