//! Waiting for what comes by itself.

use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A deadline of liveness: what has not come by then never comes. A busy Tryton alone takes the better part of a minute for an order.
const LONGEST: Duration = Duration::from_secs(180);

/// Looks again until there is something, and gives it; an error names what did not come.
pub async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(LONGEST, looking).await {
        Ok(found) => found,
        Err(_elapsed) => anyhow::bail!("{what} did not come within {LONGEST:?}"),
    }
}
