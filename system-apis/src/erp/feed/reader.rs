//! Reads an ERP's changes, and has what they make wrong thrown out on every instance.

use std::{sync::Arc, time::Duration};

use canonical_model::CompanyId;
use service_runtime::telemetry::error_chain;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Feed, Page, Part, all_of, facts_of,
    watermark::{Look, News, Watermark},
};
use crate::{
    erp::backend::ErpBackend,
    guard::{GuardError, Lane, Terms},
    intake::feed::Stamp,
    notices::{Change, ChangedFacts, RowsRead},
    state::AppState,
};

/// For one look, if the operation's own time is longer.
const READING: Duration = Duration::from_secs(60);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Behind everybody who waits for an answer.
fn terms() -> Terms {
    Terms {
        deadline: Instant::now() + READING,
        lane: Lane::Bulk,
        oldest: None,
        oldest_stale: None,
    }
}

/// Each is one call, or two where somebody has to log in first.
impl Feed {
    async fn newest(&self, part: Part) -> Result<Option<Stamp>, GuardError> {
        let feed = Arc::clone(&self.feed);
        let look = self.operation.run(terms(), move |_started| {
            let feed = Arc::clone(&feed);
            async move { feed.newest(part).await }
        });
        look.await.map(|(newest, _)| newest)
    }

    async fn changed(&self, part: Part, after: Stamp) -> Result<(Page, Look), GuardError> {
        let feed = Arc::clone(&self.feed);
        let look = self.operation.run(terms(), move |_started| {
            let feed = Arc::clone(&feed);
            async move { feed.changed(part, after).await }
        });
        let (page, started) = look.await?;
        let look = Look {
            began: started.at,
            ended: Instant::now(),
        };
        Ok((page, look))
    }

    /// What has changed in a part since the last look; the first one begins at the source's present.
    async fn look_at(&self, part: Part) -> Result<News, GuardError> {
        let after = self.marks().get(part.name).map(Watermark::after);
        let after = match after {
            Some(after) => after,
            None => {
                let newest = self.newest(part).await?;
                let mark = Watermark::begin(newest, self.config.overlap.get());
                let after = mark.after();
                self.marks().insert(part.name, mark);
                after
            }
        };
        let (page, look) = self.changed(part, after).await?;
        let mut marks = self.marks();
        let read = marks.get_mut(part.name).map(|mark| mark.read(page, look));
        Ok(read.unwrap_or(News::All))
    }
}

/// When a part is looked at next. One that cannot be read keeps none of the others back.
struct Turn {
    part: Part,
    due: Instant,
    failures: u32,
}

impl Turn {
    fn now(part: Part) -> Self {
        Self {
            part,
            due: Instant::now(),
            failures: 0,
        }
    }

    fn after(&mut self, interval: Duration, went_well: bool) {
        self.failures = if went_well {
            0
        } else {
            self.failures.saturating_add(1)
        };
        self.due = Instant::now() + pause(interval, self.failures);
    }
}

/// Reads one ERP.
pub(crate) struct MasterReader {
    state: AppState,
    backend: Arc<ErpBackend>,
    companies: Vec<CompanyId>,
}

impl MasterReader {
    /// Of an ERP that serves these companies.
    pub(crate) fn new(
        state: AppState,
        backend: Arc<ErpBackend>,
        companies: Vec<CompanyId>,
    ) -> Self {
        Self {
            state,
            backend,
            companies,
        }
    }

    /// Reads until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Some(feed) = self.backend.feed() else {
            return;
        };
        let parts = feed.feed.parts().iter().copied();
        let mut turns: Vec<Turn> = parts.map(Turn::now).collect();
        while let Some(next) = turns.iter_mut().min_by_key(|turn| turn.due) {
            let looking = async {
                sleep_until(next.due).await;
                self.look(feed, next.part).await
            };
            let Some(looked) = stop.run_until_cancelled(looking).await else {
                return;
            };
            if let Some(error) = looked.as_ref().err().filter(|_| next.failures == 0) {
                let (system, part) = (self.backend.name(), next.part.name);
                tracing::warn!(
                    system,
                    part,
                    error = error_chain(error),
                    "changes cannot be read: facts age until it works again"
                );
            }
            next.after(feed.config.interval.get(), looked.is_ok());
        }
    }

    /// Looks at a part once.
    async fn look(&self, feed: &Feed, part: Part) -> Result<(), GuardError> {
        match feed.look_at(part).await? {
            News::All => self.tell(all_of(part), None).await,
            News::Rows(rows) => {
                let read = RowsRead {
                    part: part.name.to_owned(),
                    rows: rows.iter().map(|row| row.at.clone()).collect(),
                };
                self.tell(facts_of(part, &rows), Some(read)).await;
            }
        }
        Ok(())
    }

    async fn tell(&self, facts: Vec<ChangedFacts>, read: Option<RowsRead>) {
        let of_each = |company: &CompanyId| {
            let company = company.clone();
            facts.iter().map(move |facts| Change {
                company: company.clone(),
                facts: facts.clone(),
            })
        };
        let changes: Vec<Change> = self.companies.iter().flat_map(of_each).collect();
        if !changes.is_empty() {
            self.state.changed(self.backend.name(), changes, read).await;
        }
    }
}

/// Twice as long after each failure; within a quarter, so that instances that started together do not stay together.
fn pause(interval: Duration, failures: u32) -> Duration {
    let longer = interval.saturating_mul(2_u32.saturating_pow(failures));
    let pause = longer.min(LONGEST_PAUSE.max(interval));
    pause.saturating_mul(rand::random_range(75..=125)) / 100
}
