//! W4: purchase orders by X12 of 5 and 1,000 lines, to 997 and 855: the processor time of one process on one core.

mod interchange;
mod large;
mod work;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tests::processes::Binaries;
use tokio::process::Command;

pub(crate) use work::{Task, work};

use super::Options;
use crate::{
    figures::{Ratio, Spread, micros},
    machine::{Machine, Side, load_average},
    peers::{
        done,
        node_x12::{self, Reader},
    },
    report::{Goal, Report, Table},
    say,
};

/// Lines of the orders.
const SIZES: [usize; 2] = [5, 1_000];
/// A turn, and as long before it to warm up: at most so long, since a document takes milliseconds at most.
const LONGEST: u64 = 2_000;

const ORDERWAY: &str = "Orderway: 850 to 997 and 855";
const AS_RUN: &str = "Orderway: the same, read as often as the channel does";
const READ: &str = "of it, envelope and segments";
const JUDGE: &str = "of it, these and the order";
const SPLIT: &str = "memchr split";

/// Who reads.
enum Who {
    /// This program, by the name of its task.
    Own(&'static str, &'static str),
    Peer(Reader),
}

impl Who {
    fn name(&self) -> &'static str {
        match self {
            Self::Own(name, _) => name,
            Self::Peer(reader) => reader.name,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Own(SPLIT, _) => format!("{SPLIT} (limit)"),
            Self::Own(name @ (READ | JUDGE), _) => (*name).to_owned(),
            Self::Own(name, _) => format!("**{name}**"),
            Self::Peer(reader) => format!("{} {}, parse only", reader.name, reader.version),
        }
    }

    /// The processor time of a document in ns.
    async fn turn(&self, file: &Path, millis: u64) -> anyhow::Result<u64> {
        match self {
            Self::Own(_, task) => {
                let millis = millis.to_string();
                let arguments = [task.as_ref(), file.as_os_str(), millis.as_ref()];
                Ok(own(&arguments).await?.parse()?)
            }
            Self::Peer(reader) => reader.read(file, millis).await,
        }
    }
}

/// Runs a task of this program where what is measured runs.
async fn own(arguments: &[&std::ffi::OsStr]) -> anyhow::Result<String> {
    let mut pinned = Side::Measured.pinned(&std::env::current_exe()?).into_iter();
    let program: PathBuf = pinned.next().context("a program is named")?;
    let mut command = Command::new(program);
    command.args(pinned).arg("edi").args(arguments);
    done(&mut command).await
}

/// What one has needed for a document of one size, round by round.
struct Needed {
    lines: usize,
    name: &'static str,
    nanos: u64,
}

/// Has each read and answer in turn, and looks at what a large interchange takes.
pub(crate) async fn run(
    binaries: &Binaries,
    options: &Options,
    machine: Machine,
) -> anyhow::Result<Report> {
    let mut report = Report::new(
        "W4",
        "purchase orders by X12 of 5 and 1,000 lines, to 997 and 855",
        machine,
    );
    let folder = tempfile::tempdir()?;
    let files = SIZES.map(|lines| (lines, folder.path().join(format!("{lines}.x12"))));
    for (lines, file) in &files {
        std::fs::write(file, interchange::ordinary(*lines))?;
    }
    let mut all = vec![
        Who::Own(ORDERWAY, "answer"),
        Who::Own(AS_RUN, "answer-as-run"),
        Who::Own(READ, "read"),
        Who::Own(JUDGE, "judge"),
        Who::Own(SPLIT, "split"),
    ];
    if options.peers {
        let readers = [
            node_x12::node(&options.cache).await,
            node_x12::python(&options.cache).await,
        ];
        for reader in readers {
            match reader {
                Ok(reader) => all.push(Who::Peer(reader)),
                Err(error) => report.left_out.push(format!("{error:#}")),
            }
        }
    }
    let millis = u64::try_from(options.lasts.as_millis())?.min(LONGEST);
    report.settings = settings(options, millis, &files)?;
    let mut needed = Vec::new();
    for round in 1..=options.rounds {
        for (lines, file) in &files {
            for who in &all {
                match who.turn(file, millis).await {
                    Ok(nanos) => needed.push(Needed {
                        lines: *lines,
                        name: who.name(),
                        nanos,
                    }),
                    Err(error) => left_out(&mut report, format!("{}: {error:#}", who.name())),
                }
            }
        }
        say(&format!(
            "round {round} of {} is done, at a load of {}",
            options.rounds,
            load_average()
        ))?;
    }
    for lines in SIZES {
        report.tables.push(table(lines, &all, &needed));
        report.goals.extend(goals(lines, options.peers, &needed));
    }
    large::look(binaries, folder.path(), &mut report).await?;
    Ok(report)
}

/// Told once, and not in every round.
fn left_out(report: &mut Report, what: String) {
    if !report.left_out.contains(&what) {
        report.left_out.push(what);
    }
}

fn settings(
    options: &Options,
    millis: u64,
    files: &[(usize, PathBuf)],
) -> anyhow::Result<Vec<String>> {
    let mut sizes = Vec::new();
    for (lines, file) in files {
        let bytes = std::fs::metadata(file)?.len();
        sizes.push(format!("{lines} lines are {bytes} bytes"));
    }
    Ok(vec![
        format!(
            "{} rounds, each in turn in a process of its own on one core, {millis} ms after as long to warm up; {}",
            options.rounds,
            sizes.join(", ")
        ),
        "Orderway: the reader, the verdict, the order with all its lines, the 997, and an 855 with every line accepted, by the \
         crate that experience-apis read and write with. The translation of lines into a request for a sales order and back \
         from the order is inside experience-apis and not in the figure"
            .to_owned(),
        "the channel reads an interchange twice: to find it in its file, and to judge it"
            .to_owned(),
        "the limit and the peers write no answer; processor time of all threads of the process; Orderway's \
         code is built as the bench is (`--profile dist` for the bench itself builds it as it is delivered)"
            .to_owned(),
    ])
}

fn spread(lines: usize, name: &str, needed: &[Needed]) -> Spread {
    let own = needed
        .iter()
        .filter(|one| one.lines == lines && one.name == name);
    Spread::of(own.map(|one| one.nanos))
}

fn table(lines: usize, all: &[Who], needed: &[Needed]) -> Table {
    let ours = spread(lines, ORDERWAY, needed).median;
    let row = |who: &Who| {
        let own = spread(lines, who.name(), needed);
        let ratio = Ratio::of(ours, own.median);
        let per_second = 1_000_000_000_u64.checked_div(own.median);
        vec![
            who.shown(),
            format!(
                "{} ({} to {})",
                micros(own.median),
                micros(own.least),
                micros(own.most)
            ),
            ratio.map_or_else(String::new, |ratio| ratio.to_string()),
            per_second.map_or_else(String::new, |figure| figure.to_string()),
        ]
    };
    Table {
        title: format!("An order of {lines} lines"),
        head: [
            "who",
            "CPU µs a document: median (least to most)",
            "Orderway to it",
            "documents a second of CPU",
        ]
        .map(str::to_owned)
        .into(),
        rows: all.iter().map(row).collect(),
    }
}

fn goals(lines: usize, peers: bool, needed: &[Needed]) -> Vec<Goal> {
    let median = |name: &str| spread(lines, name, needed).median;
    let of = |name: &str| median(name).checked_sub(1).map(|_| median(name));
    let ratio = |one: &str, other: &str| Ratio::of(of(one)?, of(other)?);
    let mut goals = Vec::new();
    for (name, how) in [(ORDERWAY, "read once"), (AS_RUN, "as the channel reads")] {
        if peers {
            goals.push(Goal::at_least(
                format!("{lines} lines, {how}: times as fast as node-x12 parses"),
                ratio("node-x12", name),
                Ratio::hundredths(200),
            ));
        }
        goals.push(Goal::at_most(
            format!("{lines} lines, {how}: CPU to the memchr split"),
            ratio(name, SPLIT),
            Ratio::hundredths(600),
        ));
    }
    goals
}
