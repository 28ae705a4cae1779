//! Channel sessions in the layer below: opened once, read, changed by who has read the newest version, found by a key.

use canonical_model::{
    SessionId,
    session::{ChangeSession, OpenSession, Session, Sessions},
};
use http::{Method, header};
use service_runtime::{context::CallContext, extract::Etag};

use super::process::{CallError, ProcessClient, read, with_query};

impl ProcessClient {
    /// Opens a session. The same opening once more answers the session as it is now, which may have ended; other content
    /// under the same id is the problem `session-exists`.
    pub async fn open_session(
        &self,
        context: &CallContext,
        session: &OpenSession,
    ) -> Result<Session, CallError> {
        self.post("/v1/sessions", context, session).await
    }

    /// A session that lives; the problem `not-found` where there is none.
    pub async fn session(
        &self,
        context: &CallContext,
        session: SessionId,
    ) -> Result<Session, CallError> {
        self.get(&format!("/v1/sessions/{session}"), context).await
    }

    /// Changes a session that is still at this version, and answers it with the new one; the problem
    /// `precondition-failed` where somebody else was first.
    pub async fn change_session(
        &self,
        context: &CallContext,
        session: SessionId,
        version: u64,
        change: &ChangeSession,
    ) -> Result<Session, CallError> {
        let path = format!("/v1/sessions/{session}");
        let call = self.call(Method::PUT, &path, context).json(change);
        let call = call.header(header::IF_MATCH, Etag::version(version).as_str());
        read(call.send().await)
    }

    /// Sessions of a partner that live, by one of their keys, newest first; at most 10.
    pub async fn sessions_by_key(
        &self,
        context: &CallContext,
        partner: &str,
        key: &str,
    ) -> Result<Vec<Session>, CallError> {
        let path = with_query(
            "/v1/sessions",
            &[("partner", Some(partner)), ("key", Some(key))],
        );
        let found: Sessions = self.get(&path, context).await?;
        Ok(found.sessions)
    }
}
