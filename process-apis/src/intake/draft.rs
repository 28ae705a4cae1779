//! One commit for a whole delivery: each of the news judged against the order as the ones before it leave it, and against
//! what is parked.

use std::collections::{BTreeMap, HashMap};

use canonical_model::{
    CompanyId, OrderId,
    intake::{News, NewsFate, NewsOutcome, NewsReason},
    shipment::ShipmentNews,
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::IntakeConfig;
use crate::{
    orders::{
        OrderState,
        change::{self, ChangeError},
        decide::Refusal,
        event::OrderEvent,
        evolve::evolve,
        shipment::{Verdict, judge},
    },
    store::{AuditEntry, Cause, Commit, ParkChange, ParkStage, ParkedNews, Store, StoreError},
};

/// An order that the delivery is about.
struct Touched {
    before: OrderState,
    now: OrderState,
    events: Vec<OrderEvent>,
}

/// What an order is found to be.
enum Found {
    None,
    /// A later release has written to it.
    NotUnderstood(OrderId),
    Order(OrderId),
}

/// The commit as it grows.
pub(super) struct Draft<'a> {
    store: &'a dyn Store,
    config: IntakeConfig,
    source: &'a str,
    cause: Cause,
    orders: BTreeMap<OrderId, Touched>,
    /// What is parked under a key, as this delivery leaves it.
    parked: HashMap<String, Option<ParkedNews>>,
    changes: Vec<ParkChange>,
    audit: Vec<AuditEntry>,
}

impl<'a> Draft<'a> {
    /// Of nothing yet.
    pub(super) fn new(
        store: &'a dyn Store,
        config: IntakeConfig,
        source: &'a str,
        cause: Cause,
    ) -> Self {
        Self {
            store,
            config,
            source,
            cause,
            orders: BTreeMap::new(),
            parked: HashMap::new(),
            changes: Vec::new(),
            audit: Vec::new(),
        }
    }

    fn company(&self) -> &CompanyId {
        &self.cause.company
    }

    fn now(&self) -> Timestamp {
        self.cause.at
    }

    /// Takes one of the news. `asked` = they answer our own question to the source.
    pub(super) async fn take(
        &mut self,
        news: &News,
        asked: bool,
    ) -> Result<NewsOutcome, ChangeError> {
        match news {
            News::Shipment(shipment) => self.shipment(news, shipment, asked).await,
            News::Unreadable(_) => {
                self.quarantine(news, NewsReason::Unreadable).await?;
                Ok(outcome(
                    news,
                    NewsFate::Quarantined,
                    Some(NewsReason::Unreadable),
                    None,
                ))
            }
        }
    }

    async fn shipment(
        &mut self,
        news: &News,
        shipment: &ShipmentNews,
        asked: bool,
    ) -> Result<NewsOutcome, ChangeError> {
        let order_id = match self.find(shipment).await? {
            Found::None => return self.wait(news, NewsReason::UnknownOrder, None).await,
            Found::NotUnderstood(id) => {
                return self.wait(news, NewsReason::NotUnderstood, Some(id)).await;
            }
            Found::Order(id) => id,
        };
        match self.judge(order_id, shipment, asked) {
            Verdict::Known => {
                self.unpark(news).await?;
                Ok(outcome(news, NewsFate::Known, None, Some(order_id)))
            }
            Verdict::Apply(events) => {
                self.happen(order_id, events);
                self.unpark(news).await?;
                self.follow(order_id, news).await?;
                Ok(outcome(news, NewsFate::Applied, None, Some(order_id)))
            }
            Verdict::Wait(reason) => self.wait(news, reason, Some(order_id)).await,
            Verdict::Refuse(reason) => {
                self.quarantine(news, reason).await?;
                Ok(outcome(
                    news,
                    NewsFate::Quarantined,
                    Some(reason),
                    Some(order_id),
                ))
            }
        }
    }

    async fn find(&mut self, shipment: &ShipmentNews) -> Result<Found, ChangeError> {
        let reference = &shipment.order_reference;
        let touched = self.orders.values();
        let mut touched = touched.filter(|touched| touched.now.order.reference == *reference);
        if let Some(touched) = touched.next() {
            return Ok(Found::Order(touched.now.order_id()));
        }
        let found = self
            .store
            .order_of_reference(self.company(), reference)
            .await?;
        let Some(id) = found else {
            return Ok(Found::None);
        };
        let state = match change::load(self.store, id).await {
            Ok(Some(state)) => state,
            Ok(None) => return Ok(Found::None),
            Err(ChangeError::Refused(Refusal::NotUnderstood(_))) => {
                return Ok(Found::NotUnderstood(id));
            }
            Err(error) => return Err(error),
        };
        let touched = Touched {
            before: state.clone(),
            now: state,
            events: Vec::new(),
        };
        self.orders.insert(id, touched);
        Ok(Found::Order(id))
    }

    fn judge(&self, order_id: OrderId, shipment: &ShipmentNews, asked: bool) -> Verdict {
        match self.orders.get(&order_id) {
            Some(touched) => judge(&touched.now, self.source, shipment, asked),
            None => Verdict::Wait(NewsReason::UnknownOrder),
        }
    }

    fn happen(&mut self, order_id: OrderId, events: Vec<OrderEvent>) {
        let Some(touched) = self.orders.get_mut(&order_id) else {
            return;
        };
        for event in events {
            if let Some(after) = evolve(Some(touched.now.clone()), &event) {
                touched.now = after;
            }
            touched.events.push(event);
        }
    }

    /// What waited for exactly these news need not wait for the source.
    async fn follow(&mut self, order_id: OrderId, news: &News) -> Result<(), ChangeError> {
        let Some(next) = self.waiting(&news.key()).await? else {
            return Ok(());
        };
        let Ok(next) = serde_json::from_value::<News>(next.news) else {
            return Ok(());
        };
        let News::Shipment(shipment) = &next else {
            return Ok(());
        };
        if let Verdict::Apply(events) = self.judge(order_id, shipment, false) {
            self.happen(order_id, events);
            self.unpark(&next).await?;
        }
        Ok(())
    }

    async fn parked(&mut self, key: &str) -> Result<Option<ParkedNews>, StoreError> {
        if let Some(known) = self.parked.get(key) {
            return Ok(known.clone());
        }
        let found = self.store.parked(self.source, key).await?;
        self.parked.insert(key.to_owned(), found.clone());
        Ok(found)
    }

    async fn unpark(&mut self, news: &News) -> Result<(), StoreError> {
        let (key, version) = (news.key(), news.version());
        let parked = self.parked(&key).await?;
        if parked.is_some_and(|parked| parked.version <= version) {
            self.parked.insert(key.clone(), None);
            self.changes.push(ParkChange::Unpark {
                source: self.source.to_owned(),
                key,
                version,
            });
        }
        Ok(())
    }

    async fn wait(
        &mut self,
        news: &News,
        reason: NewsReason,
        order_id: Option<OrderId>,
    ) -> Result<NewsOutcome, ChangeError> {
        let parked = self.parked(&news.key()).await?;
        let known = parked
            .as_ref()
            .filter(|parked| parked.version >= news.version());
        if let Some(known) = known {
            // A person has these, or newer ones: once more is not news.
            let fate = match known.stage {
                ParkStage::Waiting { .. } => NewsFate::Parked,
                ParkStage::Quarantined | ParkStage::Dismissed { .. } => NewsFate::Quarantined,
            };
            return Ok(outcome(news, fate, Some(reason), order_id));
        }
        let due_at = later(self.now(), self.config.pull_after.signed());
        // Newer ones do not make them wait for longer.
        let since = parked.filter(|parked| matches!(parked.stage, ParkStage::Waiting { .. }));
        self.park(news, reason, ParkStage::Waiting { due_at }, since)?;
        Ok(outcome(news, NewsFate::Parked, Some(reason), order_id))
    }

    async fn quarantine(&mut self, news: &News, reason: NewsReason) -> Result<(), ChangeError> {
        let parked = self.parked(&news.key()).await?;
        let beyond = parked.as_ref().is_some_and(|parked| {
            let closed = !matches!(parked.stage, ParkStage::Waiting { .. });
            parked.version > news.version() || (closed && parked.version == news.version())
        });
        if beyond {
            return Ok(());
        }
        let since = parked.filter(|parked| parked.version == news.version());
        self.park(news, reason, ParkStage::Quarantined, since)?;
        let word = reason.word();
        self.audit.push(AuditEntry {
            action: "news.quarantined".to_owned(),
            subject: format!("{}/{}", self.source, news.key()),
            detail: json!({ "version": news.version(), "reason": word }),
        });
        let (source, key) = (self.source, news.key());
        tracing::warn!(
            source,
            key,
            reason = word,
            "news fit no order and wait for a person"
        );
        Ok(())
    }

    fn park(
        &mut self,
        news: &News,
        reason: NewsReason,
        stage: ParkStage,
        since: Option<ParkedNews>,
    ) -> Result<(), ChangeError> {
        let parked = ParkedNews {
            id: since.as_ref().map_or_else(Uuid::now_v7, |since| since.id),
            company: self.company().clone(),
            source: self.source.to_owned(),
            key: news.key(),
            version: news.version(),
            news: serde_json::to_value(news)?,
            reason: reason.word().to_owned(),
            detail: detail(news, reason),
            parked_at: since.map_or_else(|| self.now(), |since| since.parked_at),
            stage,
        };
        self.put(parked);
        Ok(())
    }

    /// Keeps parked news as they are given.
    pub(super) fn put(&mut self, parked: ParkedNews) {
        self.parked.insert(parked.key.clone(), Some(parked.clone()));
        self.changes.push(ParkChange::Park {
            news: Box::new(parked),
            most: self.config.parked,
        });
    }

    /// What waits for the source under a key, as this delivery leaves it.
    pub(super) async fn waiting(&mut self, key: &str) -> Result<Option<ParkedNews>, StoreError> {
        let parked = self.parked(key).await?;
        Ok(parked.filter(|parked| matches!(parked.stage, ParkStage::Waiting { .. })))
    }

    /// The commit; None where nothing changes.
    pub(super) fn commit(self) -> Result<Option<Commit>, ChangeError> {
        let mut commit = Commit {
            parked: self.changes,
            audit: self.audit,
            ..Commit::default()
        };
        let around = change::no_erp_in_it(self.cause.at);
        for touched in self.orders.into_values() {
            if touched.events.is_empty() {
                continue;
            }
            let changed = change::commit(
                Some(&touched.before),
                &touched.events,
                self.cause.clone(),
                around,
            )?;
            let Some((of_order, _after)) = changed else {
                continue;
            };
            commit.changes.extend(of_order.changes);
            commit.stock.extend(of_order.stock);
            commit.credit.extend(of_order.credit);
            commit.bounds.extend(of_order.bounds);
            commit.effects.extend(of_order.effects);
            commit.documents.extend(of_order.documents);
            commit.audit.extend(of_order.audit);
        }
        if commit.changes.is_empty() && commit.parked.is_empty() {
            return Ok(None);
        }
        commit.cause = Some(self.cause);
        Ok(Some(commit))
    }
}

fn outcome(
    news: &News,
    outcome: NewsFate,
    reason: Option<NewsReason>,
    order_id: Option<OrderId>,
) -> NewsOutcome {
    NewsOutcome {
        key: news.key(),
        version: news.version(),
        outcome,
        reason,
        order_id,
    }
}

fn detail(news: &News, reason: NewsReason) -> String {
    match news {
        News::Shipment(_) => reason.sentence().to_owned(),
        News::Unreadable(unreadable) => format!("{} {}", unreadable.detail, reason.sentence()),
    }
}

/// An instant so much later; the end of time where there is none.
pub(super) fn later(now: Timestamp, by: jiff::SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}
