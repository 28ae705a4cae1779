//! A `PostgreSQL` server of a run's own: it may be killed, and nobody else's is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

/// The user that a server runs as where we are root, which it refuses to be.
const USER: &str = "postgres";

/// A server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    as_user: bool,
}

impl Cluster {
    /// Makes one and starts it; the calling thread waits meanwhile.
    pub(crate) fn start(programs: &Path, port: u16) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let cluster = Self {
            as_user: rustix::process::geteuid().is_root(),
            folder,
            programs: programs.to_owned(),
            port,
        };
        if cluster.as_user {
            let place = cluster.folder.path();
            run(Command::new("chown").arg(USER).arg(place))?;
        }
        let data = cluster.data();
        run(cluster
            .program("initdb")
            .args(["-A", "trust", "-U", USER, "-D"])
            .arg(data))?;
        cluster.up()?;
        Ok(cluster)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{USER}", self.port)
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn up(&self) -> anyhow::Result<()> {
        let place = self.folder.path();
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=60",
            self.port,
            place.display()
        );
        let mut command = self.program("pg_ctl");
        command.args(["-w", "-t", "60", "-o", &options, "-l"]);
        command
            .arg(place.join("server.log"))
            .arg("-D")
            .arg(self.data());
        run(command.arg("start"))
    }

    /// Ends it as a crash would: nothing is tidied up.
    pub(crate) fn crash(&self) -> anyhow::Result<()> {
        let mut command = self.program("pg_ctl");
        command
            .args(["-w", "-m", "immediate", "-D"])
            .arg(self.data());
        run(command.arg("stop"))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.as_user {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // The folder that we are in may not be the user's to enter.
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.crash());
    }
}

/// A server holds on to what it inherits: its output goes nowhere, and to its log.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("{command:?} cannot be started"))?;
    anyhow::ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
