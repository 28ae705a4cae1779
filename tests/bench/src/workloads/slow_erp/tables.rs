//! What was seen, as a table.

use std::collections::BTreeMap;

use super::{Phase, Seen};
use crate::{
    contest::Kind,
    figures::{self, Spread},
    report::Table,
};

/// One row for each contestant and part of its turns, and what was said in place of good answers.
pub(super) fn of(seen: &[Seen]) -> Vec<Table> {
    let mut rows = Vec::new();
    for phase in [Phase::Cold, Phase::Steady, Phase::Gone] {
        let mut names: Vec<&str> = Vec::new();
        for seen in seen.iter().filter(|seen| seen.phase == phase) {
            if !names.contains(&seen.who) {
                names.push(seen.who);
            }
        }
        for who in names {
            let own: Vec<&Seen> = seen
                .iter()
                .filter(|seen| seen.phase == phase && seen.who == who)
                .collect();
            rows.push(row(phase, &own));
        }
    }
    let timed = Table {
        title: "Over all that was asked for".to_owned(),
        head: [
            "part",
            "who",
            "p50 ms",
            "p99 ms",
            "answered well / asked",
            "calls of the ERP",
            "most in a second",
            "CPU µs an answer",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    };
    let refused = refused(seen);
    [Some(timed), refused].into_iter().flatten().collect()
}

fn row(phase: Phase, own: &[&Seen]) -> Vec<String> {
    let spread = |figure: fn(&Seen) -> u64| Spread::of(own.iter().map(|seen| figure(seen)));
    let sum = |figure: fn(&Seen) -> u64| own.iter().map(|seen| figure(seen)).sum::<u64>();
    let told = |of: Spread, write: fn(u64) -> String| {
        if of.least == of.most {
            return write(of.median);
        }
        let [median, least, most] = [of.median, of.least, of.most].map(write);
        format!("{median} ({least} to {most})")
    };
    let who = own.first().map(|first| match first.kind {
        Kind::Orderway => format!("**{}**", first.who),
        Kind::Floor => format!("{} (limit)", first.who),
        Kind::Peer => format!("{} {}", first.who, first.version),
    });
    let calls = |figure: fn(&Seen) -> u64| match phase {
        Phase::Gone => "-".to_owned(),
        Phase::Cold | Phase::Steady => told(spread(figure), |figure| figure.to_string()),
    };
    vec![
        phase.name().to_owned(),
        who.unwrap_or_default(),
        told(spread(|seen| super::micros(seen.p50)), millis),
        told(spread(|seen| super::micros(seen.p99)), millis),
        format!("{} / {}", sum(|seen| seen.answered), sum(|seen| seen.asked)),
        calls(|seen| seen.calls),
        calls(|seen| seen.most),
        told(spread(|seen| seen.cpu_ns), figures::micros),
    ]
}

/// What was said in place of good answers; none where there was nothing else.
fn refused(seen: &[Seen]) -> Option<Table> {
    let mut counts: BTreeMap<(Phase, &str, &str), u64> = BTreeMap::new();
    for seen in seen {
        for (why, count) in &seen.refused {
            let sum = counts.entry((seen.phase, seen.who, why)).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let row = |((phase, who, why), count): (&(Phase, &str, &str), &u64)| {
        let (who, why) = ((*who).to_owned(), (*why).to_owned());
        vec![phase.name().to_owned(), who, why, count.to_string()]
    };
    (!counts.is_empty()).then(|| Table {
        title: "In place of a good answer".to_owned(),
        head: ["part", "who", "what", "how often"]
            .map(str::to_owned)
            .into(),
        rows: counts.iter().map(row).collect(),
    })
}

/// Microseconds as milliseconds with two places.
fn millis(micros: u64) -> String {
    let hundredths = micros.saturating_add(5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
