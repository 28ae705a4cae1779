//! Reads what a round sends: orders that wait and are due, dead letters that are replayed, and the news.

use canonical_model::event::CloudEvent;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    round::{Bounds, Replayed, Round, Told},
    types,
};
use crate::{
    events::published::{Published, Teller},
    store::{
        DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryState, EventFilter,
        LeasedSubscription, StoreError, SubscriptionRow,
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
    teller: &Teller,
    leased: LeasedSubscription,
    bounds: Bounds,
    now: Timestamp,
) -> Result<Round, StoreError> {
    let (row, store) = (leased.row.clone(), teller.store());
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
            let event = dead_letter(teller, &row, &dead).await?;
            replays.push((dead, event));
        }
        round.add_replays(replays, now);
    }
    let mut lanes = Vec::new();
    for waits in round.due(now, LANES) {
        lanes.push(lane(teller, &row, &waits).await?);
    }
    round.add_waiting(lanes, now);
    let news = EventFilter {
        after: row.position,
        limit: NEWS,
        ..of_account(&row)
    };
    let wanted = types::wanted(&row.settings.types);
    let news = teller.read(news, &wanted).await?;
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

/// The events of an order from one that waits or was given up.
fn of_order(row: &SubscriptionRow, from: &DeliveryRow, limit: u16) -> EventFilter {
    EventFilter {
        after: from.position.saturating_sub(1),
        limit,
        subject: Some(from.subject),
        ..of_account(row)
    }
}

/// What the log has of a dead letter. Somebody asked for it: it is sent whatever types are chosen by now.
async fn dead_letter(
    teller: &Teller,
    row: &SubscriptionRow,
    dead: &DeliveryRow,
) -> Result<Replayed, StoreError> {
    let page = teller.read(of_order(row, dead, 1), &[]).await?;
    // One was asked for: where there is one, the log was read up to it.
    if !page.full || page.next != dead.position {
        return Ok(Replayed::Gone);
    }
    let event = page.events.into_iter().next();
    Ok(event.map_or(Replayed::NotYet, |event| Replayed::Event(Box::new(event))))
}

/// An order that waits: its events up to the cursor, and whether the last one is only to be known.
async fn lane(
    teller: &Teller,
    row: &SubscriptionRow,
    waits: &DeliveryRow,
) -> Result<(Uuid, Vec<Told>, bool), StoreError> {
    let (mut told, mut from) = (Vec::new(), waits.clone());
    // Of what is read, much may be of no concern outside: read on until there is enough, or no more.
    loop {
        let wanted = types::wanted(&row.settings.types);
        let page = teller.read(of_order(row, &from, 200), &wanted).await?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use canonical_model::{SubscriptionId, subscription::SubscriptionState};

    use super::*;
    use crate::{
        events::{
            harness::{Harness, noon},
            published_tests::{accepted, taken, write_unknown},
            router,
        },
        orders::OrderState,
        store::SubscriptionSettings,
    };

    fn subscription(types: &[&str]) -> SubscriptionRow {
        SubscriptionRow {
            id: SubscriptionId::generate(),
            company: "US01".parse().unwrap(),
            account: "A-1".parse().unwrap(),
            version: 1,
            settings: SubscriptionSettings {
                url: "https://example.com/".to_owned(),
                types: types.iter().map(|one| (*one).to_owned()).collect(),
                description: None,
                secrets: Vec::new(),
            },
            state: SubscriptionState::Active,
            health: Default::default(),
            paused_until: None,
            position: 0,
            waiting: 0,
            dead: 1,
            created_at: noon(),
            changed_at: noon(),
        }
    }

    fn dead(order: &OrderState, position: u64) -> DeliveryRow {
        DeliveryRow {
            position,
            event_id: Uuid::from_u128(u128::from(position)),
            subject: order.order_id().0,
            state: DeliveryState::Dead,
            due_at: Some(noon()),
            dead_since: Some(noon()),
            detail: DeliveryDetail {
                event_type: "com.orderway.order.received.v1".to_owned(),
                sequence: position,
                attempts: 20,
                first_failed_at: None,
                last_failure: None,
            },
        }
    }

    #[tokio::test]
    async fn a_dead_letter_is_gone_only_where_the_log_does_not_have_it() {
        let harness = Harness::new(router());
        let order = taken(&harness, "A-1").await;
        write_unknown(&harness, &order).await;
        let order = OrderState {
            version: order.version + 1,
            ..order
        };
        accepted(&harness, &order).await;
        let newest = *harness.store.position().borrow();
        let row = subscription(&["order.shipped"]);
        let teller = Teller::new(Arc::clone(&harness.store));
        let read = async |position| {
            let dead = dead(&order, position);
            dead_letter(&teller, &row, &dead).await.unwrap()
        };
        let received = read(1).await;
        assert!(
            matches!(&received, Replayed::Event(event) if event.position == 1),
            "whatever types are chosen: {received:?}"
        );
        let unreadable = read(newest).await;
        assert!(matches!(unreadable, Replayed::NotYet), "{unreadable:?}");
        let removed = read(newest + 1).await;
        assert!(matches!(removed, Replayed::Gone), "{removed:?}");
    }
}
