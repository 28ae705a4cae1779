//! The system calls of a process, as strace writes them down: whether what is answered was on the disk before.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const ATTACHED_WITHIN: Duration = Duration::from_secs(20);

/// strace at a process; it lets go when it is told.
pub(crate) struct Tracer {
    child: Child,
    /// What it writes.
    pub(crate) file: PathBuf,
}

impl Tracer {
    /// Attaches to a process, with more arguments such as what to trace or to inject.
    pub(crate) async fn attach(
        strace: &Path,
        pid: Pid,
        file: PathBuf,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(strace)
            .args(["-f", "-yy", "-s", "40", "-o"])
            .arg(&file)
            .args(arguments)
            .args(["-p", &pid.as_raw_nonzero().to_string()])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let told = child.stderr.take().context("strace tells what it does")?;
        let mut lines = BufReader::new(told).lines();
        let attaching = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains("attached") {
                    return Ok(());
                }
            }
            anyhow::bail!("strace could not attach")
        };
        tokio::time::timeout(ATTACHED_WITHIN, attaching)
            .await
            .context("strace did not attach")??;
        // What it tells from now on is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, file })
    }

    /// Lets go of the process, which goes on.
    pub(crate) async fn detach(mut self) -> anyhow::Result<String> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT)?;
        }
        self.child.wait().await?;
        let bytes = std::fs::read(&self.file)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What was seen of requests and the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Requests that were answered 2xx after the disk had confirmed something that was written after they came.
    pub(crate) durable: usize,
    /// Those that were answered before.
    pub(crate) hasty: Vec<String>,
    /// How often the disk was asked.
    pub(crate) syncs: usize,
}

/// A request under way.
struct Request {
    came: usize,
    is_durable: bool,
}

/// Reads a trace: requests that begin with `request`, and files whose name ends so.
pub(crate) fn read(trace: &str, request: &str, file: &str) -> Seen {
    let mut seen = Seen::default();
    // By connection.
    let mut under_way: BTreeMap<&str, Request> = BTreeMap::new();
    // Threads that wait for the disk, and since when; and threads that wait for a connection to say something.
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut listening: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if is_sync && call.contains(file) {
            if call.contains("<unfinished") {
                waiting.insert(thread, at);
            } else if call.trim_end().ends_with("= 0") {
                seen.synced(&mut under_way, at);
            }
        } else if call.contains("sync resumed>") && call.trim_end().ends_with("= 0") {
            if let Some(since) = waiting.remove(thread) {
                seen.synced(&mut under_way, since);
            }
        } else if let Some(connection) = connection(call).or_else(|| {
            let heard = call.starts_with("<... r");
            listening.remove(thread).filter(|_| heard)
        }) {
            if call.starts_with('r') && call.contains("<unfinished") {
                listening.insert(thread, connection);
            } else if call.contains(&format!("\"{request}")) {
                let is_durable = false;
                under_way.insert(
                    connection,
                    Request {
                        came: at,
                        is_durable,
                    },
                );
            } else if call.contains("\"HTTP/1.1 2")
                && let Some(request) = under_way.remove(connection)
            {
                if request.is_durable {
                    seen.durable = seen.durable.saturating_add(1);
                } else {
                    seen.hasty.push(line.to_owned());
                }
            }
        }
    }
    seen
}

impl Seen {
    /// A sync that began then has ended.
    fn synced(&mut self, under_way: &mut BTreeMap<&str, Request>, began: usize) {
        self.syncs = self.syncs.saturating_add(1);
        for request in under_way.values_mut() {
            request.is_durable |= request.came < began;
        }
    }
}

/// The two ends of the connection that a call is about.
fn connection(call: &str) -> Option<&str> {
    let (_, rest) = call.split_once("<TCP:[")?;
    let (ends, _) = rest.split_once("]>")?;
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "7 recvfrom(9<TCP:[a->b]>, \"POST /v1/orders HTTP/1.1\\r\\n\"..., 8192, 0, NULL, NULL) = 500\n";
    const TOLD: &str =
        "7 writev(9<TCP:[a->b]>, [{iov_base=\"HTTP/1.1 202 Accepted\"..., iov_len=90}], 1) = 90\n";
    const SYNCED: &str = "8 fdatasync(5</d/s.sqlite-wal>) = 0\n";

    fn of(lines: &[&str]) -> Seen {
        read(&lines.concat(), "POST /v1/orders ", "-wal>")
    }

    #[test]
    fn an_answer_after_the_disk_is_durable_and_one_before_is_hasty() {
        assert_eq!(of(&[ASKED, SYNCED, TOLD]).durable, 1);
        assert_eq!(of(&[ASKED, TOLD, SYNCED]).hasty.len(), 1);
        assert_eq!(of(&[SYNCED, ASKED, TOLD]).hasty.len(), 1);
        let failed = SYNCED.replace("= 0", "= -1 EIO (Input/output error)");
        assert_eq!(of(&[ASKED, &failed, TOLD]).hasty.len(), 1);
        let other = SYNCED.replace("sqlite-wal", "log");
        assert_eq!(of(&[ASKED, &other, TOLD]).hasty.len(), 1);
    }

    #[test]
    fn a_request_that_is_waited_for_is_seen_when_it_comes() {
        let waits = "7 recvfrom(9<TCP:[a->b]>,  <unfinished ...>\n";
        let comes =
            "7 <... recvfrom resumed>\"POST /v1/orders HTTP/1.1\"..., 8192, 0, NULL, NULL) = 500\n";
        assert_eq!(of(&[waits, comes, SYNCED, TOLD]).durable, 1);
        assert_eq!(of(&[waits, SYNCED, comes, TOLD]).hasty.len(), 1);
    }

    #[test]
    fn a_sync_counts_from_its_beginning_and_once_it_has_ended() {
        let begun = "8 fdatasync(5</d/s.sqlite-wal> <unfinished ...>\n";
        let ended = "8 <... fdatasync resumed>)             = 0\n";
        assert_eq!(of(&[ASKED, begun, ended, TOLD]).durable, 1);
        assert_eq!(of(&[begun, ASKED, ended, TOLD]).hasty.len(), 1);
        assert_eq!(of(&[ASKED, begun, TOLD, ended]).hasty.len(), 1);
    }
}
