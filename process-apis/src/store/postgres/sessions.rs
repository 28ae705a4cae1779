//! Channel sessions: opened once, changed by whoever read the newest version, and gone some time after their end.

use canonical_model::{AccountId, CompanyId, SessionId, session::Session};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow, types::Json};

use super::{
    super::{Cause, Commit, NewSession, SessionChange, SessionFilter, StoreError},
    commit::Parts,
    fault::Refusal,
    value::{broken, count, failed, instant, nanoseconds},
};

/// The changes as `commit_sessions` takes them.
pub(super) fn given(changes: &[SessionChange], parts: &mut Parts) -> Result<Value, StoreError> {
    changes
        .iter()
        .map(|change| given_one(change, parts))
        .collect()
}

fn given_one(change: &SessionChange, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(match change {
        SessionChange::Open(new) => json!({
            "change": "open",
            "id": new.id,
            "partner": new.partner,
            "account": new.account,
            "keys": new.keys,
            "content": parts.text(&new.content)?,
            "fingerprint": new.fingerprint,
            "expires_at": nanoseconds(new.expires_at),
            "most": new.most,
        }),
        SessionChange::Change {
            id,
            expected_version,
            content,
            expires_at,
        } => json!({
            "change": "change",
            "id": id,
            "expected_version": expected_version,
            "content": parts.text(content)?,
            "expires_at": nanoseconds(*expires_at),
        }),
    })
}

/// A session as `session_as_read` gives it.
#[derive(Debug, Deserialize)]
pub(super) struct SessionRow {
    session_id: SessionId,
    channel: String,
    partner: String,
    account: AccountId,
    version: i64,
    content: String,
    created_at: i64,
    expires_at: i64,
    fingerprint: String,
}

impl SessionRow {
    pub(super) fn read(self) -> Result<Session, StoreError> {
        Ok(Session {
            session_id: self.session_id,
            channel: self.channel,
            partner: self.partner,
            account: self.account,
            version: count(self.version),
            content: serde_json::from_str(&self.content).map_err(failed)?,
            created_at: instant(self.created_at)?,
            expires_at: instant(self.expires_at)?,
        })
    }
}

/// What `commit_sessions` answered.
pub(super) fn committed(answer: Option<&Value>) -> Result<Vec<Session>, StoreError> {
    let rows = answer.map(Vec::<SessionRow>::deserialize).transpose();
    let rows = rows.map_err(failed)?.unwrap_or_default();
    rows.into_iter().map(SessionRow::read).collect()
}

/// The same, read again after a commit whose answer was lost.
pub(super) async fn again(
    pool: &PgPool,
    cause: &Cause,
    changes: &[SessionChange],
) -> Result<Vec<Session>, StoreError> {
    let mut found = Vec::with_capacity(changes.len());
    for change in changes {
        let (SessionChange::Open(NewSession { id, .. }) | SessionChange::Change { id, .. }) =
            change;
        let session = with_fingerprint(pool, &cause.company, &cause.channel, *id).await?;
        found.extend(session.map(|(session, _)| session));
    }
    Ok(found)
}

/// The session that a commit found opened.
pub(super) async fn known(
    pool: &PgPool,
    commit: &Commit,
    refused: &Refusal,
) -> Result<StoreError, StoreError> {
    let gone = || broken("a session vanished after it was found opened");
    let cause = commit.cause.as_ref().ok_or_else(gone)?;
    let id = refused.get("id")?;
    let found = with_fingerprint(pool, &cause.company, &cause.channel, id).await?;
    let (session, fingerprint) = found.ok_or_else(gone)?;
    Ok(StoreError::SessionKnown {
        session: Box::new(session),
        fingerprint,
    })
}

/// A session that lives or is still known, and the fingerprint of its opening.
async fn with_fingerprint(
    pool: &PgPool,
    company: &CompanyId,
    channel: &str,
    id: SessionId,
) -> Result<Option<(Session, String)>, StoreError> {
    let found = sqlx::query(
        "SELECT session_as_read(session) AS session FROM session WHERE company = $1 AND channel = $2 AND id = $3",
    )
    .bind(company.as_str())
    .bind(channel)
    .bind(id.0)
    .fetch_optional(pool)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let Json(session): Json<SessionRow> = row.try_get("session")?;
    let fingerprint = session.fingerprint.clone();
    Ok(Some((session.read()?, fingerprint)))
}

pub(super) async fn find(
    pool: &PgPool,
    company: &CompanyId,
    channel: &str,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = with_fingerprint(pool, company, channel, id).await?;
    let found = found.map(|(session, _)| session);
    Ok(found.filter(|session| session.expires_at > now))
}

pub(super) async fn sessions(
    pool: &PgPool,
    company: &CompanyId,
    filter: &SessionFilter,
) -> Result<Vec<Session>, StoreError> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT session_as_read(session) AS session FROM session WHERE seq IN (
            SELECT session FROM session_key WHERE company = ",
    );
    query.push_bind(company.as_str());
    query
        .push(" AND channel = ")
        .push_bind(filter.channel.as_str());
    query
        .push(" AND partner = ")
        .push_bind(filter.partner.as_str());
    query.push(" AND key = ").push_bind(filter.key.as_str());
    query
        .push(") AND expires_at > ")
        .push_bind(nanoseconds(filter.now));
    if let Some(accounts) = &filter.accounts {
        let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        query
            .push(" AND account = ANY(")
            .push_bind(accounts)
            .push(")");
    }
    query
        .push(" ORDER BY seq DESC LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    let read = |row: &PgRow| {
        let Json(session): Json<SessionRow> = row.try_get("session")?;
        session.read()
    };
    rows.iter().map(read).collect()
}
