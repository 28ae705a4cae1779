//! The load: orders at a rate, each sent until an answer settles it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    ack_log::AckLog,
    callers::{Crowd, Said},
    orders::PlannedOrder,
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Orders under way.
pub(crate) struct Load {
    senders: JoinHandle<()>,
    stop: CancellationToken,
}

impl Load {
    /// Sends so many a second, each until it is settled.
    pub(crate) fn start(
        crowd: &Crowd,
        log: &Arc<AckLog>,
        orders: Vec<PlannedOrder>,
        per_second: u32,
    ) -> Self {
        let stop = CancellationToken::new();
        let (crowd, log, stopped) = (crowd.clone(), Arc::clone(log), stop.clone());
        let apart = Duration::from_secs(1)
            .checked_div(per_second)
            .unwrap_or(Duration::ZERO);
        let senders = tokio::spawn(async move {
            let begun = Instant::now();
            let sendings = (0..).zip(orders).map(|(number, order)| {
                let (crowd, log) = (crowd.clone(), Arc::clone(&log));
                let stopped = stopped.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(begun + apart.saturating_mul(number)).await;
                    stopped
                        .run_until_cancelled(until_settled(&crowd, &log, &order))
                        .await;
                })
            });
            join_all(sendings.collect::<Vec<_>>()).await;
        });
        Self { senders, stop }
    }

    /// Waits until everything is settled; false where that takes longer.
    pub(crate) async fn settled(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, &mut self.senders)
            .await
            .is_ok()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Sends an order, the same in every byte, until an answer settles it.
pub(crate) async fn until_settled(crowd: &Crowd, log: &AckLog, order: &PlannedOrder) {
    let mut request = None;
    let mut pause = FIRST_PAUSE;
    for attempt in 0_u32.. {
        let turn = order.sequence.wrapping_add(attempt);
        let Ok(callers) = crowd.turn(turn) else {
            return;
        };
        let request = request.get_or_insert_with(|| callers.write(order));
        if log.invoke(order).is_err() {
            return;
        }
        let said = callers.send(request).await;
        let settled = matches!(said, Said::Taken { .. } | Said::Refused(_));
        if log.answered(order, &said).is_err() || settled {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
