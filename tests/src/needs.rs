//! What a test needs of the machine: it looks for it, and says aloud that it is skipped where it is not there.
//!
//! `ORDERWAY_TEST_REQUIRE=samples,dtd,chromium,xmllint,node,postgres,nats,tryton,strace,curl,python` turns such a skip into a failure;
//! `.ci/run setup` installs what can be installed.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The collection of published documents: its folder.
pub fn samples() -> Option<PathBuf> {
    let folder = shared("ORDERWAY_SAMPLES", "samples");
    let found = folder.join("INDEX.tsv").is_file().then_some(folder);
    need("samples", "set ORDERWAY_SAMPLES", found)
}

/// The published cXML DTDs, a folder a version: their folder.
pub fn dtd() -> Option<PathBuf> {
    let folder = shared("ORDERWAY_DTD", "dtd");
    let found = folder.is_dir().then_some(folder);
    need("dtd", "set ORDERWAY_DTD to the folder of cXML DTDs", found)
}

/// `xmllint`.
pub fn xmllint() -> Option<PathBuf> {
    need("xmllint", "install libxml2-utils", program("xmllint"))
}

/// `curl`, with which the documents call.
pub fn curl() -> Option<PathBuf> {
    need("curl", "install curl", program("curl"))
}

/// Python, in which a document verifies.
pub fn python() -> Option<PathBuf> {
    need("python", "install python3", program("python3"))
}

/// `strace`, and the right to trace a process.
pub fn strace() -> Option<PathBuf> {
    let found = program("strace").filter(|strace| {
        let mut command = std::process::Command::new(strace);
        let traced = command.args(["-o", "/dev/null", "true"]).output();
        traced.is_ok_and(|traced| traced.status.success())
    });
    need("strace", "install strace, and allow ptrace", found)
}

/// The programs of a `PostgreSQL` server, to start one of one's own: their folder.
pub fn postgres_programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<PathBuf> = installed
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    let in_path = program("initdb").and_then(|initdb| initdb.parent().map(Path::to_owned));
    folders.extend(in_path);
    let found = folders
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file());
    need("postgres", "install postgresql", found)
}

/// A `PostgreSQL` server on which databases may be made: its address.
pub fn postgres() -> Option<String> {
    let named = std::env::var_os("ORDERWAY_TEST_POSTGRES").and_then(|url| url.into_string().ok());
    let url = named.unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let listens = url::Url::parse(&url).is_ok_and(|url| {
        let address = (
            url.host_str().unwrap_or("127.0.0.1"),
            url.port().unwrap_or(5432),
        );
        std::net::TcpStream::connect(address).is_ok()
    });
    need(
        "postgres",
        "set ORDERWAY_TEST_POSTGRES",
        listens.then_some(url),
    )
}

/// `nats-server`, to start one of one's own.
pub fn nats_server() -> Option<PathBuf> {
    let beside = Path::new("/usr/sbin/nats-server");
    let found = program("nats-server").or_else(|| beside.is_file().then(|| beside.to_owned()));
    need("nats", "install nats-server", found)
}

/// A running Tryton that `tests/backends/tryton up` brought up.
#[cfg(feature = "world")]
pub fn tryton() -> Option<orderway::backends::Tryton> {
    let told = orderway::backends::Tryton::told().ok();
    let found = told.filter(|tryton| {
        let url = url::Url::parse(&tryton.url).ok();
        let address = url.and_then(|url| url.socket_addrs(|| None).ok()?.first().copied());
        address.is_some_and(|address| std::net::TcpStream::connect(address).is_ok())
    });
    need("tryton", "run tests/backends/tryton up", found)
}

/// Chromium and its driver.
pub fn chromium() -> Option<Chromium> {
    let driver = program("chromedriver");
    let found = program("chromium")
        .zip(driver)
        .map(|(browser, driver)| Chromium { browser, driver });
    need("chromium", "install chromium and chromium-driver", found)
}

/// Where Chromium and its driver are.
#[derive(Debug, Clone)]
pub struct Chromium {
    pub(crate) browser: PathBuf,
    pub(crate) driver: PathBuf,
}

/// Node, and the packages of `tests/typescript`.
pub fn node() -> Option<Node> {
    let packages = crate::root().join("tests/typescript/node_modules");
    let program = program("node").filter(|_| packages.join(".package-lock.json").is_file());
    let found = program.map(|program| Node { program, packages });
    let how = "install Node 20.19 or newer, then: npm ci --prefix tests/typescript";
    need("node", how, found)
}

/// Where Node and the packages are.
#[derive(Debug, Clone)]
pub struct Node {
    /// The program.
    pub program: PathBuf,
    /// The folder `node_modules`.
    pub packages: PathBuf,
}

fn need<T>(name: &str, how: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let required = required.to_string_lossy();
        let is_required = required.split(',').any(|one| one.trim() == name);
        assert!(!is_required, "needs {name}: {how}");
        // Past the capture of the test runner: a skip that nobody sees would look like a pass.
        drop(writeln!(std::io::stderr(), "skipped: needs {name} ({how})"));
    }
    found
}

/// A folder that is named, or that lies beside the project.
fn shared(variable: &str, name: &str) -> PathBuf {
    let beside = || crate::root().join("../shared").join(name);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}

fn program(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).map(|folder: PathBuf| folder.join(name));
    places
        .into_iter()
        .find(|place: &PathBuf| Path::is_file(place))
}
