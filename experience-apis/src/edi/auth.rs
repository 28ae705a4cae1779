//! Who is there: HTTP Basic with a partner's id and secret, and only under its own address.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Path},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use service_runtime::{problem::Problem, trace::RequestScope};

use super::{Channel, profile::Profile};
use crate::state::AppState;

/// An authenticated partner, under its own address.
#[derive(Debug, Clone)]
pub(super) struct Partner(pub(super) Arc<Profile>);

/// Why a caller is not let in.
#[derive(Debug)]
pub(super) enum Refused {
    /// No credential, or not the partner's: one answer for all of it.
    Unknown,
    /// Anything else.
    Problem(Problem),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Unknown => {
                let detail = "Send HTTP Basic with your partner id and its secret.";
                let mut response = Problem::unauthenticated(detail).into_response();
                let challenge =
                    HeaderValue::from_static("Basic realm=\"orderway-edi\", charset=\"UTF-8\"");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }
}

impl FromRequestParts<AppState> for Partner {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refused> {
        let profile = state.edi.authenticate(parts).await?;
        if let Some(scope) = RequestScope::current() {
            scope.note_caller(
                &format!("edi:{}", profile.id),
                Some(profile.account.as_str()),
            );
        }
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let named = path
            .ok()
            .and_then(|Path(mut names)| names.remove("partner"));
        if named.as_deref() != Some(profile.id.as_str()) {
            return Err(Refused::Problem(Problem::not_found()));
        }
        state.edi.admit(&profile).map_err(Refused::Problem)?;
        Ok(Self(profile))
    }
}

impl Channel {
    async fn authenticate(&self, parts: &Parts) -> Result<Arc<Profile>, Refused> {
        let (user, secret) = credential(&parts.headers).ok_or(Refused::Unknown)?;
        let profile = self.partner(&user).cloned();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let credentials = profile.iter().flat_map(|profile| &profile.credentials);
        let hashes = credentials
            .map(|credential| credential.hash.clone())
            .collect();
        let right = self
            .logins
            .is_right(&user, secret, hashes, peer.map(|peer| peer.0.ip()))
            .await
            .map_err(Refused::Problem)?;
        profile.filter(|_| right).ok_or(Refused::Unknown)
    }

    fn admit(&self, profile: &Profile) -> Result<(), Problem> {
        self.credential_rate.check(&profile.id).into_result()?;
        let account = format!("{}/{}", profile.company, profile.account);
        self.account_rate.check(&account).into_result().map(drop)
    }
}

fn credential(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some((user.to_owned(), secret.to_owned()))
}
