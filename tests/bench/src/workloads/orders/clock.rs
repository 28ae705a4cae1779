//! Orders by the clock: half of what Orderway acknowledges at its end, so that the times are those of a system that keeps up.

use super::{CALLERS, HOPS, LINES, Options, Racer, THREE, of, stand, turn::table};
use crate::{figures::Spread, load::Pace, report::Report, say};

/// Three layers, and the limit beside them, at the same rate.
pub(super) async fn race(
    report: &mut Report,
    racers: &[Racer<'_>],
    options: &Options,
) -> anyhow::Result<()> {
    let [lines, _] = LINES;
    let own = report
        .laps
        .iter()
        .filter(|lap| lap.contestant == of(THREE, lines));
    let end = Spread::of(own.map(|lap| lap.per_second)).median;
    let rate = u32::try_from(end / 2)?.max(1);
    let pace = Pace::open(rate, options.lasts, CALLERS);
    let paced: Vec<Racer<'_>> = racers
        .iter()
        .filter(|racer| {
            [THREE, HOPS]
                .map(|who| of(who, lines))
                .contains(&racer.contestant.name)
        })
        .map(|racer| racer.named(format!("{}, by the clock", racer.contestant.name)))
        .collect();
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        for racer in &paced {
            turns.push(racer.paced(pace, round).await?);
        }
        say(&format!(
            "round {round} of {} by the clock is done",
            options.rounds
        ))?;
    }
    let title = format!(
        "By the clock: {rate} orders a second, half of what three layers acknowledge at their end; times count from when an order was \
         to go out"
    );
    report
        .tables
        .push(table(&title, &stand(&paced, &turns), &turns));
    report.laps.extend(turns.into_iter().map(|turn| turn.lap));
    Ok(())
}
