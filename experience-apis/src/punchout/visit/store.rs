//! Visits as sessions of process-apis.

use canonical_model::{
    SessionId,
    session::{ChangeSession, OpenSession, Session},
};
use jiff::Timestamp;
use service_runtime::http_client::HopError;

use super::{Visit, cart::Unchanged};
use crate::{
    clients::process::CallError,
    punchout::{CHANNEL, context, profile::Profile},
    state::AppState,
};

/// How often a change is made again on a visit that somebody else has changed.
const ATTEMPTS: usize = 3;

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

/// A visit as it was read.
#[derive(Debug, Clone)]
pub(in crate::punchout) struct Loaded {
    /// The session that keeps it.
    pub(in crate::punchout) session: Session,
    /// What it keeps.
    pub(in crate::punchout) visit: Visit,
}

/// Why there is no such visit.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// There is none, it is over, or it is another partner's.
    #[error("there is no such visit, or it is over")]
    Gone,
    /// Another one was opened under this session id.
    #[error("another visit was opened under this id")]
    Known,
    /// The layer below gave no good answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What is kept cannot be read or written.
    #[error("what is kept of a visit cannot be read or written")]
    Content(#[from] serde_json::Error),
    /// Others changed it again and again.
    #[error("the visit is being changed by others all the time")]
    Contention,
    /// What was asked for is not done.
    #[error(transparent)]
    Unchanged(#[from] Unchanged),
}

/// Opens a visit, or finds the one that was opened under this session id. `keys` are what it may be found by later.
pub async fn open(
    state: &AppState,
    profile: &Profile,
    session_id: SessionId,
    visit: &Visit,
    keys: Vec<String>,
) -> Result<Opened, VisitError> {
    let mut visit = visit.clone();
    visit.gather();
    let request = OpenSession {
        session_id,
        partner: profile.id.clone(),
        account: profile.account.clone(),
        keys,
        content: serde_json::to_value(&visit)?,
        expires_at: state
            .clock
            .now()
            .saturating_add(state.config.punchout.session_lifetime.signed())
            .unwrap_or(Timestamp::MAX),
    };
    let context = context::of_partner(profile);
    let opened = state.process.open_session(&context, &request).await;
    let session = opened.map_err(|error| match status_of(&error) {
        Some(409) => VisitError::Known,
        _ => error.into(),
    })?;
    let loaded = read(profile, session)?;
    Ok(Opened {
        start_url: state.punchout.links.start(&profile.id, session_id),
        created_at: loaded.session.created_at,
        visit: loaded.visit,
    })
}

/// Reads a visit.
pub(in crate::punchout) async fn load(
    state: &AppState,
    profile: &Profile,
    session_id: SessionId,
) -> Result<Loaded, VisitError> {
    let context = context::of_partner(profile);
    match state.process.session(&context, session_id).await {
        Ok(session) => read(profile, session),
        Err(error) if status_of(&error) == Some(404) => Err(VisitError::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Changes a visit; the change is made again if somebody else was first.
pub(in crate::punchout) async fn change(
    state: &AppState,
    profile: &Profile,
    mut loaded: Loaded,
    change: impl Fn(&mut Visit) -> Result<(), Unchanged>,
) -> Result<Loaded, VisitError> {
    for _ in 0..ATTEMPTS {
        let session_id = loaded.session.session_id;
        change(&mut loaded.visit)?;
        match save(state, profile, &loaded).await {
            Err(VisitError::Contention) => loaded = load(state, profile, session_id).await?,
            saved => return saved,
        }
    }
    Err(VisitError::Contention)
}

/// Writes a visit unless somebody else has since it was read, which is told as contention.
pub(in crate::punchout) async fn save(
    state: &AppState,
    profile: &Profile,
    loaded: &Loaded,
) -> Result<Loaded, VisitError> {
    let context = context::of_partner(profile);
    let session = &loaded.session;
    let request = ChangeSession {
        content: serde_json::to_value(&loaded.visit)?,
        expires_at: session.expires_at,
    };
    let (id, version) = (session.session_id, session.version);
    match state
        .process
        .change_session(&context, id, version, &request)
        .await
    {
        Ok(session) => read(profile, session),
        Err(error) => Err(match status_of(&error) {
            Some(412) => VisitError::Contention,
            Some(404) => VisitError::Gone,
            _ => error.into(),
        }),
    }
}

fn read(profile: &Profile, session: Session) -> Result<Loaded, VisitError> {
    if session.channel != CHANNEL || session.partner != profile.id {
        return Err(VisitError::Gone);
    }
    let visit = serde::Deserialize::deserialize(&session.content)?;
    Ok(Loaded { session, visit })
}

fn status_of(error: &CallError) -> Option<u16> {
    match &error.0 {
        HopError::Problem(problem) => Some(problem.status),
        _ => None,
    }
}
