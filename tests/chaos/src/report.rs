//! What a run tells: a table for people, and one line of JSON for whatever reads it.

use std::{io::Write as _, path::Path, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The outcome of a scenario.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Which scenario.
    pub(crate) scenario: String,
    /// What chose the luck; the same seed plans the same orders and faults.
    pub(crate) seed: u64,
    /// Why nothing was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
    /// What was counted, in the order in which it is told.
    pub(crate) figures: Map<String, Value>,
    /// What must not be.
    pub(crate) violations: Vec<String>,
    /// How long it took, in seconds.
    pub(crate) seconds: u64,
    /// What helps to find out why.
    #[serde(skip)]
    pub(crate) diagnostics: Vec<String>,
}

impl Report {
    /// An empty one.
    pub(crate) fn new(scenario: &str, seed: u64) -> Self {
        Self {
            scenario: scenario.to_owned(),
            seed,
            ..Self::default()
        }
    }

    /// One that says why nothing was tried.
    pub(crate) fn skipped(scenario: &str, why: &str) -> Self {
        Self {
            skipped: Some(why.to_owned()),
            ..Self::new(scenario, 0)
        }
    }

    /// Notes a figure.
    pub(crate) fn note(&mut self, name: &str, value: impl Serialize) {
        self.figures.insert(name.to_owned(), json!(value));
    }

    /// Adds to a figure.
    pub(crate) fn count(&mut self, name: &str, more: u64) {
        let before = self.figures.get(name).and_then(Value::as_u64);
        self.note(name, before.unwrap_or(0).saturating_add(more));
    }

    /// Notes what must hold; where it does not, it is a violation.
    pub(crate) fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    /// Whether all is well.
    pub(crate) fn is_good(&self) -> bool {
        self.violations.is_empty()
    }

    /// Tells it.
    pub(crate) fn tell(&self, folder: Option<&Path>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\n=== {} (seed {}, {} s): {}",
            self.scenario,
            self.seed,
            self.seconds,
            self.verdict()
        )?;
        for (name, value) in &self.figures {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "  {name:<44} {value}")?;
        }
        for violation in self.violations.iter().take(20) {
            writeln!(out, "  VIOLATION {violation}")?;
        }
        for line in &self.diagnostics {
            writeln!(out, "  | {line}")?;
        }
        let line = serde_json::to_string(self)?;
        writeln!(out, "{line}")?;
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
            let name = format!("{}-{}.json", self.scenario.replace(' ', "-"), self.seed);
            std::fs::write(folder.join(name), line)?;
        }
        Ok(())
    }

    /// In a word.
    pub(crate) fn verdict(&self) -> String {
        match (&self.skipped, self.violations.len()) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, 0) => "held".to_owned(),
            (None, count) => format!("BROKEN, {count} violations"),
        }
    }
}

/// The value below which so many of a hundred lie, in milliseconds.
pub(crate) fn percentile(mut times: Vec<Duration>, percent: usize) -> u64 {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    let at = times
        .len()
        .saturating_mul(percent)
        .checked_div(100)
        .unwrap_or(0)
        .min(last);
    let found = times.get(at).copied().unwrap_or_default();
    u64::try_from(found.as_millis()).unwrap_or(u64::MAX)
}
