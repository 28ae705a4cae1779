//! Many samples in few figures.

use std::{fmt, time::Duration};

use serde::Serialize;

/// The value below which so many of a thousand lie, by nearest rank; none of none.
pub(crate) fn per_mille(sorted: &[Duration], rank: usize) -> Option<Duration> {
    let place = sorted.len().saturating_mul(rank).div_ceil(1000);
    sorted.get(place.saturating_sub(1)).copied()
}

/// A figure of several rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Spread {
    /// Of these; the lower of two in the middle. All 0 of none.
    pub(crate) fn of(figures: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = figures.collect();
        sorted.sort_unstable();
        let middle = sorted.len().saturating_sub(1) / 2;
        Self {
            median: sorted.get(middle).copied().unwrap_or_default(),
            least: sorted.first().copied().unwrap_or_default(),
            most: sorted.last().copied().unwrap_or_default(),
        }
    }
}

/// How one figure stands to another, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub(crate) struct Ratio(u64);

impl Ratio {
    /// One to the other, rounded; none where there is no other.
    pub(crate) fn of(one: u64, other: u64) -> Option<Self> {
        let scaled = u128::from(one).saturating_mul(100);
        let half = u128::from(other / 2);
        let hundredths = scaled.saturating_add(half).checked_div(u128::from(other))?;
        Some(Self(u64::try_from(hundredths).unwrap_or(u64::MAX)))
    }

    /// So many hundredths.
    pub(crate) const fn hundredths(hundredths: u64) -> Self {
        Self(hundredths)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

/// Nanoseconds as microseconds: with one place below a hundred.
pub(crate) fn micros(nanos: u64) -> String {
    let tenths = nanos.saturating_add(50) / 100;
    if tenths < 1_000 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        (tenths.saturating_add(5) / 10).to_string()
    }
}

/// KiB as MiB.
pub(crate) fn mebibytes(kib: u64) -> String {
    (kib.saturating_add(512) / 1_024).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(per_mille(&times, 500), Some(Duration::from_millis(100)));
        assert_eq!(per_mille(&times, 990), Some(Duration::from_millis(198)));
        assert_eq!(per_mille(&times, 1000), Some(Duration::from_millis(200)));
        assert_eq!(per_mille(&[], 500), None);
        assert_eq!(micros(9_849), "9.8");
        assert_eq!(micros(123_400), "123");
    }

    #[test]
    fn ratios_are_exact_to_the_hundredth_and_of_nothing_there_is_none() {
        assert_eq!(Ratio::of(150, 100), Some(Ratio::hundredths(150)));
        assert_eq!(
            Ratio::of(2, 3).map(|ratio| ratio.to_string()),
            Some("0.67".to_owned())
        );
        assert_eq!(Ratio::of(1, 0), None);
        let spread = Spread::of([5, 1, 9].into_iter());
        assert_eq!((spread.median, spread.least, spread.most), (5, 1, 9));
    }
}
