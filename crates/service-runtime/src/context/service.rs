//! Experience services that are not Orderway's own: each signs with a key of its own, and says nothing beyond its bounds.

use super::{AccountScope, CallContext, ContextKeys};

/// The scope under which a service reads the feed of all accounts, and does nothing else.
const FEED_SCOPE: &str = "feed:all";

/// An experience service of somebody's own, and what it may say of its callers.
#[derive(Clone, Debug)]
pub struct ExperienceService {
    /// Its name: what its callers do is noted under `<name>:<principal>`.
    pub name: String,
    /// Its keys.
    pub keys: ContextKeys,
    /// The channels it is.
    pub channels: Vec<String>,
    /// The companies it sells for.
    pub companies: Vec<String>,
    /// The scopes that its callers may hold.
    pub scopes: Vec<String>,
}

impl ExperienceService {
    /// The context as it counts, or what it says that this service may not say.
    pub(super) fn bounded(&self, context: CallContext) -> Result<CallContext, String> {
        let CallContext {
            channel, company, ..
        } = &context;
        if !self.channels.contains(channel) {
            return Err(format!("the channel `{channel}`"));
        }
        let company = company.as_deref().unwrap_or_default();
        if !self.companies.iter().any(|known| known == company) {
            return Err(format!("the company `{company}`"));
        }
        if let Some(scope) = context
            .scopes
            .iter()
            .find(|scope| !self.scopes.contains(scope))
        {
            return Err(format!("the scope `{scope}`"));
        }
        let reads_the_feed =
            !context.scopes.is_empty() && context.scopes.iter().all(|scope| scope == FEED_SCOPE);
        if context.accounts == AccountScope::All && !reads_the_feed {
            return Err(format!("all accounts, beside the scope `{FEED_SCOPE}`"));
        }
        Ok(CallContext {
            principal: format!("{}:{}", self.name, context.principal),
            ..context
        })
    }
}
