//! What processes cost, with all that they have started: processor time and memory, as the kernel counts them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The numbers of a process and of all that it has started.
pub(crate) fn tree(roots: &[u32]) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut left = roots.to_vec();
    while let Some(pid) = left.pop() {
        if found.insert(pid) {
            left.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything, and the state.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// The processor time that the threads of these processes have used, each by its own number.
#[derive(Debug, Clone, Default)]
struct Used(BTreeMap<u32, u64>);

impl Used {
    /// As it stands now.
    fn now(roots: &[u32]) -> Self {
        let mut threads = BTreeMap::new();
        for pid in tree(roots) {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
            for task in tasks.into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(task.path().join("schedstat"));
                let nanos = text
                    .ok()
                    .and_then(|text| text.split_whitespace().next()?.parse().ok());
                let number = task.file_name().to_str().and_then(|name| name.parse().ok());
                if let (Some(number), Some(nanos)) = (number, nanos) {
                    threads.insert(number, nanos);
                }
            }
        }
        Self(threads)
    }

    /// With what has been seen since: a thread that has ended keeps what it had.
    fn then(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// What was used since then.
    fn since(&self, before: &Self) -> Duration {
        let nanos = self.0.iter().map(|(thread, now)| {
            now.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        });
        Duration::from_nanos(nanos.sum())
    }
}

/// The processor time that these processes have used since each began, but for threads that have ended.
pub(crate) fn used(roots: &[u32]) -> Duration {
    Used::now(roots).since(&Used::default())
}

/// Looks at processes again and again, so that little is lost of what a thread has used that ends.
pub(crate) struct Meter {
    roots: Vec<u32>,
    before: Used,
    stop: oneshot::Sender<()>,
    watching: JoinHandle<Used>,
}

impl Meter {
    /// Begins to count.
    pub(crate) fn start(roots: &[u32]) -> Self {
        let before = Used::now(roots);
        let (stop, mut stopped) = oneshot::channel();
        let watched = roots.to_vec();
        let mut seen = before.clone();
        let watching = tokio::spawn(async move {
            while tokio::time::timeout(LOOK_EVERY, &mut stopped)
                .await
                .is_err()
            {
                seen.then(Used::now(&watched));
            }
            seen
        });
        Self {
            roots: roots.to_vec(),
            before,
            stop,
            watching,
        }
    }

    /// The processor time since it began.
    pub(crate) async fn stop(self) -> Duration {
        let last = Used::now(&self.roots);
        drop(self.stop);
        let mut seen = self.watching.await.unwrap_or_default();
        seen.then(last);
        seen.since(&self.before)
    }
}

/// The memory of these processes in KiB, with each page that several of them have shared out among them (PSS).
pub(crate) fn proportional_kib(roots: &[u32]) -> u64 {
    let of = |pid: u32| -> Option<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    tree(roots).into_iter().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses_is_counted_and_so_is_its_child() {
        let own = std::process::id();
        let before = Used::now(&[own]);
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        assert!(tree(&[own]).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut sum = 0_u64;
        for number in 0..20_000_000_u64 {
            sum = std::hint::black_box(sum ^ number);
        }
        assert!(Used::now(&[own]).since(&before) > Duration::ZERO);
        assert!(used(&[own]) > Duration::ZERO);
        assert!(proportional_kib(&[own]) > 100);
    }
}
