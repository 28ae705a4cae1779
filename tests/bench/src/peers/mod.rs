//! Other software for the same job, or a part of it. Each is installed by its name from its registry into the cache folder, or from
//! Debian's packages; nothing of it is kept here. One that cannot be had is told, and the others go on.

pub(crate) mod axum_moka;
pub(crate) mod dbos;
pub(crate) mod envoy;
pub(crate) mod medusa;
pub(crate) mod nginx;
pub(crate) mod node_red;
pub(crate) mod node_x12;
pub(crate) mod oscar;
pub(crate) mod pgbench;
pub(crate) mod restate;
pub(crate) mod varnish;
pub(crate) mod vendure;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::processes::{Kept, Ports, Program, until_up};
use tokio::process::Command;

use self::pgbench::Server;
use crate::machine::{Side, said};

/// How long an installation may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// Where a gateway says that it runs, by itself.
const PROBE: &str = "/up";

/// A peer that runs.
pub(crate) struct Running {
    pub(crate) kept: Kept,
    pub(crate) address: SocketAddr,
    /// What it says of its version.
    pub(crate) version: String,
}

/// A peer that takes orders, each by one POST.
pub(crate) struct Shop {
    pub(crate) kept: Vec<Kept>,
    /// Its database, where that is a server.
    pub(crate) server: Option<Server>,
    pub(crate) address: SocketAddr,
    /// Where orders are posted.
    pub(crate) path: &'static str,
    pub(crate) version: String,
}

/// What a shop is made with: free ports, where it is installed, and a folder of this run that is its own.
pub(crate) struct Site<'a> {
    pub(crate) ports: &'a mut Ports,
    pub(crate) cache: &'a Path,
    pub(crate) folder: PathBuf,
}

impl Site<'_> {
    fn address(&mut self) -> anyhow::Result<SocketAddr> {
        Ok(format!("127.0.0.1:{}", self.ports.take()?).parse()?)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A server with an empty database of a name.
    async fn database(&mut self, name: &str) -> anyhow::Result<Server> {
        let server = Server::start(self.ports).await?;
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        server.said("postgres", &create).await?;
        Ok(server)
    }
}

/// Runs a program to its end, and gives what it printed.
pub(crate) async fn done(command: &mut Command) -> anyhow::Result<String> {
    let told = format!("{command:?}");
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output())
        .await
        .with_context(|| format!("{told} takes too long"))?
        .with_context(|| format!("{told} cannot be started"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    anyhow::ensure!(output.status.success(), "{told}: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}

/// The programs of Debian's packages, installed where they are missing (which takes root).
pub(crate) async fn from_debian(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| path.is_file());
    if let Some(found) = found {
        return Ok(found);
    }
    done(Command::new("apt-get").args(["-o", "DPkg::Lock::Timeout=300", "update"])).await?;
    let install = ["install", "--yes", "--no-install-recommends", package];
    // A server that the package would start by itself would take a port, and the core that is measured.
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let ours = !policy.exists();
    if ours {
        std::fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        done(Command::new("chmod").arg("755").arg(policy)).await?;
    }
    let installed = done(
        Command::new("apt-get")
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(install)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .await;
    if ours {
        std::fs::remove_file(policy)?;
    }
    installed?;
    ["/usr/sbin", "/usr/bin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("package {package} brought no {program}"))
}

/// A package of the npm registry in a folder of its own; the folder.
pub(crate) async fn from_npm(cache: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    from_npm_with(cache, &json!({}), packages).await
}

/// The same, with other versions of what the packages want.
async fn from_npm_with(
    cache: &Path,
    overrides: &Value,
    packages: &[&str],
) -> anyhow::Result<PathBuf> {
    let first = packages.first().context("a package is named")?;
    let folder = cache.join("npm").join(first.replace(['@', '/'], "-"));
    if !folder.join("node_modules").is_dir() {
        std::fs::create_dir_all(&folder)?;
        let manifest = json!({"private": true, "overrides": overrides});
        std::fs::write(folder.join("package.json"), manifest.to_string())?;
        let installed = done(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--loglevel", "error"])
                .args(packages)
                .env("DO_NOT_TRACK", "1")
                .current_dir(&folder),
        )
        .await;
        if let Err(error) = installed {
            // As below.
            std::fs::remove_dir_all(&folder)?;
            return Err(error);
        }
    }
    Ok(folder)
}

/// Where Node is.
fn node() -> anyhow::Result<PathBuf> {
    let node = said("sh", &["-c", "command -v node"]);
    anyhow::ensure!(!node.is_empty(), "there is no node");
    Ok(node.into())
}

/// Packages of the Python index in an environment of its own; its folder.
pub(crate) async fn from_python(cache: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let first = packages.first().context("a package is named")?;
    let name = first.split("==").next().unwrap_or(first);
    let folder = cache.join("python").join(name);
    if !folder.join("bin/python").is_file() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&folder)).await?;
        let installed = done(
            Command::new(folder.join("bin/pip"))
                .args(["install", "--quiet"])
                .args(packages),
        )
        .await;
        if let Err(error) = installed {
            // Half of an environment would be taken for a whole one the next time.
            std::fs::remove_dir_all(&folder)?;
            return Err(error);
        }
    }
    Ok(folder)
}

/// Starts a program, pinned, and waits until it answers at a path of its address.
pub(crate) async fn start(
    side: Side,
    (program, arguments): (&Path, &[&str]),
    environment: &[(&str, &str)],
    address: SocketAddr,
    (probe, log): (&str, PathBuf),
) -> anyhow::Result<Kept> {
    let mut command = side.pinned(program);
    command.extend(arguments.iter().map(PathBuf::from));
    let environment: BTreeMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let kept = Kept::start(Program {
        name: program.display().to_string(),
        command,
        environment,
        log,
    });
    let http = reqwest::Client::builder().no_proxy().build()?;
    let up = until_up(&http, &format!("http://{address}{probe}")).await;
    up.with_context(|| kept.last_lines(10).join("\n"))?;
    Ok(kept)
}
