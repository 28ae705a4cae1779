//! Logs: one JSON line an event, with the layer, trace and correlation id of the running request,
//! control characters escaped, fields bounded. Docs: docs/layers.md.

mod line;
pub(crate) mod request_log;

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Faults, Validate};

/// Where and how much is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A level, or directives such as `info,process_apis=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    /// For a person at a terminal.
    Text,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Json,
        }
    }
}

impl Validate for LogConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            EnvFilter::try_new(&self.level).is_ok(),
            "level",
            "give a level such as `info`",
        );
    }
}

/// An error and its causes as one text, for a log field.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let texts: Vec<String> = crate::problem::chain(error)
        .map(ToString::to_string)
        .collect();
    texts.join(": ")
}

static PROCESS_LAYER: OnceLock<&'static str> = OnceLock::new();

/// Starts logging to standard error. Once a process: later calls change nothing, so that three layers
/// may share a process; `layer` then names only lines written outside any request or worker.
pub fn init(layer: &'static str, config: &LogConfig) {
    if PROCESS_LAYER.set(layer).is_err() {
        return;
    }
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = Lines {
        format: config.format,
        out: Mutex::new(io::stderr()),
    };
    // A subscriber that a test has set before stays.
    drop(tracing::subscriber::set_global_default(
        Registry::default().with(filter).with(lines),
    ));
}

pub(crate) fn process_layer() -> &'static str {
    PROCESS_LAYER.get().copied().unwrap_or("unknown")
}

/// Writes each event as one line with one write.
pub(crate) struct Lines<W> {
    pub(crate) format: LogFormat,
    pub(crate) out: Mutex<W>,
}

impl<W: Write + Send + 'static, S: Subscriber> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = line::render(event, self.format);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written has nowhere to be reported.
        drop(out.write_all(line.as_bytes()));
    }
}

#[cfg(test)]
pub(crate) mod tests;
