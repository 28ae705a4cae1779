//! The way up for what a reader has read: each company's news under its own name, and the cursor's step with the last of
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use canonical_model::{
    CompanyId,
    intake::{CursorStep, MOST_NEWS, News, NewsDelivery, NewsReceipt},
    shipment::ShipmentNews,
};
use service_runtime::{clock::Clock, http_client::HopError};

use crate::{
    intake::{
        deliver::{deliver_sound, never_taken},
        feed::Unread,
        sort::{Sorted, by_company, unreadable},
    },
    state::NewsSource,
};

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is durable, and the cursor has made its step.
    Taken,
    /// The cursor stands elsewhere and has not made the step: another instance was first.
    CursorMoved,
}

/// Where news of one source go, and where its cursor stands.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Where the cursor stands; None = it has not moved yet.
    async fn cursor(&self) -> Result<Option<String>, HopError>;

    /// Delivers news, and with the last of them the step.
    async fn deliver(
        &self,
        shipments: Vec<ShipmentNews>,
        unread: Vec<Unread>,
        step: Option<CursorStep>,
    ) -> Result<Delivered, HopError>;
}

/// The door of `process-apis` for one source.
pub struct ProcessDoor {
    name: String,
    source: Arc<NewsSource>,
    clock: Clock,
}

impl ProcessDoor {
    /// For the source of this name.
    pub fn new(name: String, source: Arc<NewsSource>, clock: Clock) -> Self {
        Self {
            name,
            source,
            clock,
        }
    }

    async fn send(
        &self,
        company: &CompanyId,
        news: Vec<News>,
        cursor: Option<CursorStep>,
    ) -> Result<NewsReceipt, HopError> {
        let delivery = NewsDelivery {
            source: self.name.clone(),
            cursor,
            asked: true,
            news,
        };
        self.source.upward.deliver(company, delivery).await
    }

    /// Each company's news, and what of them is for a person.
    async fn send_all(
        &self,
        sorted: Vec<(&CompanyId, Sorted)>,
        unread: Vec<Unread>,
    ) -> Result<(), HopError> {
        let first = self.source.first_company();
        for (company, mut some) in sorted {
            let shipments = std::mem::take(&mut some.shipments);
            let refused = deliver_sound(shipments, |news| self.send(company, news, None)).await?;
            some.faults.extend(refused);
            for fault in some.faults {
                let now = self.clock.now();
                let aside = unreadable(company, fault.raw.as_bytes(), &fault.detail, now);
                self.send(company, vec![aside], None).await?;
            }
        }
        for one in unread {
            let aside = unreadable(first, one.raw.as_bytes(), &one.detail, self.clock.now());
            self.send(first, vec![aside], None).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Door for ProcessDoor {
    async fn cursor(&self) -> Result<Option<String>, HopError> {
        let company = self.source.first_company();
        self.source.upward.cursor(&self.name, company).await
    }

    async fn deliver(
        &self,
        shipments: Vec<ShipmentNews>,
        unread: Vec<Unread>,
        step: Option<CursorStep>,
    ) -> Result<Delivered, HopError> {
        let mut sorted: Vec<_> = by_company(&self.source, shipments).into_iter().collect();
        let simple = sorted.len() <= 1
            && unread.is_empty()
            && sorted
                .iter()
                .all(|(_, some)| some.faults.is_empty() && some.shipments.len() <= MOST_NEWS);
        if simple && step.is_some() {
            let (company, some) = sorted
                .pop()
                .unwrap_or_else(|| (self.source.first_company(), Sorted::default()));
            let news = some.shipments.iter().cloned().map(Box::new);
            let news = news.map(News::Shipment).collect();
            match self.send(company, news, step.clone()).await {
                Ok(_) => return Ok(Delivered::Taken),
                Err(error) if is_moved(&error) => return Ok(Delivered::CursorMoved),
                Err(error) if never_taken(&error, some.shipments.len()).is_empty() => {
                    return Err(error);
                }
                // Some of them will never be taken: the others first, then the step.
                Err(_) => sorted.push((company, some)),
            }
        }
        self.send_all(sorted, unread).await?;
        let Some(step) = step else {
            return Ok(Delivered::Taken);
        };
        let moved = self.send(self.source.first_company(), Vec::new(), Some(step));
        match moved.await {
            Ok(_) => Ok(Delivered::Taken),
            Err(error) if is_moved(&error) => Ok(Delivered::CursorMoved),
            Err(error) => Err(error),
        }
    }
}

fn is_moved(error: &HopError) -> bool {
    matches!(error, HopError::Problem(problem) if problem.code == "cursor-moved")
}
