//! Signing and verifying call contexts: `base64url(json).base64url(hmac-sha256)`.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CONTEXT_HEADER, CallContext, Caller, ExperienceService, LayerIdentity};
use crate::clock::Clock;
use crate::config::Secret;
use crate::problem::Problem;
use crate::trace::RequestScope;

const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How far the clocks of two instances may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
const MAX_TOKEN: usize = 16 * 1024;
const MIN_KEY: usize = 32;

/// One direction between two layers; part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    pub from: LayerIdentity,
    pub to: LayerIdentity,
}

/// The key of a hop, and the one before it while keys rotate.
#[derive(Clone, Debug)]
pub struct ContextKeys {
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl ContextKeys {
    /// Keys are secrets of at least 32 bytes.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Result<Self, ContextError> {
        let previous = previous.map(key).transpose()?;
        Ok(Self {
            current: key(current)?,
            previous,
        })
    }
}

fn key(secret: &Secret) -> Result<hmac::Key, ContextError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < MIN_KEY {
        return Err(ContextError::ShortKey);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

/// Why a context is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    #[error("the key of a hop is shorter than {MIN_KEY} bytes; give a longer one")]
    ShortKey,
    #[error("there is no {CONTEXT_HEADER} header")]
    Missing,
    #[error("the context is not readable")]
    Malformed,
    #[error("the signature is not that of a layer known here")]
    Signature,
    #[error("the context is too old, or from the future")]
    Expired,
    #[error("the service `{service}` may not name {what}")]
    OutOfBounds { service: String, what: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    issued_at: Timestamp,
    expires_at: Timestamp,
    context: CallContext,
}

/// Signs the contexts of one hop.
#[derive(Clone, Debug)]
pub struct ContextSigner {
    hop: Hop,
    keys: ContextKeys,
    clock: Clock,
}

impl ContextSigner {
    pub fn new(hop: Hop, keys: ContextKeys, clock: Clock) -> Self {
        Self { hop, keys, clock }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The header's value. `layer` in the context is set to the layer that signs.
    pub fn sign(&self, context: &CallContext) -> Result<String, serde_json::Error> {
        let now = self.clock.wall();
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(now);
        let context = CallContext {
            layer: self.hop.from,
            ..context.clone()
        };
        let json = serde_json::to_vec(&Signed {
            issued_at: now,
            expires_at,
            context,
        })?;
        let payload = URL_SAFE_NO_PAD.encode(json);
        let tag = hmac::sign(&self.keys.current, &signed_bytes(self.hop, &payload));
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }
}

/// The hop is signed with the payload: a context for one hop is worth nothing on another.
fn signed_bytes(hop: Hop, payload: &str) -> Vec<u8> {
    format!(
        "orderway-context:1:{}>{}:{payload}",
        hop.from.as_str(),
        hop.to.as_str()
    )
    .into_bytes()
}

/// Verifies contexts of the layers that may call here, and of no other.
#[derive(Clone, Debug)]
pub struct ContextVerifier {
    to: LayerIdentity,
    callers: Arc<Vec<(LayerIdentity, ContextKeys)>>,
    services: Arc<Vec<ExperienceService>>,
    clock: Clock,
}

impl ContextVerifier {
    pub fn new(
        to: LayerIdentity,
        callers: Vec<(LayerIdentity, ContextKeys)>,
        clock: Clock,
    ) -> Self {
        Self {
            to,
            callers: Arc::new(callers),
            services: Arc::default(),
            clock,
        }
    }

    /// Believes these services too, each within its bounds; they call in the place of `experience-apis`.
    #[must_use]
    pub fn with_services(self, services: Vec<ExperienceService>) -> Self {
        Self {
            services: Arc::new(services),
            ..self
        }
    }

    pub fn verify_headers(&self, headers: &HeaderMap) -> Result<Caller, ContextError> {
        let mut values = headers.get_all(CONTEXT_HEADER).iter();
        let value = values.next().ok_or(ContextError::Missing)?;
        if values.next().is_some() {
            return Err(ContextError::Malformed);
        }
        self.verify(value.to_str().unwrap_or(""))
    }

    pub fn verify(&self, token: &str) -> Result<Caller, ContextError> {
        if token.len() > MAX_TOKEN {
            return Err(ContextError::Malformed);
        }
        let (payload, tag) = token.split_once('.').ok_or(ContextError::Malformed)?;
        let tag = URL_SAFE_NO_PAD
            .decode(tag)
            .ok()
            .ok_or(ContextError::Malformed)?;
        let (from, service) = self
            .signer_of(payload, &tag)
            .ok_or(ContextError::Signature)?;
        let json = URL_SAFE_NO_PAD
            .decode(payload)
            .ok()
            .ok_or(ContextError::Malformed)?;
        let signed: Signed = serde_json::from_slice(&json)
            .ok()
            .ok_or(ContextError::Malformed)?;
        if signed.context.layer != from {
            return Err(ContextError::Signature);
        }
        let now = self.clock.wall();
        let age = now.duration_since(signed.issued_at);
        let lifetime = signed.expires_at.duration_since(signed.issued_at);
        if lifetime > LIFETIME || age < -SKEW || now.duration_since(signed.expires_at) > SKEW {
            return Err(ContextError::Expired);
        }
        let Some(service) = service else {
            return Ok(Caller::authenticated(signed.context));
        };
        let bounded = service.bounded(signed.context);
        let bounded = bounded.map_err(|what| ContextError::OutOfBounds {
            service: service.name.clone(),
            what,
        })?;
        Ok(Caller::authenticated(bounded))
    }

    fn signer_of(
        &self,
        payload: &str,
        tag: &[u8],
    ) -> Option<(LayerIdentity, Option<&ExperienceService>)> {
        let layers = self.callers.iter();
        let layers = layers.map(|(from, keys)| (*from, keys, None));
        let services = self.services.iter();
        let services = services.map(|one| (LayerIdentity::ExperienceApis, &one.keys, Some(one)));
        layers.chain(services).find_map(|(from, keys, service)| {
            let message = signed_bytes(Hop { from, to: self.to }, payload);
            let mut keys = std::iter::once(&keys.current).chain(&keys.previous);
            let signed = keys.any(|key| hmac::verify(key, &message, tag).is_ok());
            signed.then_some((from, service))
        })
    }
}

/// Middleware: nobody passes without a context signed by a layer known here.
pub async fn require_context(
    State(verifier): State<ContextVerifier>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = verifier
        .verify_headers(request.headers())
        .map_err(|error| match &error {
            ContextError::OutOfBounds { service, what } => Problem::forbidden(format!(
                "The service `{service}` may not name {what}: see `context.services` in the configuration of this layer."
            )),
            _ => Problem::unauthenticated("This layer answers the layer above it only.")
                .caused_by(&error),
        })?;
    if let Some(scope) = RequestScope::current() {
        scope.note_caller(&caller.principal, caller.accounts.single());
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}
