//! Starts the binary on files and a port of its own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// So long a thing that should happen may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with the committed files, its store in `folder`.
pub(crate) fn binary(folder: &Path) -> Command {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut command = Command::new(env!("CARGO_BIN_EXE_process-apis"));
    command
        .arg("--config-dir")
        .arg(config)
        .env("ORDERWAY_PROCESS__STORE__PATH", folder.join("data.sqlite"))
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    binary(folder).args(arguments).output().unwrap()
}

/// What a command wrote to its output.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// A process that serves, in production mode; killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Serving {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_by(binary(folder)).await
    }

    /// The same, of a binary that was told more.
    pub(crate) async fn start_by(mut binary: Command) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = binary
            .env("ORDERWAY_PROCESS__LISTEN", address.to_string())
            .env("ORDERWAY_PROCESS__DEVELOPMENT", "false")
            .env(
                "ORDERWAY_PROCESS__CONTEXT__EXPERIENCE_KEY",
                "a-key-of-the-test-of-forty-bytes-for-it-1",
            )
            .env(
                "ORDERWAY_PROCESS__CONTEXT__SYSTEM_KEY",
                "a-key-of-the-test-of-forty-bytes-for-it-2",
            )
            .env(
                "ORDERWAY_PROCESS__CONTEXT__INTAKE_KEY",
                "a-key-of-the-test-of-forty-bytes-for-it-3",
            )
            .env(
                "ORDERWAY_PROCESS__WEBHOOKS__SECRET_KEY",
                "a-key-of-the-test-of-forty-bytes-for-it-4",
            )
            .env("ORDERWAY_PROCESS__WEBHOOKS__ALLOW_LOOPBACK", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let serving = Self { child, address };
        let started = async {
            while serving.status("/startupz") != Some(200) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, started).await.unwrap();
        serving
    }

    /// The status that a path is answered with; None = nobody answers.
    pub(crate) fn status(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// A connection that never says more than the beginning of a request.
    pub(crate) fn half_open(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost").unwrap();
        stream
    }

    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
