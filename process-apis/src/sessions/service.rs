//! What is done with sessions, between the routes and the store.

use canonical_model::{
    SessionId,
    session::{ChangeSession, OpenSession, Session, SessionSearch, Sessions as Found},
};
use jiff::{SignedDuration, Timestamp};
use service_runtime::{
    clock::Clock,
    context::CallContext,
    extract::{Etag, IfMatch},
    problem::Problem,
    trace::RequestScope,
};

use super::SessionsConfig;
use crate::{
    crash_points,
    error::store_problem,
    events::reach::Reach,
    faults::Faults,
    idempotency::fingerprint,
    store::{Cause, Commit, NewSession, SessionChange, SessionFilter, Store, StoreError},
};

/// The largest content, in bytes of JSON.
const LARGEST_CONTENT: usize = 1024 * 1024;
/// No session lives longer without a change.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// So many are found by a key.
const MOST_FOUND: u16 = 10;

/// The sessions of one caller: those of its channel, company and accounts.
pub(super) struct Sessions<'a> {
    store: &'a dyn Store,
    caller: &'a CallContext,
    reach: Reach,
    now: Timestamp,
}

/// A session that is asked to be opened.
pub(super) struct Opened {
    pub(super) session: Session,
    /// It had been opened before.
    pub(super) repeated: bool,
}

impl<'a> Sessions<'a> {
    pub(super) fn of(
        store: &'a dyn Store,
        clock: &Clock,
        caller: &'a CallContext,
    ) -> Result<Self, Problem> {
        caller.require("sessions:write")?;
        let reach = Reach::of(caller)?;
        let now = clock.now();
        Ok(Self {
            store,
            caller,
            reach,
            now,
        })
    }

    /// Opens a session; the same opening once more is answered with the session as it is now.
    pub(super) async fn open(
        &self,
        request: OpenSession,
        config: SessionsConfig,
    ) -> Result<Opened, Problem> {
        self.caller.require_account(request.account.as_str())?;
        self.check_open(&request)?;
        let opening = (&request.partner, &request.account, &request.content);
        let opening = fingerprint("open_session", &opening)?;
        let change = SessionChange::Open(NewSession {
            id: request.session_id,
            partner: request.partner,
            account: request.account,
            keys: request.keys,
            content: request.content,
            fingerprint: opening.clone(),
            expires_at: request.expires_at,
            most: config.max_per_partner,
        });
        match self.commit(change).await {
            Ok(session) => Ok(Opened {
                session,
                repeated: false,
            }),
            Err(StoreError::SessionKnown {
                session,
                fingerprint,
            }) if fingerprint == opening => Ok(Opened {
                session: *session,
                repeated: true,
            }),
            Err(error) => Err(store_problem(&error)),
        }
    }

    /// A session of the caller's that lives.
    pub(super) async fn find(&self, id: SessionId) -> Result<Session, Problem> {
        let found = self
            .store
            .session(&self.reach.company, &self.caller.channel, id, self.now)
            .await
            .map_err(|error| store_problem(&error))?;
        let own = found.filter(|found| self.reach.sees(&found.account));
        own.ok_or_else(Problem::not_found)
    }

    /// Changes a session, unless it has changed since the caller read it.
    pub(super) async fn change(
        &self,
        id: SessionId,
        if_match: &IfMatch,
        request: ChangeSession,
    ) -> Result<Session, Problem> {
        let found = self.find(id).await?;
        self.content(Faults::default(), &request.content, request.expires_at)
            .finish()?;
        if_match.check(&Etag::version(found.version))?;
        let change = SessionChange::Change {
            id,
            expected_version: found.version,
            content: request.content,
            expires_at: request.expires_at,
        };
        self.commit(change)
            .await
            .map_err(|error| store_problem(&error))
    }

    /// Sessions of the caller's by a key.
    pub(super) async fn search(&self, search: SessionSearch) -> Result<Found, Problem> {
        let filter = SessionFilter {
            accounts: self.reach.accounts.clone(),
            channel: self.caller.channel.clone(),
            partner: search.partner,
            key: search.key,
            now: self.now,
            limit: MOST_FOUND,
        };
        let sessions = self
            .store
            .sessions(&self.reach.company, filter)
            .await
            .map_err(|error| store_problem(&error))?;
        Ok(Found { sessions })
    }

    fn check_open(&self, request: &OpenSession) -> Result<(), Problem> {
        let faults = Faults::default()
            .text("/partner", &request.partner, 40)
            .count("/keys", request.keys.len(), 10);
        let keys = request.keys.iter().take(10).enumerate();
        let faults = keys.fold(faults, |faults, (index, key)| {
            faults.text(&format!("/keys/{index}"), key, 200)
        });
        self.content(faults, &request.content, request.expires_at)
            .finish()
    }

    fn content(
        &self,
        faults: Faults,
        content: &serde_json::Value,
        expires_at: Timestamp,
    ) -> Faults {
        let size = content.to_string().len();
        let soon = self
            .now
            .saturating_add(LONGEST)
            .is_ok_and(|latest| expires_at <= latest);
        faults
            .add(
                size <= LARGEST_CONTENT,
                "/content",
                "too-large",
                format!("Send at most {LARGEST_CONTENT} bytes of JSON; these are {size}."),
            )
            .add(
                expires_at > self.now && soon,
                "/expires_at",
                "out-of-range",
                "Send an instant within the next 24 hours.",
            )
    }

    async fn commit(&self, change: SessionChange) -> Result<Session, StoreError> {
        let scope = RequestScope::current();
        let cause = Cause {
            company: self.reach.company.clone(),
            at: self.now,
            principal: self.caller.principal.clone(),
            channel: self.caller.channel.clone(),
            correlation_id: self.caller.correlation_id.clone(),
            traceparent: scope
                .map(|scope| scope.trace.traceparent())
                .unwrap_or_default(),
        };
        let commit = Commit {
            cause: Some(cause),
            sessions: vec![change],
            ..Commit::default()
        };
        let committed = self.store.commit(commit);
        let committed = crash_points::SESSION_CHANGE.run(committed).await?;
        let session = committed.sessions.into_iter().next();
        session.ok_or_else(|| {
            StoreError::Failed(anyhow::Error::msg("a session's change answers the session"))
        })
    }
}
