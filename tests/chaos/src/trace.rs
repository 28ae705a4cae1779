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
            .args(["-f", "-yy", "-o"])
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

/// What begins a request for an order.
const REQUEST: &str = "\"POST /v1/orders ";
/// What stands before an order's number in a request, as strace writes it.
const NUMBER: &str = "purchase_order_number\\\":\\\"";
/// The digits of an order's number.
const DIGITS: usize = 5;

/// What was seen of orders and the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The order of each answer 2xx that was given after the disk had confirmed something that was written after the order
    /// was first asked for.
    pub(crate) durable: Vec<String>,
    /// That of each answer that was given before: to a repetition as well, which is answered when the first is durable.
    pub(crate) hasty: Vec<String>,
    /// How often the disk has confirmed.
    pub(crate) syncs: usize,
}

/// An order, and when it was first asked for: what is asked again later is on the disk with that.
struct Asked {
    at: usize,
    is_durable: bool,
}

#[derive(Default)]
struct Reader<'a> {
    seen: Seen,
    /// The order that is asked for on a connection, once its number is read; empty until then.
    under_way: BTreeMap<&'a str, String>,
    asked: BTreeMap<String, Asked>,
    /// Threads that wait for the disk, and since when.
    waiting: BTreeMap<&'a str, usize>,
    /// Threads that wait for a connection to say something.
    listening: BTreeMap<&'a str, &'a str>,
}

/// Reads a trace: orders whose numbers begin with `prefix`, and the store's files whose names end with `file`.
pub(crate) fn read(trace: &str, prefix: &str, file: &str) -> Seen {
    let mut reader = Reader::default();
    for (at, line) in trace.lines().enumerate() {
        if let Some((thread, call)) = line.split_once(' ') {
            reader.line(at, (thread, call.trim_start()), prefix, file);
        }
    }
    reader.seen
}

impl<'a> Reader<'a> {
    fn line(&mut self, at: usize, (thread, call): (&'a str, &'a str), prefix: &str, file: &str) {
        // What comes after the first quotation mark is what was read or written, and may say anything.
        let what = call.split_once('"').map_or(call, |(what, _)| what);
        let succeeded = call.trim_end().ends_with("= 0");
        if (call.starts_with("fdatasync(") || call.starts_with("fsync(")) && what.contains(file) {
            if call.contains("<unfinished") {
                self.waiting.insert(thread, at);
            } else if succeeded {
                self.synced(at);
            }
        } else if what.contains("sync resumed>") {
            if let Some(since) = self.waiting.remove(thread).filter(|_| succeeded) {
                self.synced(since);
            }
        } else if let Some(connection) = connection(what).or_else(|| {
            let heard = what.starts_with("<... r");
            self.listening.remove(thread).filter(|_| heard)
        }) {
            if what.starts_with('r') && call.ends_with("<unfinished ...>") {
                self.listening.insert(thread, connection);
            } else if what.starts_with('r') || what.starts_with("<... r") {
                self.heard(at, (connection, call), prefix);
            } else {
                self.told(connection, call);
            }
        }
    }

    /// A sync that began then has ended.
    fn synced(&mut self, began: usize) {
        self.seen.syncs = self.seen.syncs.saturating_add(1);
        for asked in self.asked.values_mut() {
            asked.is_durable |= asked.at < began;
        }
    }

    fn heard(&mut self, at: usize, (connection, call): (&'a str, &str), prefix: &str) {
        if call.contains(REQUEST) {
            self.under_way.insert(connection, String::new());
        }
        // The number may come behind the head, in a piece of its own.
        if let Some(number) = self.under_way.get_mut(connection)
            && let Some((_, rest)) = call.split_once(NUMBER)
        {
            *number = named(rest, prefix).unwrap_or_default();
            let is_durable = false;
            let first = Asked { at, is_durable };
            self.asked.entry(number.clone()).or_insert(first);
        }
    }

    fn told(&mut self, connection: &str, call: &str) {
        if !call.contains("\"HTTP/1.1 ") {
            return;
        }
        let Some(number) = self.under_way.remove(connection) else {
            return;
        };
        if !call.contains("\"HTTP/1.1 2") {
            return;
        }
        let asked = self.asked.get(&number);
        if asked.is_some_and(|asked| asked.is_durable) {
            self.seen.durable.push(number);
        } else {
            self.seen.hasty.push(number);
        }
    }
}

/// The number of an order that a text begins with.
fn named(text: &str, prefix: &str) -> Option<String> {
    let digits = text
        .strip_prefix(prefix)?
        .strip_prefix('-')?
        .get(..DIGITS)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{prefix}-{digits}"))
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

    const ASKED: &str = "7 recvfrom(9<TCP:[a->b]>, \"POST /v1/orders HTTP/1.1\\r\\n\\r\\n{\\\"purchase_order_number\\\":\\\"P-00001\\\"}\", 8192, 0, NULL, NULL) = 500\n";
    const TOLD: &str =
        "7 writev(9<TCP:[a->b]>, [{iov_base=\"HTTP/1.1 202 Accepted\"..., iov_len=90}], 1) = 90\n";
    const SYNCED: &str = "8 fdatasync(5</d/s.sqlite-wal>) = 0\n";

    fn of(lines: &[&str]) -> Seen {
        read(&lines.concat(), "P", "-wal>")
    }

    fn hasty(lines: &[&str]) -> usize {
        of(lines).hasty.len()
    }

    #[test]
    fn an_answer_after_the_disk_is_durable_and_one_before_is_hasty() {
        assert_eq!(of(&[ASKED, SYNCED, TOLD]).durable, ["P-00001"]);
        assert_eq!(of(&[ASKED, TOLD, SYNCED]).hasty, ["P-00001"]);
        assert_eq!(hasty(&[SYNCED, ASKED, TOLD]), 1);
        let failed = SYNCED.replace("= 0", "= -1 EIO (Input/output error)");
        assert_eq!(hasty(&[ASKED, &failed, TOLD]), 1);
        let other = SYNCED.replace("sqlite-wal", "log");
        assert_eq!(hasty(&[ASKED, &other, TOLD]), 1);
    }

    #[test]
    fn a_repetition_is_answered_when_the_first_is_on_the_disk() {
        let (asked, told) = (ASKED.replace("a->b", "c->d"), TOLD.replace("a->b", "c->d"));
        let seen = of(&[ASKED, SYNCED, &asked, &told, TOLD]);
        assert_eq!(seen.durable, ["P-00001", "P-00001"]);
        assert_eq!(hasty(&[ASKED, &asked, &told, SYNCED, TOLD]), 1);
        let of_another = asked.replace("00001", "00002");
        assert_eq!(hasty(&[ASKED, SYNCED, &of_another, &told, TOLD]), 1);
    }

    #[test]
    fn a_request_is_seen_when_it_comes_and_whole_when_its_body_has_come() {
        let waits = "7 recvfrom(9<TCP:[a->b]>,  <unfinished ...>\n";
        let comes =
            "7 <... recvfrom resumed>\"POST /v1/orders HTTP/1.1\"..., 8192, 0, NULL, NULL) = 500\n";
        let body = "7 recvfrom(9<TCP:[a->b]>, \"{\\\"purchase_order_number\\\":\\\"P-00001\\\"}\", 8192, 0, NULL, NULL) = 500\n";
        assert_eq!(of(&[waits, comes, body, SYNCED, TOLD]).durable.len(), 1);
        assert_eq!(hasty(&[waits, SYNCED, comes, body, TOLD]), 1);
        assert_eq!(of(&[waits, comes, SYNCED, TOLD]).hasty, [""]);
    }

    #[test]
    fn a_sync_counts_from_its_beginning_and_once_it_has_ended() {
        let begun = "8 fdatasync(5</d/s.sqlite-wal> <unfinished ...>\n";
        let ended = "8 <... fdatasync resumed>)             = 0\n";
        assert_eq!(of(&[ASKED, begun, ended, TOLD]).durable.len(), 1);
        assert_eq!(hasty(&[begun, ASKED, ended, TOLD]), 1);
        assert_eq!(hasty(&[ASKED, begun, TOLD, ended]), 1);
    }
}
