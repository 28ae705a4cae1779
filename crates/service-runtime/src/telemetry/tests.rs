//! Log lines as a log collector reads them.

use super::*;
use crate::trace::RequestScope;
use serde_json::Value;
use std::sync::Arc;

/// What was written to the log.
#[derive(Clone, Default)]
pub(crate) struct Captured(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn captured(format: LogFormat, log: impl FnOnce()) -> String {
    let out = Captured::default();
    let lines = Lines {
        format,
        out: Mutex::new(out.clone()),
    };
    tracing::subscriber::with_default(Registry::default().with(lines), log);
    let bytes = out.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_event_is_one_line_whatever_it_holds() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let evil = "PO-1\n{\"level\":\"INFO\"}\u{1b}[31m\u{2028}\u{202e}x";
        let text = captured(format, || {
            tracing::info!(purchase_order = evil, "took\r\nit")
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(
            !text.contains(['\u{1b}', '\r', '\u{2028}', '\u{202e}']),
            "{text}"
        );
    }
}

#[test]
fn a_field_is_bounded() {
    let text = captured(LogFormat::Json, || {
        tracing::info!(body = "x".repeat(100_000), "big")
    });
    assert!(text.len() < 3_000, "{} bytes", text.len());
}

#[tokio::test]
async fn each_line_carries_the_layer_of_its_own_request() {
    let out = Captured::default();
    let lines = Lines {
        format: LogFormat::Json,
        out: Mutex::new(out.clone()),
    };
    let guard = tracing::subscriber::set_default(Registry::default().with(lines));
    for layer in ["experience-apis", "system-apis"] {
        Arc::new(RequestScope::background(layer))
            .run(async { tracing::warn!(count = 3, "said") })
            .await;
    }
    drop(guard);
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["layer"], "experience-apis");
    assert_eq!(lines[1]["layer"], "system-apis");
    assert_eq!(lines[1]["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(lines[1]["count"], 3);
}

#[test]
fn starting_twice_is_harmless() {
    init("experience-apis", &LogConfig::default());
    init("process-apis", &LogConfig::default());
    assert_eq!(process_layer(), "experience-apis");
}
