//! The issuer's HTTP face.

use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Issuer, IssuerClient};

const MAX_BODY: usize = 16 * 1024;

pub(super) fn router(issuer: Issuer) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/jwks.json", get(jwks))
        .route("/token", post(token))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(issuer)
}

async fn configuration(State(issuer): State<Issuer>) -> Response {
    let base = issuer.0.forge.issuer();
    Json(json!({
        "issuer": base,
        "jwks_uri": format!("{base}/jwks.json"),
        "token_endpoint": format!("{base}/token"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
    .into_response()
}

async fn jwks(State(issuer): State<Issuer>) -> Response {
    Json(&issuer.0.jwks).into_response()
}

#[derive(Deserialize)]
struct TokenRequest {
    #[serde(default)]
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
}

async fn token(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    if request.grant_type != "client_credentials" {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let credential = match (request.client_id, request.client_secret) {
        (Some(id), Some(secret)) => Some((id, secret)),
        _ => basic(&headers),
    };
    let Some((id, secret)) = credential else {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let clients = &issuer.0.clients;
    let Some(client) = clients.iter().find(|c| c.id == id && c.secret == secret) else {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let Some(scopes) = narrowed(client, request.scope.as_deref()) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_scope");
    };
    let forge = &issuer.0.forge;
    match forge.sign(&forge.claims_of(client, &scopes)) {
        Ok(token) => {
            let body = json!({
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": forge.lifetime_seconds(),
                "scope": scopes.join(" "),
            });
            ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "no token could be signed");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    }
}

/// The scopes asked for, if the client may have all of them.
fn narrowed(client: &IssuerClient, asked: Option<&str>) -> Option<Vec<String>> {
    let Some(asked) = asked.filter(|text| !text.trim().is_empty()) else {
        return Some(client.scopes.clone());
    };
    let scopes: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    scopes
        .iter()
        .all(|scope| client.scopes.contains(scope))
        .then_some(scopes)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
