//! One event as one line.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::{LogFormat, error_chain, process_layer};
use crate::clock::Clock;
use crate::trace::RequestScope;

const MAX_FIELD: usize = 2_048;

pub(super) fn render(event: &Event<'_>, format: LogFormat) -> String {
    let mut fields = Fields(Vec::with_capacity(16));
    let metadata = event.metadata();
    fields.put("ts", Value::String(Clock::system().wall().to_string()));
    fields.put("level", Value::String(metadata.level().to_string()));
    let scope = RequestScope::current();
    let layer = scope
        .as_ref()
        .map_or_else(process_layer, |scope| scope.layer);
    fields.put("layer", Value::String(layer.to_owned()));
    if let Some(scope) = scope {
        fields.put("trace_id", Value::String(scope.trace.trace_id_hex()));
        fields.put(
            "correlation_id",
            Value::String(scope.correlation_id.clone()),
        );
    }
    fields.put("target", Value::String(metadata.target().to_owned()));
    event.record(&mut fields);
    let mut line = match format {
        // Names and plain values: there is nothing that could fail.
        LogFormat::Json => serde_json::to_string(&fields).unwrap_or_default(),
        LogFormat::Text => text(&fields),
    };
    line.push('\n');
    line
}

/// `2026-03-01T12:00:00Z INFO process-apis message key=value`.
fn text(fields: &Fields) -> String {
    let plain = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let mut line = [
        plain("ts"),
        plain("level"),
        plain("layer"),
        plain("message"),
    ]
    .join(" ");
    let rest = fields
        .0
        .iter()
        .filter(|(name, _)| !["ts", "level", "layer", "message", "target"].contains(name));
    for (name, value) in rest {
        line.push_str(&format!(" {name}={value}"));
    }
    line
}

/// By name, in the order in which they came; one that comes again takes the place of the first.
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.0.iter();
        fields.find_map(|(known, value)| (*known == name).then_some(value))
    }

    fn put(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        self.put(field.name(), Value::String(bounded(text)));
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// At most 2 KiB, and no character that could move a terminal or start a line. JSON escapes ASCII
/// controls itself; the rest (C1, line separators, direction marks) is escaped here.
pub(super) fn bounded(text: &str) -> String {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.len() < MAX_FIELD && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(MAX_FIELD));
    for character in text.chars() {
        if out.len() >= MAX_FIELD {
            out.push('…');
            break;
        }
        let direction = matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || direction {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put_text(field, &error_chain(value));
    }
}
