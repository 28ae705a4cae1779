//! From events to one `Commit`: the state after them, and all that they ask for. Both doors use it, the API's and the
//! worker's.

use canonical_model::{
    OrderId,
    capabilities::{Capabilities, CreateClass, CreditBasis},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    command::Command,
    decide::{Refusal, decide},
    event::{EventError, OrderEvent},
    evolve::evolve,
    projection,
    react::{Surroundings, react},
    state::{OrderState, SCHEMA},
};
use crate::store::{
    AuditEntry, Cause, Commit, NewEvent, StateRow, Store, StoreError, StreamChange, StreamKind,
    Written,
};

/// Why an order was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none.
    #[error("there is no such order")]
    NotFound,
    /// The command was refused.
    #[error("the command was refused")]
    Refused(#[source] Refusal),
    /// An event cannot be written.
    #[error("an event cannot be written")]
    Event(#[from] EventError),
    /// The state cannot be read or written.
    #[error("the state of an order cannot be read or written")]
    State(#[from] serde_json::Error),
    /// The store refused.
    #[error("the store refused")]
    Store(#[from] StoreError),
}

/// The order as it is now.
pub async fn load(store: &dyn Store, id: OrderId) -> Result<Option<OrderState>, ChangeError> {
    let found = store.state(StreamKind::Order, id.0).await?;
    found.map(|found| read(&found.state)).transpose()
}

/// An order from its row.
pub fn read(state: &Written) -> Result<OrderState, ChangeError> {
    let state: OrderState = state.read()?;
    if state.schema > SCHEMA {
        let schema = format!("schema {}", state.schema);
        return Err(ChangeError::Refused(Refusal::NotUnderstood(schema)));
    }
    Ok(state)
}

/// What reactions must know of the ERP.
pub fn surroundings(capabilities: &Capabilities, now: Timestamp) -> Surroundings {
    Surroundings {
        now,
        serialize_creates_by_account: capabilities.serialize_creates_by_account,
        credit_basis: capabilities.credit_basis,
        create_class: capabilities.create_class,
    }
}

/// What reactions to news of a warehouse must know of the ERP: nothing.
pub fn no_erp_in_it(now: Timestamp) -> Surroundings {
    Surroundings {
        now,
        serialize_creates_by_account: false,
        credit_basis: CreditBasis::Order,
        create_class: CreateClass::Blind,
    }
}

/// The commit that a command comes to, with the state after it; None where it changes nothing.
pub fn command(
    before: &OrderState,
    command: &Command,
    cause: Cause,
    around: Surroundings,
) -> Result<Option<(Commit, OrderState)>, ChangeError> {
    let events = decide(before, command, around.now).map_err(ChangeError::Refused)?;
    if events.is_empty() {
        return Ok(None);
    }
    commit(Some(before), &events, cause, around)
}

/// The commit of some events, with the state after them; None where nothing was there to begin with.
pub fn commit(
    before: Option<&OrderState>,
    events: &[OrderEvent],
    cause: Cause,
    around: Surroundings,
) -> Result<Option<(Commit, OrderState)>, ChangeError> {
    let mut commit = Commit::default();
    let mut new_events: Vec<NewEvent> = Vec::with_capacity(events.len());
    let mut state = before.cloned();
    for event in events {
        let earlier = state.clone();
        state = evolve(state, event);
        let Some(after) = &state else { return Ok(None) };
        let reaction = react(earlier.as_ref(), after, event, around);
        commit.stock.extend(reaction.stock);
        commit.credit.extend(reaction.credit);
        commit.bounds.extend(reaction.bounds);
        commit.effects.extend(reaction.effects);
        commit.documents.extend(reaction.documents);
        commit.audit.push(audit(after, event, &cause));
        new_events.push(event.to_new()?);
    }
    let Some(after) = state else { return Ok(None) };
    commit.changes.push(StreamChange {
        kind: StreamKind::Order,
        id: after.order_id().0,
        expected_version: before.map_or(0, |before| before.version),
        account: after.order.account.clone(),
        events: new_events,
        row: StateRow::Order(projection::row(&after)?),
    });
    commit.cause = Some(cause);
    Ok(Some((commit, after)))
}

/// Who did what to which order; a person's note belongs to it.
fn audit(after: &OrderState, event: &OrderEvent, cause: &Cause) -> AuditEntry {
    let note = match event {
        OrderEvent::HoldReleased(released) => Some((Some(released.hold), &released.note)),
        OrderEvent::Retried(retried) => Some((None, &retried.note)),
        OrderEvent::CancelRequested(requested) => Some((None, &requested.note)),
        OrderEvent::Cancelled(cancelled) => Some((None, &cancelled.note)),
        OrderEvent::Received(_)
        | OrderEvent::ProvisionallyAccepted(_)
        | OrderEvent::Revalidated(_)
        | OrderEvent::Held(_)
        | OrderEvent::ErpOrderChosen(_)
        | OrderEvent::ErpOutcomeUnknown(_)
        | OrderEvent::Accepted(_)
        | OrderEvent::ReleaseBegun(_)
        | OrderEvent::Released(_)
        | OrderEvent::Picked(_)
        | OrderEvent::Packed(_)
        | OrderEvent::Shipped(_)
        | OrderEvent::Rejected(_)
        | OrderEvent::CancelRefused(_)
        | OrderEvent::ReplacementRequested(_)
        | OrderEvent::ReplacementDropped(_)
        | OrderEvent::Replaced(_)
        | OrderEvent::ReplacementRefused(_) => None,
    };
    let mut detail = json!({ "version": after.version, "principal": cause.principal });
    if let (Some((hold, note)), Some(members)) = (note, detail.as_object_mut()) {
        members.insert("note".to_owned(), json!(note));
        members.extend(hold.map(|hold| ("hold".to_owned(), json!(hold))));
    }
    AuditEntry {
        action: event.word().to_owned(),
        subject: after.order_id().to_string(),
        detail,
    }
}
