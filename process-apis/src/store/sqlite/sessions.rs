//! Channel sessions: opened once, changed by whoever read the newest version, and gone some time after their end.

use canonical_model::{AccountId, CompanyId, SessionId, session::Session};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::{Cause, NewSession, SESSION_KNOWN_FOR, SessionChange, SessionFilter, StoreError},
    query::Query,
    value::{At, Id, Json, Text, broken, count, integer, list},
};

/// So many are deleted at a time, with all they hold: other commands wait for them.
const SWEEP: u32 = 100;

const COLUMNS: &str =
    "id, channel, partner, account, version, created_at, expires_at, fingerprint, content";

/// The session as it is after the change.
pub(super) fn apply(
    connection: &Connection,
    cause: &Cause,
    change: &SessionChange,
) -> Result<Session, StoreError> {
    let id = match change {
        SessionChange::Open(new) => {
            open(connection, cause, new)?;
            new.id
        }
        SessionChange::Change {
            id,
            expected_version,
            content,
            expires_at,
        } => {
            let changed = connection
                .prepare_cached(
                    "UPDATE session SET version = version + 1, content = ?6, expires_at = ?7
                     WHERE company = ?1 AND channel = ?2 AND id = ?3 AND version = ?4 AND expires_at > ?5",
                )?
                .execute(params![
                    cause.company.as_str(),
                    cause.channel,
                    Id(id.0),
                    integer(*expected_version),
                    At(cause.at),
                    Json(content),
                    At(*expires_at),
                ])?;
            if changed == 0 {
                return Err(StoreError::SessionChanged(*id));
            }
            *id
        }
    };
    known(connection, &cause.company, &cause.channel, id)?
        .map(|(session, _)| session)
        .ok_or_else(|| broken("a session vanished in its own transaction"))
}

fn open(connection: &Connection, cause: &Cause, new: &NewSession) -> Result<(), StoreError> {
    if let Some(refused) = refusal(connection, cause, new.id)? {
        return Err(refused);
    }
    let living: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM session WHERE company = ?1 AND channel = ?2 AND partner = ?3 AND expires_at > ?4",
        )?
        .query_row(
            params![
                cause.company.as_str(),
                cause.channel,
                new.partner,
                At(cause.at)
            ],
            |row| row.get(0),
        )?;
    if count(living) >= u64::from(new.most) {
        return Err(StoreError::SessionLimit);
    }
    let seq: i64 = connection
        .prepare_cached(
            "INSERT INTO session (id, company, channel, partner, account, version, fingerprint, created_at, expires_at,
                content)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9) RETURNING seq",
        )?
        .query_row(
            params![
                Id(new.id.0),
                cause.company.as_str(),
                cause.channel,
                new.partner,
                new.account.as_str(),
                new.fingerprint,
                At(cause.at),
                At(new.expires_at),
                Json(&new.content),
            ],
            |row| row.get(0),
        )?;
    for key in &new.keys {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO session_key (company, channel, partner, key, session)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                cause.company.as_str(),
                cause.channel,
                new.partner,
                key,
                seq
            ])?;
    }
    Ok(())
}

fn refusal(
    connection: &Connection,
    cause: &Cause,
    id: SessionId,
) -> Result<Option<StoreError>, StoreError> {
    let known = known(connection, &cause.company, &cause.channel, id)?;
    Ok(
        known.map(|(session, fingerprint)| StoreError::SessionKnown {
            session: Box::new(session),
            fingerprint,
        }),
    )
}

/// The refusal for a session that is known, read once the commit is undone.
pub(super) fn told_again(
    connection: &Connection,
    cause: &Cause,
    id: SessionId,
) -> Result<StoreError, StoreError> {
    refusal(connection, cause, id)?.ok_or_else(|| broken("a commit opens a session once"))
}

/// A session that lives or is still known, and the fingerprint of its opening.
fn known(
    connection: &Connection,
    company: &CompanyId,
    channel: &str,
    id: SessionId,
) -> Result<Option<(Session, String)>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM session WHERE company = ?1 AND channel = ?2 AND id = ?3");
    let found = connection
        .prepare_cached(&sql)?
        .query_row(params![company.as_str(), channel, Id(id.0)], |row| {
            Ok((read_session(row)?, row.get(7)?))
        })
        .optional()?;
    Ok(found)
}

pub(super) fn find(
    connection: &Connection,
    company: &CompanyId,
    channel: &str,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = known(connection, company, channel, id)?.map(|(session, _)| session);
    Ok(found.filter(|session| session.expires_at > now))
}

pub(super) fn sessions(
    connection: &Connection,
    company: &CompanyId,
    filter: &SessionFilter,
) -> Result<Vec<Session>, StoreError> {
    let mut query = Query::new(&format!(
        "SELECT {COLUMNS} FROM session WHERE seq IN (SELECT session FROM session_key WHERE company = ?"
    ));
    query.bind(company.as_str())?;
    query.and("channel = ?", filter.channel.as_str())?;
    query.and("partner = ?", filter.partner.as_str())?;
    query.and("key = ?", filter.key.as_str())?;
    query.push(")");
    query.and("expires_at > ?", At(filter.now))?;
    if let Some(accounts) = &filter.accounts {
        query.and(
            "account IN (SELECT value FROM json_each(?))",
            list(accounts),
        )?;
    }
    query.push(" ORDER BY seq DESC LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, read_session)
}

/// Deletes those that ended so long ago that they need not be known any more; answers how many.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let ended = now
        .saturating_sub(SESSION_KNOWN_FOR)
        .unwrap_or(Timestamp::MIN);
    let rows = connection
        .prepare_cached(
            "DELETE FROM session WHERE seq IN (
                SELECT seq FROM session WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(params![At(ended), SWEEP])?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let (Id(id), Text(account)): (Id, Text<AccountId>) = (row.get(0)?, row.get(3)?);
    let (At(created_at), At(expires_at)) = (row.get(5)?, row.get(6)?);
    let Json(content) = row.get(8)?;
    Ok(Session {
        session_id: SessionId(id),
        channel: row.get(1)?,
        partner: row.get(2)?,
        account,
        version: count(row.get(4)?),
        content,
        created_at,
        expires_at,
    })
}
