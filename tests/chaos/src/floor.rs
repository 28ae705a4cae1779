//! What a run must have shown at the least: one in which most orders were refused or held by accident shows nothing.

use crate::{judge::Judgment, report::Report};

/// What honest runs stay above. No policy of a run refuses an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// Of a hundred acknowledged, so many are released.
    pub(crate) released_percent: usize,
    /// What an order may wait for, or have ended as.
    pub(crate) waits_for: &'static [&'static str],
}

impl Floor {
    /// Nothing keeps an order from being released.
    pub(crate) const ALL: Self = Self {
        released_percent: 100,
        waits_for: &[],
    };

    /// Judges what was found.
    pub(crate) fn judge(self, report: &mut Report, found: &Judgment) {
        let Self {
            released_percent,
            waits_for,
        } = self;
        report.must(found.refused == 0, || {
            format!("{} orders were refused: no policy does so", found.refused)
        });
        let least = found.acknowledged.saturating_mul(released_percent);
        let released = found.released.saturating_mul(100);
        report.must(found.acknowledged > 0 && released >= least, || {
            format!(
                "{} of {} acknowledged orders were released: {released_percent} % are wanted",
                found.released, found.acknowledged
            )
        });
        for (what, count) in &found.held_for {
            report.must(waits_for.contains(&what.as_str()), || {
                format!("{count} orders are {what}: nothing in this run is a reason for that")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(floor: Floor, found: &Judgment) -> usize {
        let mut report = Report::new("any", 1);
        floor.judge(&mut report, found);
        report.violations.len()
    }

    #[test]
    fn a_run_in_which_nothing_much_was_released_does_not_pass() {
        let most = Floor {
            released_percent: 90,
            waits_for: &["erp_unknown"],
        };
        let good = Judgment {
            acknowledged: 10,
            released: 9,
            held: 1,
            held_for: [("erp_unknown".to_owned(), 1)].into(),
            ..Judgment::default()
        };
        assert_eq!(broken(most, &good), 0);
        assert_eq!(broken(Floor::ALL, &good), 2, "one is held, and waits");
        let refused = Judgment {
            refused: 1,
            ..good.clone()
        };
        assert_eq!(broken(most, &refused), 1);
        let few = Judgment {
            released: 8,
            ..good.clone()
        };
        assert_eq!(broken(most, &few), 1);
        let repriced = Judgment {
            held_for: [("price_mismatch".to_owned(), 1)].into(),
            ..good
        };
        assert_eq!(broken(most, &repriced), 1);
        assert_eq!(broken(Floor::ALL, &Judgment::default()), 1, "nothing");
    }
}
