//! Each order fifty times, over all channels, sixty-four at once: one order each.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, stream};
use tests::processes::Binaries;

use crate::{
    callers::{Request, Said},
    estate::Plan,
    orders::{Channel, Mix, PlannedOrder, planned},
    report::Report,
    run::Run,
    scenarios::Options,
};

const COPIES: u32 = 50;
const AT_ONCE: usize = 64;
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const LONGEST_SENDING: u32 = 200;
const PAUSE: Duration = Duration::from_millis(100);

/// One copy of an order.
struct Copy {
    order: usize,
    request: Request,
}

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let count = options.orders.unwrap_or(12);
    let plan = Plan {
        class: options.class,
        store: options.store,
        ..Plan::default()
    };
    let run = Run::start(binaries, plan, 40).await?;
    let mut report = Report::new("flood", options.seed);
    // Only ACME speaks every channel.
    let orders: Vec<PlannedOrder> = planned(
        options.seed,
        &format!("F{}", options.seed),
        count,
        Mix::PORTAL,
    )
    .into_iter()
    .map(|order| PlannedOrder {
        account: "ACME",
        ..order
    })
    .collect();
    let copies = copies(&run, &orders)?;
    let sent = copies.len();
    for order in &orders {
        run.log.invoke(order)?;
    }
    let answers: Vec<(usize, Said)> = stream::iter(copies)
        .map(|copy| settled(&run, copy))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut ids: Vec<BTreeSet<String>> = vec![BTreeSet::new(); orders.len()];
    let (mut taken, mut refused) = (0_usize, 0_usize);
    for (order, said) in &answers {
        match said {
            Said::Taken { order_id, .. } => {
                taken = taken.saturating_add(1);
                if let Some(ids) = ids.get_mut(*order) {
                    ids.extend(order_id.clone());
                }
            }
            Said::Refused(text) | Said::Later(text) | Said::Unclear(text) => {
                refused = refused.saturating_add(1);
                if refused <= 3 {
                    report.diagnostics.push(text.clone());
                }
            }
        }
        if let Some(order) = orders.get(*order) {
            run.log.answered(order, said)?;
        }
    }
    let (found, records, took) = run.settle(SETTLED_WITHIN).await?;
    report.note("orders", orders.len());
    report.note("sendings", sent);
    report.note("at once", AT_ONCE);
    report.note("sendings acknowledged", taken);
    report.note("orders in the ERP", records.orders.len());
    run.note(&mut report, &found, took);
    report.must(refused == 0, || {
        format!("{refused} of {sent} sendings were not acknowledged")
    });
    report.must(ids.iter().all(|ids| ids.len() == 1), || {
        format!("each order has one id, and these are the ids: {ids:?}")
    });
    report.must(records.orders.len() == orders.len(), || {
        format!(
            "{} orders in the ERP, and {} were sent",
            records.orders.len(),
            orders.len()
        )
    });
    run.finish(&mut report, &found).await;
    Ok(report)
}

/// Every copy, shuffled through each other: half of them word for word the same, the others as documents of their own.
fn copies(run: &Run, orders: &[PlannedOrder]) -> anyhow::Result<Vec<Copy>> {
    let callers = run.crowd.turn(0)?;
    let channels = [Channel::Portal, Channel::Edi, Channel::Cxml];
    let mut copies = Vec::new();
    let mut control: u32 = 0;
    for round in 0..COPIES {
        for (index, order) in orders.iter().enumerate() {
            let channel = channels
                .get(
                    usize::try_from(round)?
                        .checked_rem(channels.len())
                        .unwrap_or(0),
                )
                .copied()
                .unwrap_or(Channel::Portal);
            // The first of a channel is repeated word for word in each second round.
            control = control.saturating_add(1);
            let own = if round.is_multiple_of(2) {
                order.sequence
            } else {
                control.saturating_add(1_000)
            };
            copies.push(Copy {
                order: index,
                request: callers.write_again(order, channel, own),
            });
        }
    }
    Ok(copies)
}

async fn settled(run: &Run, copy: Copy) -> (usize, Said) {
    let mut said = Said::Unclear("nobody to call".to_owned());
    for _ in 0..LONGEST_SENDING {
        let Ok(callers) = run.crowd.turn(0) else {
            break;
        };
        said = callers.send(&copy.request).await;
        if matches!(said, Said::Taken { .. } | Said::Refused(_)) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    (copy.order, said)
}
