//! A server of Tryton for one test or measurement, before the databases that `tests/backends/tryton up` made: one that may be
//! killed, while the server that all share goes on.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use orderway::backends::Tryton;
use rustix::process::{Pid, Signal, kill_process_group};
use service_runtime::http_client::{BackendClientConfig, backend_client};

/// A deadline of liveness: each process reads all of Tryton's models before it answers.
const STARTS_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// As many processes and threads as the server that all share.
const SERVER: [&str; 14] = [
    "-m",
    "gunicorn",
    "--workers",
    "2",
    "--worker-class",
    "gthread",
    "--threads",
    "4",
    "--timeout",
    "120",
    "--keep-alive",
    "75",
    "--log-level",
    "critical",
];

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct OwnTryton {
    folder: PathBuf,
    told: Tryton,
    port: u16,
    http: reqwest::Client,
    process: Option<Child>,
}

impl OwnTryton {
    /// Starts it, and waits until it answers for a database.
    pub async fn start(shared: &Tryton) -> anyhow::Result<Self> {
        let folder = Tryton::file();
        let folder = folder.parent().context("tryton.json lies in no folder")?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut told = shared.clone();
        told.url = format!("http://127.0.0.1:{port}");
        let mut server = Self {
            folder: folder.canonicalize()?,
            told,
            port,
            http: backend_client(&BackendClientConfig::default())?,
            process: None,
        };
        server.bring_back().await?;
        Ok(server)
    }

    /// How the layers are told of it.
    pub fn told(&self) -> Tryton {
        self.told.clone()
    }

    /// Ends all its processes where they are; its port answers nobody then.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            let group = Pid::from_child(&process);
            kill_process_group(group, Signal::KILL)?;
            process.wait()?;
        }
        Ok(())
    }

    /// Starts it again at its address, and waits until it answers.
    pub async fn bring_back(&mut self) -> anyhow::Result<()> {
        let config = self.folder.join("trytond.conf");
        let roles = ["erp", "erp2", "wms", "crm"].map(|role| self.told.database(role));
        let databases: Vec<&str> = roles.into_iter().collect::<anyhow::Result<_>>()?;
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command
            .args(SERVER)
            .args(["--bind", &format!("127.0.0.1:{}", self.port)])
            .arg("trytond.application:app")
            .current_dir(&self.folder)
            .env("TRYTOND_CONFIG", config)
            .env("TRYTOND_DATABASE_NAMES", databases.join(","))
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Its workers are ended with it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.process = Some(command.spawn().context("its Python cannot be started")?);
        tokio::time::timeout(STARTS_WITHIN, self.answers())
            .await
            .with_context(|| format!("Tryton did not answer within {STARTS_WITHIN:?}"))?
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let (user, password) = self.told.gateway()?;
        let url = format!("{}/{}/rpc/", self.told.url, self.told.database("erp")?);
        let asked = serde_json::json!({"id": 1, "method": "model.res.user.get_preferences", "params": [true, {}]});
        loop {
            let ended = self.process.as_mut().map(Child::try_wait).transpose()?;
            if let Some(Some(status)) = ended {
                anyhow::bail!("Tryton ended at once: {status}");
            }
            let call = self.http.post(&url).basic_auth(user, Some(password));
            if let Ok(answer) = call.json(&asked).send().await {
                // An error comes with status 200 too.
                let told: serde_json::Value = answer.json().await.unwrap_or_default();
                if told.get("result").is_some() {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for OwnTryton {
    fn drop(&mut self) {
        // Nobody is left to be told.
        drop(self.kill());
    }
}
