//! In whose name the channel calls process-apis: a partner, for its own account only.

use canonical_model::DocumentId;
use service_runtime::{
    context::{AccountScope, CallContext, LayerIdentity},
    trace::{RequestScope, TraceContext},
};

use super::{CHANNEL, profile::Profile};
use crate::LAYER;

const SCOPES: [&str; 5] = [
    "accounts:read",
    "documents:write",
    "events:read",
    "orders:read",
    "orders:write",
];

/// The partner's own context, under the running scope's correlation.
pub(super) fn of_partner(profile: &Profile) -> CallContext {
    let accounts = vec![profile.account.as_str().to_owned()];
    context(
        format!("edi:{}", profile.id),
        profile.company.as_str(),
        accounts,
        &SCOPES,
    )
}

/// For leasing the documents of all partners of a company.
pub(super) fn of_worker(company: &str, accounts: Vec<String>) -> CallContext {
    context("edi".to_owned(), company, accounts, &["documents:write"])
}

fn context(
    principal: String,
    company: &str,
    accounts: Vec<String>,
    scopes: &[&str],
) -> CallContext {
    let correlation_id = RequestScope::current()
        .map(|scope| scope.correlation_id.clone())
        .unwrap_or_default();
    CallContext {
        principal,
        accounts: AccountScope::List(accounts),
        company: Some(company.to_owned()),
        channel: CHANNEL.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        correlation_id,
        // Both are set when the call is sent.
        deadline: jiff::Timestamp::UNIX_EPOCH,
        remaining_ms: 0,
        layer: LayerIdentity::ExperienceApis,
    }
}

/// For work on a document about which neither a request nor an order is known: every attempt runs under the same trace and correlation id, which are
/// the document's own id.
pub(super) fn scope_of_document(document: DocumentId) -> RequestScope {
    scope(Some(document.0.as_u128()), document.to_string())
}

/// For work that goes on under the trace and correlation id that were kept for it.
pub(super) fn scope_of_origin(trace_id: &str, correlation_id: &str) -> RequestScope {
    scope(
        u128::from_str_radix(trace_id, 16).ok(),
        correlation_id.to_owned(),
    )
}

fn scope(trace_id: Option<u128>, correlation_id: String) -> RequestScope {
    let mut trace = TraceContext::generate();
    if let Some(trace_id) = trace_id.filter(|id| *id != 0) {
        trace.trace_id = trace_id;
    }
    RequestScope::new(LAYER, trace, correlation_id, None)
}
