//! The header of an operator at the command line.
//!
//! It is a call context signed with the layer's own key, until a console does that behind a login. Whoever may read the
//! key may do this; the audit trail keeps the name given.

use canonical_model::CompanyId;
use jiff::SignedDuration;
use service_runtime::{
    clock::Clock,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};
use uuid::Uuid;

use crate::config::Config;

/// What an operator may do.
const SCOPES: [&str; 12] = [
    "accounts:read",
    "decisions:read",
    "documents:read",
    "events:read",
    "holds:read",
    "holds:release",
    "holds:release:credit",
    "news:dismiss",
    "news:read",
    "orders:read",
    "systems:read",
    "systems:write",
];
/// As long as a context is believed.
const GOOD_FOR: SignedDuration = SignedDuration::from_secs(60);

/// One header, for `curl -H`; documents are read of the channel that it names.
pub fn header(
    config: &Config,
    company: &str,
    principal: &str,
    channel: &str,
) -> anyhow::Result<String> {
    let company: CompanyId = company.parse()?;
    let clock = Clock::system();
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let keys = ContextKeys::new(&config.context.experience_key, None)?;
    let context = CallContext {
        principal: format!("operator:{principal}"),
        accounts: AccountScope::All,
        company: Some(company.to_string()),
        channel: channel.to_owned(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        correlation_id: Uuid::now_v7().to_string(),
        deadline: clock.now().saturating_add(GOOD_FOR)?,
        remaining_ms: GOOD_FOR.as_millis().try_into()?,
        layer: LayerIdentity::ExperienceApis,
    };
    let signed = ContextSigner::new(hop, keys, clock).sign(&context)?;
    Ok(format!("{CONTEXT_HEADER}: {signed}\n"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use service_runtime::{
        config::{Environment, load},
        context::ContextVerifier,
    };

    use super::*;

    #[test]
    fn the_layer_believes_its_operator_for_one_company_and_nothing_but_operations() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let config: Config = load(crate::LAYER, Some(&directory), &Environment::default()).unwrap();
        assert!(header(&config, " NWI", "alice", "operator").is_err());
        let line = header(&config, "NWI", "alice", "operator").unwrap();
        let token = line.strip_prefix("orderway-context: ").unwrap().trim_end();

        let keys = ContextKeys::new(&config.context.experience_key, None).unwrap();
        let above = vec![(LayerIdentity::ExperienceApis, keys)];
        let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, above, Clock::system());
        let caller = verifier.verify(token).unwrap();
        assert_eq!(caller.principal, "operator:alice");
        assert_eq!(caller.company.as_deref(), Some("NWI"));
        assert!(caller.has_scope("holds:release") && caller.has_scope("holds:read"));
        assert!(!caller.has_scope("orders:write") && !caller.has_scope("documents:write"));
    }
}
