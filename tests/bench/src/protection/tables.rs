//! What a part has shown, as tables.

use std::{collections::BTreeMap, time::Duration};

use super::open_loop::{Outcome, Sample, Seen};
use crate::figures::per_mille;

/// Milliseconds with one place, as a table has them.
pub(crate) fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "–".to_owned(),
        |time| {
            let tenths = time.as_micros().saturating_add(50) / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        },
    )
}

/// A part of a whole in percent with one place.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = part.saturating_mul(1000) / whole;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Median, the 99th of a hundred, and the longest, in milliseconds.
pub(crate) fn spread(mut times: Vec<Duration>) -> [String; 3] {
    times.sort_unstable();
    [500, 990, 1000].map(|rank| milliseconds(per_mille(&times, rank)))
}

/// A line of a table for each kind, and one for all: asked, answered, percentiles of those that were answered, and what became
/// of the others.
pub(crate) fn by_kind(samples: &[Sample]) -> String {
    let mut table = String::from(
        "| kind | asked | answered | p50 ms | p99 ms | longest ms | not answered |\n|---|---|---|---|---|---|---|\n",
    );
    let mut kinds: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        kinds.entry(sample.kind).or_default().push(sample);
    }
    kinds.insert("all", samples.iter().collect());
    for (kind, samples) in kinds {
        let answered = samples
            .iter()
            .filter(|sample| matches!(sample.outcome, Outcome::Answered(_)))
            .map(|sample| sample.took);
        let answered: Vec<Duration> = answered.collect();
        let (asked, count) = (samples.len(), answered.len());
        let [p50, p99, longest] = spread(answered);
        let others = others(&samples);
        table.push_str(&format!(
            "| {kind} | {asked} | {count} ({} %) | {p50} | {p99} | {longest} | {others} |\n",
            percent(count, asked)
        ));
    }
    table
}

fn others(samples: &[&Sample]) -> String {
    let mut others: BTreeMap<String, u32> = BTreeMap::new();
    for sample in samples {
        let other = match &sample.outcome {
            Outcome::Answered(_) => continue,
            Outcome::Refused(why) => why.clone(),
            Outcome::Lost => "no answer in time".to_owned(),
            Outcome::NotSent => "not sent".to_owned(),
        };
        let count = others.entry(other).or_default();
        *count = count.saturating_add(1);
    }
    let told: Vec<String> = others
        .into_iter()
        .map(|(other, count)| format!("{count} {other}"))
        .collect();
    if told.is_empty() {
        "–".to_owned()
    } else {
        told.join(", ")
    }
}

/// What was seen in the answers that were looked at.
pub(crate) fn seen(samples: &[Sample]) -> Vec<Seen> {
    samples
        .iter()
        .filter_map(|sample| match sample.outcome {
            Outcome::Answered(seen) => seen,
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_one_place() {
        assert_eq!(milliseconds(Some(Duration::from_micros(1_234))), "1.2");
        assert_eq!(percent(1, 8), "12.5");
    }
}
