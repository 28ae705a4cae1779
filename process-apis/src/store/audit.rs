//! A line of the audit trail, and what chains it to the one before: the same for both engines, since trails are moved from
//! one to the other.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::{AuditEntry, Cause};

/// The line of an entry.
pub(super) fn line(cause: &Cause, entry: &AuditEntry) -> Value {
    json!({
        "at": cause.at,
        "company": cause.company,
        "principal": cause.principal,
        "channel": cause.channel,
        "correlation_id": cause.correlation_id,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
    })
}

/// SHA-256 over the hash before and the line. The sequencer of `PostgreSQL` does the same in its SQL.
pub(super) fn chain(before: &[u8], line: &str) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(line.as_bytes());
    context.finish().as_ref().to_vec()
}
