//! The machine that is measured on: which core does what, what it is, and how fast its disk answers in this minute.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::Timestamp;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::figures::per_mille;

/// Who runs where: what is measured has the first core to itself, as far as this machine leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// On the first core.
    Measured,
    /// The load, and the world outside, on the second.
    Load,
}

impl Side {
    /// A command that runs this program there; where there is one core only, anywhere.
    pub(crate) fn pinned(self, program: &Path) -> Vec<PathBuf> {
        let core = match self {
            Self::Measured => "0",
            Self::Load => "1",
        };
        if cores() < 2 {
            return vec![program.to_owned()];
        }
        vec![
            "taskset".into(),
            "--cpu-list".into(),
            core.into(),
            program.to_owned(),
        ]
    }
}

/// How many cores there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// This process, with all threads that it starts from now on, has the second core, where there is one.
pub(crate) fn take_the_load_side() -> anyhow::Result<()> {
    if sched_getaffinity(None)?.count() < 2 {
        return Ok(());
    }
    let mut second = CpuSet::new();
    second.set(1);
    sched_setaffinity(None, &second).context("this process cannot be pinned")
}

/// What was measured on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) processor: String,
    /// How many of its cores there are.
    pub(crate) cores: usize,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// What the code is built by.
    pub(crate) rustc: String,
    /// The commit of the project, with `+` where files differ from it.
    pub(crate) commit: String,
    /// When it began.
    pub(crate) at: Timestamp,
}

impl Machine {
    /// This one, now.
    pub(crate) fn now(at: Timestamp) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map(|(_, name)| name.trim().to_owned());
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let commit = said("git", &["rev-parse", "--short", "HEAD"]);
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        let mark = if changed.is_empty() { "" } else { "+" };
        Self {
            processor: processor.unwrap_or_else(|| "unknown".to_owned()),
            cores: cores().max(
                std::fs::read_dir("/sys/devices/system/cpu").map_or(1, |dir| {
                    dir.flatten()
                        .filter(|entry| {
                            let name = entry.file_name();
                            let name = name.to_string_lossy();
                            name.strip_prefix("cpu")
                                .is_some_and(|rest| rest.parse::<u32>().is_ok())
                        })
                        .count()
                }),
            ),
            kernel: kernel.trim().to_owned(),
            rustc: said("rustc", &["--version"]),
            commit: format!("{commit}{mark}"),
            at,
        }
    }
}

/// The first line that a program prints; empty where it cannot be run.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(tests::root())
        .output();
    let text = output.map(|output| {
        let of = if output.stdout.is_empty() {
            output.stderr
        } else {
            output.stdout
        };
        String::from_utf8_lossy(&of).into_owned()
    });
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// How many processes wanted a core, on the average of the last minute.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// How fast the disk under a folder answers now: 4 KiB written over and synced, again and again for a third of a second.
pub(crate) fn sync_probe(folder: &Path) -> anyhow::Result<SyncProbe> {
    let path = folder.join("sync-probe");
    let block = [7_u8; 4096];
    let mut file = File::create(&path)?;
    file.write_all(&block)?;
    file.sync_all()?;
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        let one = Instant::now();
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(SyncProbe {
        p50: per_mille(&times, 500).unwrap_or_default(),
        p99: per_mille(&times, 990).unwrap_or_default(),
    })
}

/// Of one write and `fdatasync` of 4 KiB.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct SyncProbe {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}
