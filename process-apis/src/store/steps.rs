//! A quantity for each day of a row of the stock ledger, as the days on which it changes: three months of days are a few steps.

use std::fmt;

use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
    ser::SerializeSeq as _,
};

/// From a day on, this much.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from: usize,
    value: Decimal,
}

/// A quantity for each of so many days, counted from 0.
///
/// It is written as runs, `[["100", 5], ["60", 87]]`: a quantity and for how many days it holds. A quantity by itself is read as one
/// day, which is how rows were written before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    days: usize,
    /// By day; the first is of day 0, and each differs from the one before.
    steps: Vec<Step>,
}

impl Steps {
    /// The same quantity on each of so many days.
    pub fn level(value: Decimal, days: usize) -> Self {
        let mut level = Self::default();
        level.push(value, days);
        level
    }

    /// How many days there are.
    pub const fn days(&self) -> usize {
        self.days
    }

    /// What there is on a day; nothing on a day that there is not.
    pub fn at(&self, day: usize) -> Decimal {
        let after = self.steps.partition_point(|step| step.from <= day);
        let step = after.checked_sub(1).and_then(|place| self.steps.get(place));
        step.filter(|_| day < self.days)
            .map_or(Decimal::ZERO, |step| step.value)
    }

    /// Every day for itself.
    pub fn by_day(&self) -> Vec<Decimal> {
        let runs = self.runs().into_iter();
        runs.flat_map(|(value, days)| std::iter::repeat_n(value, days))
            .collect()
    }

    /// The days on which it changes, the first day among them, and what there is from then on.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = (usize, Decimal)> {
        self.steps.iter().map(|step| (step.from, step.value))
    }

    /// Adds a quantity on every day from this one on.
    pub fn add_from(&mut self, day: usize, quantity: Decimal) {
        if day >= self.days || quantity.is_zero() {
            return;
        }
        let place = self.steps.partition_point(|step| step.from < day);
        if self.steps.get(place).is_none_or(|step| step.from != day) {
            let value = self.at(day);
            self.steps.insert(place, Step { from: day, value });
        }
        for step in self.steps.iter_mut().skip(place) {
            step.value = step.value.saturating_add(quantity);
        }
        // The day before may have as much now.
        self.steps
            .dedup_by(|later, earlier| later.value == earlier.value);
    }

    /// Of each day what comes of three quantities; where the others have no such day, they have nothing.
    pub fn with(
        &self,
        second: &Self,
        third: &Self,
        of: impl Fn(Decimal, Decimal, Decimal) -> Decimal,
    ) -> Self {
        let mut starts: Vec<usize> = [self, second, third]
            .iter()
            .flat_map(|row| row.steps.iter().map(|step| step.from).chain([row.days]))
            .filter(|start| *start < self.days)
            .collect();
        starts.sort_unstable();
        starts.dedup();
        let mut found = Self {
            days: self.days,
            steps: Vec::with_capacity(starts.len()),
        };
        for from in starts {
            let value = of(self.at(from), second.at(from), third.at(from));
            if found.steps.last().is_none_or(|last| last.value != value) {
                found.steps.push(Step { from, value });
            }
        }
        found
    }

    /// Lowers each day to the least of those after it.
    pub fn look_ahead(&mut self) {
        let mut least = Decimal::MAX;
        for step in self.steps.iter_mut().rev() {
            least = least.min(step.value);
            step.value = least;
        }
        self.steps
            .dedup_by(|later, earlier| later.value == earlier.value);
    }

    fn push(&mut self, value: Decimal, days: usize) {
        if days == 0 {
            return;
        }
        if self.steps.last().is_none_or(|last| last.value != value) {
            self.steps.push(Step {
                from: self.days,
                value,
            });
        }
        self.days = self.days.saturating_add(days);
    }

    fn runs(&self) -> Vec<(Decimal, usize)> {
        let ends = self.steps.iter().skip(1).map(|step| step.from);
        let ends = ends.chain([self.days]);
        self.steps
            .iter()
            .zip(ends)
            .map(|(step, end)| (step.value, end.saturating_sub(step.from)))
            .collect()
    }
}

impl FromIterator<Decimal> for Steps {
    fn from_iter<I: IntoIterator<Item = Decimal>>(days: I) -> Self {
        let mut steps = Self::default();
        for value in days {
            steps.push(value, 1);
        }
        steps
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_seq(Some(self.steps.len()))?;
        for run in self.runs() {
            written.serialize_element(&run)?;
        }
        written.end()
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Runs)
    }
}

struct Runs;

impl<'de> Visitor<'de> for Runs {
    type Value = Steps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("quantities, each with its number of days")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Steps, A::Error> {
        let mut steps = Steps::default();
        while let Some(run) = sequence.next_element::<Run>()? {
            steps.push(run.0, run.1);
        }
        Ok(steps)
    }
}

/// A quantity and its number of days, or one by itself.
struct Run(Decimal, usize);

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneRun)
    }
}

struct OneRun;

impl<'de> Visitor<'de> for OneRun {
    type Value = Run;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity, or a quantity and a number of days")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Run, E> {
        let value = text.parse().map_err(E::custom)?;
        Ok(Run(value, 1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Run, A::Error> {
        let missing = |place| serde::de::Error::invalid_length(place, &self);
        let value = sequence.next_element()?.ok_or_else(|| missing(0))?;
        let days = sequence.next_element()?.ok_or_else(|| missing(1))?;
        Ok(Run(value, days))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(values: &[i64]) -> Steps {
        values.iter().map(|value| Decimal::from(*value)).collect()
    }

    fn by_day(steps: &Steps) -> Vec<i64> {
        let days = steps.by_day();
        days.iter()
            .map(|value| i64::try_from(*value).unwrap())
            .collect()
    }

    #[test]
    fn a_row_is_written_as_runs_and_one_of_before_is_read() {
        let row = steps(&[100, 100, 60]);
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, r#"[["100",2],["60",1]]"#);
        assert_eq!(serde_json::from_str::<Steps>(&text).unwrap(), row);
        let before = r#"["100","100.0","60"]"#;
        assert_eq!(serde_json::from_str::<Steps>(before).unwrap(), row);
        assert!(serde_json::from_str::<Steps>(r#"[["100"]]"#).is_err());
        assert!(serde_json::from_str::<Steps>(r#"["much"]"#).is_err());
    }

    #[test]
    fn a_day_that_is_not_there_has_nothing_and_takes_nothing() {
        let mut row = steps(&[5, 7]);
        row.add_from(2, Decimal::ONE);
        assert_eq!((row.at(1), row.at(2)), (Decimal::from(7), Decimal::ZERO));
        assert_eq!(by_day(&row), [5, 7]);
        assert_eq!(Steps::default().by_day(), Vec::<Decimal>::new());
    }

    proptest! {
        #[test]
        fn steps_do_as_every_day_by_itself(
            mut days in proptest::collection::vec(-3_i64..4, 1..12),
            second in proptest::collection::vec(-3_i64..4, 0..12),
            changes in proptest::collection::vec((0_usize..14, -3_i64..4), 0..6),
        ) {
            let mut row = steps(&days);
            for (day, quantity) in changes {
                row.add_from(day, Decimal::from(quantity));
                for value in days.iter_mut().skip(day) {
                    *value += quantity;
                }
            }
            prop_assert_eq!(by_day(&row), days.clone());
            prop_assert_eq!(&row, &steps(&days), "the same quantities are the same steps");
            let other = steps(&second);
            let sum = row.with(&other, &Steps::default(), |one, two, three| one + two + three);
            let expected: Vec<i64> = (0..days.len())
                .map(|day| days[day] + second.get(day).copied().unwrap_or(0))
                .collect();
            prop_assert_eq!(by_day(&sum), expected);
            row.look_ahead();
            let least: Vec<i64> = (0..days.len()).map(|day| *days[day..].iter().min().unwrap()).collect();
            prop_assert_eq!(by_day(&row), least);
        }
    }
}
