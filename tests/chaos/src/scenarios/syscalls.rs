//! What is acknowledged is on the disk before, by the order of system calls; and a disk that fails, and one that is full.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;
use tests::processes::{Binaries, Binary};
use tokio::{process::Command, time::Instant};

use crate::{
    callers::Said,
    estate::{Layer, Plan, StorePlace},
    floor::Floor,
    load::{Load, until_settled},
    orders::{Mix, planned},
    report::Report,
    run::Run,
    scenarios::Options,
    trace::{Tracer, read},
};

/// The exit of a process whose store has failed.
const STORE_FAILED: i32 = 70;
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const RESUMES_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// A disk that soon is full.
const DISK: &str = "size=24m";
/// What begins the numbers of the orders that are traced.
const TRACED: &str = "TRACED";

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let Some(strace) = tests::needs::strace() else {
        return Ok(Report::skipped("syscalls", "needs strace"));
    };
    anyhow::ensure!(
        options.store == StorePlace::Sqlite,
        "system calls are looked at where the store is a file of ours"
    );
    let mut report = Report::new("syscalls", options.seed);
    // Before the run, which goes before it.
    let disk = Disk::mounted().await;
    let mut plan = Plan::default();
    match &disk {
        Some(disk) => {
            let path = disk.folder.path().join("process-apis.sqlite");
            plan = plan.with("ORDERWAY_PROCESS__STORE__PATH", path.display());
        }
        None => report.note("a full disk", "skipped: needs the right to mount a tmpfs"),
    }
    let run = Run::start(binaries, plan, 40).await?;
    let process = run.estate.layer(Binary::Process)?;
    in_order(&run, process, &strace, options, &mut report).await?;
    failing(&run, process, &strace, options, &mut report).await?;
    if let Some(disk) = &disk {
        full(&run, process, disk, options, &mut report).await?;
    }
    let (found, _, took) = run.settle(SETTLED_WITHIN).await?;
    run.note(&mut report, &found, took);
    Floor::ALL.judge(&mut report, &found);
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// Between the first request for an order and each 2xx for it, the disk confirms what was written.
async fn in_order(
    run: &Run,
    process: &Layer,
    strace: &Path,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = options.orders.unwrap_or(200);
    let rate = options.rate.unwrap_or(20);
    let pid = process.process.pid().context("process-apis run")?;
    let file = run.estate.folder().join("order.strace");
    let what = "trace=read,recvfrom,recvmsg,write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync";
    // Whole pages of the store's log, and whole requests: the numbers of the orders stand in them.
    let tracer = Tracer::attach(strace, pid, file, &["-s", "8192", "-e", what]).await?;
    let orders = planned(options.seed, TRACED, count, Mix::PORTAL);
    let numbers: BTreeSet<String> = orders.iter().map(|order| order.number.clone()).collect();
    Load::start(&run.crowd, &run.log, orders, rate)
        .settled(SETTLED_WITHIN)
        .await;
    let seen = read(&tracer.detach().await?, TRACED, "-wal>");
    let again = run.log.courses();
    let again = again
        .iter()
        .map(|course| course.sendings.len().saturating_sub(1));
    report.note("orders traced", count);
    report.note("confirmations of the disk", seen.syncs);
    report.note("answers after the disk had confirmed", seen.durable.len());
    report.note("orders sent again by their buyers", again.sum::<usize>());
    let first: BTreeSet<&String> = seen.durable.iter().collect();
    report.note(
        "answers to repetitions among them",
        seen.durable.len().saturating_sub(first.len()),
    );
    report.note("answers before", seen.hasty.len());
    report.must(seen.hasty.is_empty(), || {
        format!("answered before it was on the disk: {:?}", seen.hasty)
    });
    let unseen = numbers.iter().filter(|number| !first.contains(number));
    let unseen: Vec<&String> = unseen.collect();
    report.must(unseen.is_empty(), || {
        format!("no answer was seen for {unseen:?}")
    });
    Ok(())
}

/// A disk that does not confirm ends the process, and what it acknowledged before is there.
async fn failing(
    run: &Run,
    process: &Layer,
    strace: &Path,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let before = process.process.exits().len();
    let pid = process.process.pid().context("process-apis run")?;
    let file = run.estate.folder().join("failing.strace");
    let inject = [
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:error=EIO:when=5+",
    ];
    let tracer = Tracer::attach(strace, pid, file, &inject).await?;
    let orders = planned(options.seed, "Z", 40, Mix::PORTAL);
    let mut load = Load::start(&run.crowd, &run.log, orders, 20);
    let ended = process
        .process
        .died(before.saturating_add(1), ENDS_WITHIN)
        .await;
    let code = process
        .process
        .exits()
        .get(before)
        .and_then(|exit| exit.code());
    drop(tracer.detach().await);
    load.settled(SETTLED_WITHIN).await;
    report.note("exit after the disk failed", code);
    report.must(ended && code == Some(STORE_FAILED), || {
        format!("on a failing disk process-apis exit with {STORE_FAILED}, and it was {code:?}")
    });
    Ok(())
}

/// A full disk refuses orders, and takes them again when there is room, without a restart.
async fn full(
    run: &Run,
    process: &Layer,
    disk: &Disk,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    run.estate.ready().await?;
    let starts = process.process.starts();
    disk.fill()?;
    let callers = run.crowd.turn(0)?;
    let orders = planned(options.seed, "D", 60, Mix::PORTAL);
    let mut refused: usize = 0;
    let mut named = false;
    for order in &orders {
        run.log.invoke(order)?;
        let said = callers.send(&callers.write(order)).await;
        run.log.answered(order, &said)?;
        if let Said::Later(text) = &said {
            refused = refused.saturating_add(1);
            named |= text.contains("storage-full") || text.contains("temporarily-unavailable");
        }
    }
    report.note("refused on a full disk", refused);
    report.must(refused > 0 && named, || {
        "a full disk refuses orders with 503, and says why".to_owned()
    });
    disk.empty()?;
    let begun = Instant::now();
    for order in &orders {
        let taking = until_settled(&run.crowd, &run.log, order);
        let taken = tokio::time::timeout(RESUMES_WITHIN, taking).await;
        report.must(taken.is_ok(), || {
            format!("{} is not taken with room again", order.number)
        });
    }
    report.note("all taken with room again, ms", begun.elapsed().as_millis());
    report.must(process.process.starts() == starts, || {
        "process-apis were started again, and should have gone on".to_owned()
    });
    let told = json!({"starts": starts});
    report.note("without a restart", told);
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// A small disk of its own.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    async fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(folder.path())
            .output()
            .await
            .ok()?;
        mounted.status.success().then_some(Self { folder })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Not a byte is left.
    fn fill(&self) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut ballast = std::fs::File::create(self.ballast())?;
        // It ends when the disk is full.
        while ballast.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    fn empty(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast())?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open on it is on its way out.
        let mut unmount = std::process::Command::new("umount");
        drop(unmount.arg("-l").arg(self.folder.path()).output());
    }
}
