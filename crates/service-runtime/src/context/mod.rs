//! The call context: who calls, for which accounts, from which layer. Signed by the layer above,
//! verified by the one below, short-lived, with one key for each hop and direction.

mod service;
mod sign;

use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use service::ExperienceService;
pub use sign::{ContextError, ContextKeys, ContextSigner, ContextVerifier, Hop, require_context};

use crate::problem::Problem;

pub const CONTEXT_HEADER: &str = "orderway-context";

/// The three layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerIdentity {
    ExperienceApis,
    ProcessApis,
    SystemApis,
}

impl LayerIdentity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExperienceApis => "experience-apis",
            Self::ProcessApis => "process-apis",
            Self::SystemApis => "system-apis",
        }
    }
}

/// The accounts a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountScope {
    /// Layer identities only (a feed, a sweep); never a buyer.
    All,
    List(Vec<String>),
}

impl AccountScope {
    pub fn allows(&self, account: &str) -> bool {
        match self {
            Self::All => true,
            Self::List(accounts) => accounts.iter().any(|known| known == account),
        }
    }

    /// The account, when there is exactly one.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::List(accounts) => match accounts.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Self::All => None,
        }
    }
}

/// What one layer tells the next about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallContext {
    pub principal: String,
    pub accounts: AccountScope,
    pub company: Option<String>,
    pub channel: String,
    pub scopes: Vec<String>,
    pub correlation_id: String,
    /// When nobody waits any more; the remaining time travels as a duration too, because clocks differ.
    pub deadline: Timestamp,
    pub remaining_ms: u64,
    /// The layer that calls.
    pub layer: LayerIdentity,
}

impl CallContext {
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// 403 unless the caller holds the scope.
    pub fn require(&self, scope: &str) -> Result<(), Problem> {
        if self.has_scope(scope) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "This needs the scope `{scope}`; ask for it where your credential was issued."
        )))
    }

    pub fn may_see(&self, account: &str) -> bool {
        self.accounts.allows(account)
    }

    /// 404 for an account that is not the caller's: it looks exactly like an absent one.
    pub fn require_account(&self, account: &str) -> Result<(), Problem> {
        if self.may_see(account) {
            Ok(())
        } else {
            Err(Problem::not_found())
        }
    }
}

/// A verified call context, as an extractor. It exists only behind [`require_context`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(CallContext);

impl Caller {
    /// For the edge, where a verified token or partner credential stands in for a context.
    pub fn authenticated(context: CallContext) -> Self {
        Self(context)
    }

    pub fn into_inner(self) -> CallContext {
        self.0
    }
}

impl Deref for Caller {
    type Target = CallContext;

    fn deref(&self) -> &CallContext {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::unauthenticated("This is open to known callers only."))
    }
}

#[cfg(test)]
mod tests;
