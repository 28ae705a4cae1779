//! The punchout channel, cXML and OCI: a partner's buyer shops here from its own procurement system, the cart goes back
//! there with a price lock on every line, and comes back as an order at that price.
//!
//! A visit (`visit`) is opened by a dialect (`cxml`, `oci`) and lives in process-apis; the pages behind its link are the
//! `shop`. Orders are read by the dialects, compared with what left and taken by `orders`. Nothing is kept here.

mod context;
pub mod cxml;
mod cxml_auth;
mod cxml_routes;
mod cxml_setup;
mod known;
pub mod lock;
mod oci;
mod orders;
pub mod profile;
mod send;
mod shop;
pub mod visit;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::HeaderMap;
use service_runtime::rate_limit::RateLimiter;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::error::Elapsed,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa_axum::router::OpenApiRouter;

use crate::{body, config::Config, logins::Logins, state::AppState};
use profile::{Profile, ProfilesError};
use visit::links::Links;

pub(crate) use send::client;

/// The channel's name in the call context, on documents, orders and sessions.
pub const CHANNEL: &str = "punchout";

/// How long a document or form waits for its place among those that are read.
const UPLOAD_WAIT: Duration = Duration::from_secs(10);

/// What the channel's requests and its background work share.
pub struct Channel {
    partners: BTreeMap<String, Arc<Profile>>,
    links: Links,
    logins: Logins,
    /// Documents and forms read at once that are not short; each may be as large as one may be.
    uploads: Arc<Semaphore>,
    /// Documents worked on at once, whoever leased them.
    work: Arc<Semaphore>,
    /// Documents sent at once.
    sending: Arc<Semaphore>,
    /// Sends documents to partners.
    client: reqwest::Client,
    credential_rate: RateLimiter,
    account_rate: RateLimiter,
    /// Work begun by a request, so that a stop can wait for it.
    begun: TaskTracker,
}

impl Channel {
    /// Reads the partner profiles; all their faults are told at once. The client is what `send` needs.
    pub fn new(config: &Config, client: reqwest::Client) -> Result<Self, ProfilesError> {
        let hands = |count| Arc::new(Semaphore::new(count));
        Ok(Self {
            partners: profile::load(config)?,
            links: Links::new(&config.punchout),
            logins: Logins::new(CHANNEL),
            uploads: hands(config.punchout.uploads),
            work: hands(config.punchout.workers),
            sending: hands(config.punchout.workers),
            client,
            credential_rate: RateLimiter::new("credential", config.limits.credential),
            account_rate: RateLimiter::new("account", config.limits.account),
            begun: TaskTracker::new(),
        })
    }

    /// A partner by its id.
    fn partner(&self, id: &str) -> Option<&Arc<Profile>> {
        self.partners.get(id)
    }

    /// The partners for whom this Sender sends. Several may come through one network; From tells them apart.
    fn partners_of_sender(&self, domain: &str, identity: &str) -> Vec<&Arc<Profile>> {
        let partners = self.partners.values();
        partners
            .filter(|profile| {
                let senders = profile.cxml.iter().flat_map(|cxml| &cxml.senders);
                senders
                    .into_iter()
                    .any(|sender| sender.is(domain, identity))
            })
            .collect()
    }

    /// A place among what is read at once, kept until it is dealt with; what is short needs none. Nothing of a body is read
    /// while it waits for its place.
    async fn place(&self, headers: &HeaderMap) -> Result<Option<OwnedSemaphorePermit>, Elapsed> {
        if body::is_short(headers) {
            return Ok(None);
        }
        let place = Arc::clone(&self.uploads).acquire_owned();
        Ok(tokio::time::timeout(UPLOAD_WAIT, place).await?.ok())
    }

    /// Counts a request of a partner that has shown who it is.
    fn admit(&self, profile: &Profile) -> Result<(), service_runtime::problem::Problem> {
        self.credential_rate.check(&profile.id).into_result()?;
        let account = format!("{}/{}", profile.company, profile.account);
        self.account_rate.check(&account).into_result().map(drop)
    }
}

/// The channel's routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(cxml_routes::router())
        .merge(oci::router())
        .merge(shop::router())
}

/// The channel's work that no request waits for; ends when told to.
pub async fn background(state: AppState, shutdown: CancellationToken) {
    tokio::join!(
        known::look(state.clone(), shutdown.clone()),
        orders::run(state, shutdown)
    );
}

/// The fingerprint of bytes, as text.
fn fingerprint(bytes: &[u8]) -> String {
    service_runtime::fingerprint::sha256([bytes])
}
