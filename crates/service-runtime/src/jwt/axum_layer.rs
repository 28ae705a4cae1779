//! Tokens in axum: a middleware that lets nobody pass without one, and the principal as an extractor.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, header};

use super::{Principal, TokenError, TokenVerifier};
use crate::problem::Problem;
use crate::trace::RequestScope;

/// The token of `Authorization: Bearer …`; one header, one token.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenError::Missing)?;
    if values.next().is_some() {
        return Err(TokenError::Malformed);
    }
    let text = value.to_str().unwrap_or("");
    let (scheme, token) = text.split_once(' ').ok_or(TokenError::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Missing);
    }
    Ok(token.trim())
}

impl TokenVerifier {
    /// Who sent a request with these headers.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, TokenError> {
        self.verify(bearer_token(headers)?).await
    }
}

/// Middleware: nobody passes without a good token.
pub async fn require_token(
    State(verifier): State<TokenVerifier>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let principal = verifier
        .authenticate(request.headers())
        .await
        .map_err(TokenError::into_problem)?;
    if let Some(scope) = RequestScope::current() {
        scope.note_caller(&principal.subject, principal.accounts.single());
    }
    request.extensions_mut().insert(principal);
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Self>().cloned();
        principal.ok_or_else(|| TokenError::Missing.into_problem())
    }
}
