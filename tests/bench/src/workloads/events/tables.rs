//! What the turns come to, as tables.

use std::ops::Range;

use super::{COUNTED, LIMIT, OURS, turn::Turn};
use crate::{
    contest::Kind,
    figures::{Spread, mebibytes, micros},
    report::Table,
};

/// What an event costs, and how long it is on its way.
pub(super) fn table(turns: &[Turn]) -> Table {
    let row = |name: &str| {
        let own: Vec<&Turn> = turns.iter().filter(|turn| turn.name == name).collect();
        let of = |figure: &dyn Fn(&Turn) -> u64| Spread::of(own.iter().map(|turn| figure(turn)));
        let cpu = |programs: Range<usize>| of(&|turn| turn.cpu_ns(programs.clone()));
        let all = cpu(0..COUNTED);
        let is_ours = own.iter().any(|turn| turn.kind == Kind::Orderway);
        let parts = if is_ours {
            let parts = [0..1, 1..2, 2..3].map(|one| micros(cpu(one).median));
            parts.join(" / ")
        } else {
            String::new()
        };
        let pair = |figure: &dyn Fn(&Turn, usize) -> u64| {
            let at = |rank| millis(of(&|turn| figure(turn, rank)).median);
            format!("{} / {}", at(500), at(990))
        };
        let sum = |figure: &dyn Fn(&Turn) -> u64| own.iter().map(|turn| figure(turn)).sum::<u64>();
        vec![
            if is_ours {
                format!("**{name}**")
            } else {
                format!("{name} (limit)")
            },
            format!(
                "{} ({} to {})",
                micros(all.median),
                micros(all.least),
                micros(all.most)
            ),
            parts,
            of(&Turn::per_second).median.to_string(),
            pair(&Turn::posted_us),
            pair(&Turn::read_us),
            mebibytes(of(&|turn| turn.memory_kib).median),
            of(&|turn| count(turn.ledger.bytes_each()))
                .median
                .to_string(),
            format!(
                "{} / {} / {}",
                sum(&Turn::events),
                sum(&Turn::lost),
                sum(&|turn| turn.ledger.doubled())
            ),
            sum(&|turn| turn.ledger.posted.again).to_string(),
        ]
    };
    Table {
        title: "From the warehouse's news to order, feed and webhook".to_owned(),
        head: [
            "who",
            "CPU µs an event: median (least to most)",
            "system-apis / process-apis / experience-apis",
            "events a second",
            "posted after ms: p50 / p99",
            "read in the feed after ms: p50 / p99",
            "MiB (PSS)",
            "bytes of an event as posted",
            "events / lost / doubled",
            "posted once more",
        ]
        .map(str::to_owned)
        .into(),
        rows: [OURS, LIMIT].map(row).into(),
    }
}

/// What came of the turn with kills.
pub(super) fn under_kills(turn: &Turn) -> Table {
    let ledger = &turn.ledger;
    let (posted, read) = ledger.heard();
    let rows = [
        (
            "events that the warehouse told of",
            turn.events().to_string(),
        ),
        ("kill -9 midway", turn.killed.to_string()),
        ("events posted to the subscriber", posted.to_string()),
        (
            "posted once more, under the same id",
            ledger.posted.again.to_string(),
        ),
        (
            "deliveries that were not signed as they should",
            ledger.unsigned.to_string(),
        ),
        ("events read in the feed, by who read on", read.to_string()),
        ("events told of twice", ledger.doubled().to_string()),
        (
            "orders that are not shipped in the end",
            turn.not_gone.to_string(),
        ),
        ("all waves together, in s", turn.took.as_secs().to_string()),
        (
            "posted after ms: p50 / p99",
            format!(
                "{} / {}",
                millis(turn.posted_us(500)),
                millis(turn.posted_us(990))
            ),
        ),
    ];
    Table {
        title: "The same while process-apis are killed after a third of each wave, and system-apis after two".to_owned(),
        head: ["what", "is"].map(str::to_owned).into(),
        rows: rows.map(|(what, is)| vec![what.to_owned(), is]).into(),
    }
}

fn millis(micros: u64) -> String {
    (micros.saturating_add(500) / 1_000).to_string()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
