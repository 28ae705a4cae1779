//! The claims that are read, and what they say about the caller.

use jiff::Timestamp;
use serde::Deserialize;

use super::TokenError;
use crate::context::AccountScope;

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 30;
/// Longest life of a token, in seconds.
const MAX_LIFETIME: i64 = 3_600;

/// Who calls, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub subject: String,
    pub accounts: AccountScope,
    pub company: Option<String>,
    pub scopes: Vec<String>,
    /// The client that holds the credential: what limits are counted by.
    pub credential_id: String,
    /// When the token ends: what goes on longer than a request ends with it.
    pub expires_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
    /// Space-separated, as RFC 9068 has it.
    #[serde(default)]
    scope: String,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    /// The sold-to accounts the caller acts for; a token without any sees none.
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    company: Option<String>,
}

impl Claims {
    pub(super) fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        let now = now.as_second();
        let late = now.saturating_add(LEEWAY);
        if self.sub.is_empty() {
            return Err(TokenError::Claims("the subject is empty"));
        }
        if self.exp < now.saturating_sub(LEEWAY) {
            return Err(TokenError::Claims("it has expired"));
        }
        if self.nbf.is_some_and(|nbf| nbf > late) || self.iat.is_some_and(|iat| iat > late) {
            return Err(TokenError::Claims("it is not valid yet"));
        }
        // Without `iat` the life is counted from now.
        let issued_at = self.iat.unwrap_or(late);
        let longest = issued_at.min(late).saturating_add(MAX_LIFETIME);
        if self.exp > longest {
            return Err(TokenError::Claims("it lives longer than an hour"));
        }
        Ok(())
    }

    pub(super) fn principal(&self) -> Principal {
        let named = self.client_id.as_ref().or(self.azp.as_ref());
        let credential = named.unwrap_or(&self.sub);
        Principal {
            // Two issuers may both have a user 7: the issuer is part of the credential.
            credential_id: format!("{}#{credential}", self.iss),
            expires_at: Timestamp::from_second(self.exp).unwrap_or(Timestamp::MIN),
            accounts: AccountScope::List(self.accounts.clone()),
            company: self.company.clone(),
            scopes: self
                .scope
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            subject: self.sub.clone(),
        }
    }
}
