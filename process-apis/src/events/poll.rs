//! Waiting for something to read, bounded by what the caller asked, by its own deadline, and by the
//! end of the instance.

use std::time::Duration;

use service_runtime::{server::Stopping, trace::RequestScope};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Nobody waits longer at a time.
const MOST: Duration = Duration::from_secs(30);
/// So long before the caller's deadline the answer is on its way.
const MARGIN: Duration = Duration::from_secs(1);

/// The end of a wait.
#[derive(Debug, Clone)]
pub struct Until {
    end: Instant,
    stopping: Stopping,
}

impl Until {
    /// The end of a wait of so many seconds, or of the caller's time, or of this instance.
    pub fn seconds(seconds: u16, stopping: Stopping) -> Self {
        let asked = Duration::from_secs(u64::from(seconds)).min(MOST);
        let deadline = RequestScope::current().and_then(|scope| scope.deadline);
        let most = deadline.map_or(asked, |deadline| {
            asked.min(deadline.remaining().saturating_sub(MARGIN))
        });
        let now = Instant::now();
        Self {
            end: now.checked_add(most).unwrap_or(now),
            stopping,
        }
    }

    /// Waits for a change, at most for `step`; false once the time is over.
    pub async fn changed(&self, news: &mut watch::Receiver<u64>, step: Option<Duration>) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        let stop = step
            .and_then(|step| Instant::now().checked_add(step))
            .map_or(self.end, |next| next.min(self.end));
        tokio::select! {
            biased;
            () = self.stopping.told() => false,
            changed = timeout_at(stop, news.changed()) => match changed {
                Ok(changed) => changed.is_ok(),
                // One look more: a lease may have ended without a commit.
                Err(_elapsed) => step.is_some(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_wait_ends_with_the_instance_and_does_not_look_again() {
        let stop = CancellationToken::new();
        let until = Until::seconds(30, stop.clone().into());
        let (_store, mut news) = watch::channel(0);
        stop.cancel();
        assert!(!until.changed(&mut news, Some(Duration::ZERO)).await);
    }
}
