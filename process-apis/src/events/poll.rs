//! Waiting for something to read, bounded by what the caller asked and by its own deadline.

use std::time::Duration;

use service_runtime::trace::RequestScope;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Nobody waits longer at a time.
const MOST: Duration = Duration::from_secs(30);
/// So long before the caller's deadline the answer is on its way.
const MARGIN: Duration = Duration::from_secs(1);

/// The end of a wait.
#[derive(Debug, Clone, Copy)]
pub struct Until(Instant);

impl Until {
    /// The end of a wait of so many seconds, or of the caller's time.
    pub fn seconds(seconds: u16) -> Self {
        let asked = Duration::from_secs(u64::from(seconds)).min(MOST);
        let deadline = RequestScope::current().and_then(|scope| scope.deadline);
        let most = deadline.map_or(asked, |deadline| {
            asked.min(deadline.remaining().saturating_sub(MARGIN))
        });
        let now = Instant::now();
        Self(now.checked_add(most).unwrap_or(now))
    }

    /// Waits for a change, at most for `step`; false once the time is over.
    pub async fn changed(self, news: &mut watch::Receiver<u64>, step: Option<Duration>) -> bool {
        if Instant::now() >= self.0 {
            return false;
        }
        let stop = step
            .and_then(|step| Instant::now().checked_add(step))
            .map_or(self.0, |next| next.min(self.0));
        match timeout_at(stop, news.changed()).await {
            Ok(changed) => changed.is_ok(),
            // One look more: a lease may have ended without a commit.
            Err(_elapsed) => step.is_some(),
        }
    }
}
