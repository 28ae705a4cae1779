//! `Prefer: wait`: the answer to a placed order is held until the order is decided, or the time is over.

use std::time::Duration;

use canonical_model::{
    OrderId,
    order::{OrderStatus, SalesOrder},
};
use service_runtime::{context::CallContext, trace::RequestScope};

use crate::{clients::process::ProcessClient, feed::Feed};

/// What is left of a request's time for the last read and the answer.
const RESERVE: Duration = Duration::from_secs(2);

/// The order as it stands when it is decided or the time is over. It is read once after it was taken, since the news
/// may have come before the wait began, and once before the answer. `None`: nothing better is known than what the
/// taking itself answered, which stays true.
pub(super) async fn until_decided(
    feed: &Feed,
    process: &ProcessClient,
    context: &CallContext,
    order: OrderId,
    wait: Duration,
) -> Option<SalesOrder> {
    let mut watch = feed.watch(order)?;
    let first = process.order(context, order).await.ok()?;
    if first.status != OrderStatus::Received {
        return Some(first);
    }
    let left = RequestScope::current()
        .and_then(|scope| scope.deadline)
        .map_or(wait, |deadline| {
            deadline.remaining().saturating_sub(RESERVE)
        });
    // Either way the order itself says what is so.
    drop(tokio::time::timeout(wait.min(left), watch.decided()).await);
    Some(process.order(context, order).await.unwrap_or(first))
}
