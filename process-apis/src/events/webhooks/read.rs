//! Reads what a round sends: orders that wait and are due, dead letters that are replayed, and the news.

use canonical_model::event::CloudEvent;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    round::{Bounds, Round, Told},
    types,
};
use crate::{
    events::published::{self, Published},
    store::{
        DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryState, EventFilter,
        LeasedSubscription, Store, StoreError, SubscriptionRow,
    },
};

/// News read for a round.
const NEWS: u16 = 32;
/// Orders that wait and are tried in a round.
const LANES: usize = 16;
/// Events of one of them sent in a round.
const OF_LANE: u16 = 16;
/// Dead letters replayed in a round.
const REPLAYS: u16 = 16;

/// A round over what there is.
pub(super) async fn round(
    store: &dyn Store,
    leased: LeasedSubscription,
    bounds: Bounds,
    now: Timestamp,
) -> Result<Round, StoreError> {
    let row = leased.row.clone();
    let filter = |state, due_by, limit| DeliveryFilter {
        subscription: row.id,
        state,
        event: None,
        due_by,
        after: 0,
        limit,
    };
    let most = u16::try_from(bounds.most_waiting).unwrap_or(u16::MAX);
    let waiting = filter(DeliveryState::Waiting, None, most.saturating_add(64));
    let waiting = store.deliveries(waiting).await?;
    let mut round = Round::new(leased, waiting, bounds);
    if !round.is_probing() {
        let due = filter(DeliveryState::Dead, Some(now), REPLAYS);
        let mut replays = Vec::new();
        for dead in store.deliveries(due).await? {
            let event = of_order(store, &row, &dead, 1)
                .await?
                .events
                .into_iter()
                .next();
            let event = event.filter(|event| event.position == dead.position);
            replays.push((dead, event));
        }
        round.add_replays(replays);
    }
    let mut lanes = Vec::new();
    for waits in round.due(now, LANES) {
        lanes.push(lane(store, &row, &waits).await?);
    }
    round.add_waiting(lanes, now);
    let news = EventFilter {
        after: row.position,
        limit: NEWS,
        ..of_account(&row)
    };
    let wanted = types::wanted(&row.settings.types);
    let news = published::read(store, news, &wanted).await?;
    let end = news.next;
    round.add_news(in_order(news), end, now);
    Ok(round)
}

fn of_account(row: &SubscriptionRow) -> EventFilter {
    EventFilter {
        company: Some(row.company.clone()),
        accounts: Some(vec![row.account.clone()]),
        ..EventFilter::default()
    }
}

/// What is told of an order that waits, from where it waits.
async fn of_order(
    store: &dyn Store,
    row: &SubscriptionRow,
    waits: &DeliveryRow,
    limit: u16,
) -> Result<Published, StoreError> {
    let filter = EventFilter {
        after: waits.position.saturating_sub(1),
        limit,
        subject: Some(waits.subject),
        ..of_account(row)
    };
    published::read(store, filter, &types::wanted(&row.settings.types)).await
}

/// An order that waits: its events up to the cursor, and whether the last one is only to be known.
async fn lane(
    store: &dyn Store,
    row: &SubscriptionRow,
    waits: &DeliveryRow,
) -> Result<(Uuid, Vec<Told>, bool), StoreError> {
    let (mut told, mut from) = (Vec::new(), waits.clone());
    // Of what is read, much may be of no concern outside: read on until there is enough, or no more.
    loop {
        let page = of_order(store, row, &from, 200).await?;
        let (full, next) = (page.full, page.next);
        told.extend(in_order(page));
        let enough = told.len() > usize::from(OF_LANE);
        if enough || !full || next >= row.position {
            break;
        }
        from.position = next.saturating_add(1);
    }
    told.retain(|one| position(one) <= row.position);
    let more = told.len() > usize::from(OF_LANE);
    told.truncate(usize::from(OF_LANE).saturating_add(1));
    Ok((waits.subject, told, more))
}

fn position(told: &Told) -> u64 {
    match told {
        Told::Event(event) => event.position,
        Told::NotYet(row) => row.position,
    }
}

/// What is told and what cannot be told yet, in the order of the log.
fn in_order(published: Published) -> Vec<Told> {
    let events = published.events.into_iter();
    let events = events.map(|event| Told::Event(Box::new(event)));
    let not_yet = published.parked.into_iter().filter_map(not_yet);
    let mut all: Vec<_> = events.chain(not_yet).collect();
    all.sort_by_key(position);
    all
}

fn not_yet(event: CloudEvent) -> Option<Told> {
    Some(Told::NotYet(Box::new(DeliveryRow {
        position: event.position,
        event_id: event.id,
        subject: event.subject.parse().ok()?,
        state: DeliveryState::Waiting,
        due_at: None,
        dead_since: None,
        detail: DeliveryDetail {
            event_type: event.event_type,
            sequence: event.sequence,
            attempts: 0,
            first_failed_at: None,
            last_failure: None,
        },
    })))
}
