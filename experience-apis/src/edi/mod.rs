//! The EDI channel: X12 interchanges in, acknowledgements out.
//!
//! A partner posts interchanges (`receive`); they are judged against its profile (`agreement`), stored by
//! process-apis, and acknowledged from the stored bytes. Orders are taken from those bytes by `take`, and every
//! document owed to a partner is rendered by `render`; both run on leases (`worker`), so that a crash only means
//! that another instance carries on. Nothing is kept here.

mod acknowledgment;
mod agreement;
mod auth;
mod context;
mod error;
mod failure;
mod lines;
mod mapping;
mod owed;
pub mod profile;
mod receive;
mod render;
mod routes;
mod shape;
mod ship_to;
mod take;
#[cfg(test)]
mod tests;
mod worker;

use std::{collections::BTreeMap, sync::Arc};

use edi::x12::{Limits, ReadOptions};
use service_runtime::rate_limit::RateLimiter;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa_axum::router::OpenApiRouter;

use crate::{config::Config, logins::Logins, state::AppState};
use agreement::Agreement;
use profile::{Profile, ProfilesError};
use render::Inbounds;

/// The channel's name in the call context and on documents.
pub const CHANNEL: &str = "edi";
/// The media type of an interchange.
pub const MEDIA_TYPE: &str = "application/edi-x12";

/// As many documents of the largest size are kept while their answers are written.
const INBOUNDS: u64 = 3;

/// What the channel's requests and its background work share.
pub struct Channel {
    partners: BTreeMap<String, Arc<Profile>>,
    limits: Limits,
    /// Uploads read and judged at once; each may hold a whole file in memory.
    uploads: Arc<Semaphore>,
    /// Documents worked on at once, whoever leased them.
    work: Arc<Semaphore>,
    logins: Logins,
    inbounds: Inbounds,
    credential_rate: RateLimiter,
    account_rate: RateLimiter,
    /// Work begun by a request, so that a stop can wait for it.
    begun: TaskTracker,
}

impl Channel {
    /// Reads the partner profiles; all their faults are told at once.
    pub fn new(config: &Config) -> Result<Self, ProfilesError> {
        let partners = profile::load(&config.edi.partners_dir, config.development)?;
        let limits = Limits {
            interchanges: config.edi.max_interchanges,
            interchange_bytes: config.edi.max_body.as_usize(),
            transaction_sets: config.edi.max_transactions,
            ..Limits::default()
        };
        Ok(Self {
            partners,
            limits,
            uploads: Arc::new(Semaphore::new(config.edi.uploads)),
            work: Arc::new(Semaphore::new(config.edi.workers)),
            logins: Logins::new(CHANNEL),
            inbounds: render::inbounds(config.edi.max_body.get().saturating_mul(INBOUNDS)),
            credential_rate: RateLimiter::new("credential", config.limits.credential),
            account_rate: RateLimiter::new("account", config.limits.account),
            begun: TaskTracker::new(),
        })
    }

    fn partner(&self, id: &str) -> Option<&Arc<Profile>> {
        self.partners.get(id)
    }

    fn read_options(&self, profile: &Profile) -> ReadOptions {
        Agreement::of(profile).read_options(&self.limits)
    }
}

/// The channel's routes.
pub fn router() -> OpenApiRouter<AppState> {
    routes::router()
}

/// The channel's work that no request waits for; ends when told to.
pub async fn background(state: AppState, shutdown: CancellationToken) {
    worker::run(state, shutdown).await;
}
