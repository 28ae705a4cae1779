//! In whose name the channel calls process-apis: a partner, for its own account only.

use service_runtime::{
    context::{AccountScope, CallContext, LayerIdentity},
    trace::RequestScope,
};

use super::{CHANNEL, profile::Profile};

const SCOPES: [&str; 9] = [
    "accounts:read",
    "catalog:read",
    "documents:write",
    "events:read",
    "orders:read",
    "orders:write",
    "prices:read",
    "quotes:write",
    "sessions:write",
];

/// The partner's own context, under the running scope's correlation.
pub(super) fn of_partner(profile: &Profile) -> CallContext {
    let accounts = vec![profile.account.as_str().to_owned()];
    context(
        format!("{CHANNEL}:{}", profile.id),
        profile.company.as_str(),
        accounts,
        &SCOPES,
    )
}

/// For leasing the documents of all partners of a company.
pub(super) fn of_worker(company: &str, accounts: Vec<String>) -> CallContext {
    context(CHANNEL.to_owned(), company, accounts, &["documents:write"])
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
