//! What was done with the stock of each item, and how long a refusal may be more cautious than it: while an order counts
//! twice, as our claim and already in the source's figure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    judge::Key,
    linear::{Operation, What},
};

/// So long a source's figure is used before it is read again.
pub(crate) const FIGURE_LASTS: SignedDuration = SignedDuration::from_secs(2);
/// After the instant at which an order was accepted every figure that is used shows it: with the figure's age, the lag that
/// the source declares (1 s), and time for a slow machine to commit the acceptance and what is read.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_secs(8);

/// What was done with each item.
pub(crate) type Histories = BTreeMap<&'static str, History>;

/// What was done with an item.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Taken and given back.
    pub(crate) operations: Vec<Operation>,
    /// What became an order.
    pub(crate) ordered: Vec<Ordered>,
}

/// A reservation that became an order.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    /// Account and number of the order.
    pub(crate) key: Key,
    /// Its id.
    pub(crate) id: String,
    /// When it was asked first.
    pub(crate) asked: Timestamp,
    /// When it was accepted; None = it is not known.
    pub(crate) accepted: Option<Timestamp>,
    /// How many pieces.
    pub(crate) pieces: u32,
}

impl Ordered {
    /// From then on it counts once; None = it is not known.
    pub(crate) fn shown(&self) -> Option<Timestamp> {
        self.accepted?.checked_add(SHOWN_WITHIN).ok()
    }

    /// Whether an answer may count it twice.
    fn is_doubled(&self, operation: &Operation) -> bool {
        let begun = operation.to.is_none_or(|to| self.asked <= to);
        begun && self.shown().is_none_or(|shown| operation.from < shown)
    }
}

impl History {
    /// The same, where a refusal may count an order twice.
    pub(crate) fn cautious(&self) -> Vec<Operation> {
        let caution = |operation: &Operation| {
            let doubled = self.ordered.iter();
            let doubled = doubled.filter(|ordered| ordered.is_doubled(operation));
            doubled.map(|ordered| ordered.pieces).sum()
        };
        let operations = self.operations.iter();
        operations
            .map(|operation| match operation.what {
                What::NotEnough { .. } => Operation {
                    what: What::NotEnough {
                        doubled: caution(operation),
                    },
                    ..*operation
                },
                _ => *operation,
            })
            .collect()
    }

    /// What is left when every reservation is over; None where the outcome of one is not known.
    pub(crate) fn left(&self, stock: u32) -> Option<u32> {
        let is_known = self.operations.iter().all(|one| one.to.is_some());
        let ordered = self.ordered.iter().map(|ordered| ordered.pieces).sum();
        stock.checked_sub(ordered).filter(|_| is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{
        Found, search,
        tests::{at, operation},
    };

    /// 60 of 100 are ordered at 10 and accepted at 20; 30 are refused.
    fn refused(from: i64, to: i64, accepted: Option<i64>) -> Found {
        let history = History {
            operations: vec![
                operation(9, 10, 60, What::Taken),
                operation(from, to, 30, What::NotEnough { doubled: 0 }),
            ],
            ordered: vec![Ordered {
                key: ("ACME".to_owned(), "R-1".to_owned()),
                id: String::new(),
                asked: at(10),
                accepted: accepted.map(at),
                pieces: 60,
            }],
        };
        assert_eq!(history.left(100), Some(40));
        search(100, &history.cautious())
    }

    #[test]
    fn a_refusal_is_cautious_until_the_figure_that_shows_the_order_is_read() {
        assert_eq!(refused(11, 12, Some(20)), Found::Linearizable);
        assert_eq!(refused(27, 29, Some(20)), Found::Linearizable);
        assert_eq!(refused(28, 29, Some(20)), Found::Not, "it never ended");
        assert_eq!(refused(28, 29, None), Found::Linearizable, "not known");
        assert_eq!(refused(8, 9, Some(20)), Found::Not, "not ordered yet");
    }
}
