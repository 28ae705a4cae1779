//! What a run has shown: printed as tables, and kept as JSON.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::{
    contest::{Kind, Lap, Standing},
    figures::{Ratio, Spread, mebibytes, micros},
    machine::{Machine, SyncProbe},
    say,
};

/// A goal, and whether it was met.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// What it came to; none where it could not be measured.
    pub(crate) is: Option<Ratio>,
    pub(crate) bound: Bound,
    pub(crate) met: bool,
}

/// What a goal asks for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(Ratio),
    AtLeast(Ratio),
}

impl Goal {
    /// At most so much.
    pub(crate) fn at_most(what: impl Into<String>, is: Option<Ratio>, bound: Ratio) -> Self {
        Self {
            what: what.into(),
            met: is.is_some_and(|is| is <= bound),
            is,
            bound: Bound::AtMost(bound),
        }
    }

    /// At least so much.
    pub(crate) fn at_least(what: impl Into<String>, is: Option<Ratio>, bound: Ratio) -> Self {
        Self {
            what: what.into(),
            met: is.is_some_and(|is| is >= bound),
            is,
            bound: Bound::AtLeast(bound),
        }
    }
}

/// A table of a run with figures of its own.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `W1` and so on.
    pub(crate) workload: &'static str,
    pub(crate) title: String,
    pub(crate) machine: Machine,
    /// How the load was: rates, connections, rounds.
    pub(crate) settings: Vec<String>,
    /// The disk, before and after.
    pub(crate) sync_probes: Vec<SyncProbe>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) tables: Vec<Table>,
    pub(crate) goals: Vec<Goal>,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) laps: Vec<Lap>,
}

impl Report {
    pub(crate) fn new(workload: &'static str, title: &str, machine: Machine) -> Self {
        Self {
            workload,
            title: title.to_owned(),
            machine,
            settings: Vec::new(),
            sync_probes: Vec::new(),
            standings: Vec::new(),
            tables: Vec::new(),
            goals: Vec::new(),
            left_out: Vec::new(),
            laps: Vec::new(),
        }
    }

    /// The standing of a contestant.
    pub(crate) fn of(&self, name: &str) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.name == name)
    }

    /// How the processor time of one stands to that of others together; none where one of them did not run.
    pub(crate) fn cpu(&self, of: &str, to: &str) -> Option<Ratio> {
        Ratio::of(self.of(of)?.cpu.median, self.of(to)?.cpu.median)
    }

    /// Prints it.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        say(&self.text())
    }

    /// As text, in Markdown.
    fn text(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "\n## {}: {}\n\n{} with {} cores, Linux {}, {}, commit {}, {}\n",
            self.workload,
            self.title,
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.rustc,
            machine.commit,
            machine.at,
        );
        for setting in &self.settings {
            text.push_str(&format!("- {setting}\n"));
        }
        if !self.sync_probes.is_empty() {
            let probes: Vec<String> = self
                .sync_probes
                .iter()
                .map(|probe| {
                    let [p50, p99] = [probe.p50, probe.p99].map(|time| time.as_micros());
                    format!("{p50} µs (p99 {p99})")
                })
                .collect();
            text.push_str(&format!(
                "- 4 KiB written and synced, before and after: {}\n",
                probes.join(", ")
            ));
        }
        if !self.standings.is_empty() {
            text.push('\n');
            text.push_str(&table(&self.contest()));
        }
        for own in &self.tables {
            text.push_str(&format!("\n{}\n\n{}", own.title, table(own)));
        }
        if !self.goals.is_empty() {
            text.push_str(&format!("\n{}", table(&self.goals_table())));
        }
        for left_out in &self.left_out {
            text.push_str(&format!("\nNot measured: {left_out}\n"));
        }
        text
    }

    fn contest(&self) -> Table {
        let ours = self
            .standings
            .iter()
            .find(|standing| standing.kind == Kind::Orderway);
        let row = |standing: &Standing| {
            let ratio = ours.and_then(|ours| Ratio::of(ours.cpu.median, standing.cpu.median));
            vec![
                match standing.kind {
                    Kind::Orderway => format!("**{}**", standing.name),
                    Kind::Floor => format!("{} (limit)", standing.name),
                    Kind::Peer => format!("{} {}", standing.name, standing.version),
                },
                spread(standing.cpu, micros),
                ratio.map_or_else(String::new, |ratio| ratio.to_string()),
                spread(standing.per_second, |figure| figure.to_string()),
                spread(standing.p50_us, |figure| {
                    micros(figure.saturating_mul(1_000))
                }),
                spread(standing.p99_us, |figure| {
                    micros(figure.saturating_mul(1_000))
                }),
                mebibytes(standing.memory_kib.median),
                format!("{} / {}", standing.answered, standing.failed),
            ]
        };
        Table {
            title: String::new(),
            head: [
                "who",
                "CPU µs a request: median (least to most)",
                "Orderway to it",
                "answered a second",
                "p50 µs",
                "p99 µs",
                "MiB (PSS)",
                "answered / not",
            ]
            .map(str::to_owned)
            .into(),
            rows: self.standings.iter().map(row).collect(),
        }
    }

    fn goals_table(&self) -> Table {
        let row = |goal: &Goal| {
            let bound = match goal.bound {
                Bound::AtMost(bound) => format!("at most {bound}"),
                Bound::AtLeast(bound) => format!("at least {bound}"),
            };
            let is = goal
                .is
                .map_or_else(|| "not measured".to_owned(), |is| is.to_string());
            let met = if goal.met { "met" } else { "**missed**" };
            vec![goal.what.clone(), bound, is, met.to_owned()]
        };
        Table {
            title: String::new(),
            head: ["goal", "bound", "is", ""].map(str::to_owned).into(),
            rows: self.goals.iter().map(row).collect(),
        }
    }

    /// Keeps it where the last run of each workload is.
    pub(crate) fn keep(&self) -> anyhow::Result<PathBuf> {
        let folder = tests::root().join("docs/performance");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.workload));
        let value: Value = serde_json::to_value(self)?;
        std::fs::write(&path, serde_json::to_string_pretty(&value)? + "\n")?;
        std::fs::write(path.with_extension("md"), self.text().trim_start())?;
        Ok(path)
    }
}

fn spread(of: Spread, write: impl Fn(u64) -> String) -> String {
    if of.least == of.most {
        return write(of.median);
    }
    format!(
        "{} ({} to {})",
        write(of.median),
        write(of.least),
        write(of.most)
    )
}

fn table(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&table.head);
    text.push_str(&line(&vec!["---".to_owned(); table.head.len()]));
    for row in &table.rows {
        text.push_str(&line(row));
    }
    text
}
