//! Applies one [`Commit`] inside the transaction it is given: all of it, or an error that names what did not hold.

use rusqlite::Connection;

use super::{
    super::{Cause, Commit, Committed, StoreError},
    audit, bounds, credit, decisions,
    documents::{self, Applied},
    effects, idempotency, news, sessions, stock, streams, subscriptions,
    value::broken,
    writer::undo,
};

/// Applies the commit, or answers with what stood before it: what a refused commit had changed itself never was.
pub(super) fn apply_or_tell(
    connection: &Connection,
    commit: &Commit,
) -> Result<Committed, StoreError> {
    match apply(connection, commit) {
        Err(StoreError::DocumentKnown(document)) => {
            undo(connection)?;
            let cause = known(commit.cause.as_ref())?;
            Err(documents::told_again(
                connection,
                cause,
                document.document_id,
            )?)
        }
        Err(StoreError::SessionKnown { session, .. }) => {
            undo(connection)?;
            let cause = known(commit.cause.as_ref())?;
            Err(sessions::told_again(connection, cause, session.session_id)?)
        }
        outcome => outcome,
    }
}

/// What is the same request, or the same purchase order, once more is told first: its claims would not fit either, and
/// "short" would be the wrong answer.
fn apply(connection: &Connection, commit: &Commit) -> Result<Committed, StoreError> {
    let cause = commit.cause.as_ref();
    if let Some(answer) = &commit.idempotency {
        idempotency::keep(connection, cause.map(|cause| cause.at), answer)?;
    }
    for step in &commit.cursors {
        news::move_cursor(connection, step)?;
    }
    let mut committed = Committed::default();
    for change in &commit.changes {
        committed.position = Some(streams::change(connection, known(cause)?, change)?);
    }
    for change in &commit.documents {
        match documents::apply(connection, known(cause)?, change)? {
            Applied::Document(document) => committed.documents.push(*document),
            Applied::Repeated(document) => {
                committed.documents = vec![*document];
                break;
            }
        }
    }
    for change in &commit.sessions {
        let session = sessions::apply(connection, known(cause)?, change)?;
        committed.sessions.push(session);
    }
    for change in &commit.subscriptions {
        subscriptions::apply(connection, cause, change)?;
    }
    stock::apply(connection, &commit.stock)?;
    for movement in &commit.credit {
        credit::apply(connection, movement)?;
    }
    for movement in &commit.bounds {
        bounds::apply(connection, movement)?;
    }
    for change in &commit.effects {
        effects::apply(connection, cause, change)?;
    }
    for change in &commit.parked {
        news::apply(connection, change)?;
    }
    if let Some(record) = &commit.decision {
        decisions::write(connection, known(cause)?, record)?;
    }
    for entry in &commit.audit {
        audit::write(connection, known(cause)?, entry)?;
    }
    Ok(committed)
}

pub(super) fn known(cause: Option<&Cause>) -> Result<&Cause, StoreError> {
    cause.ok_or_else(|| {
        broken(
            "a commit that writes events, documents, sessions, subscriptions, decisions or audit says its cause",
        )
    })
}
