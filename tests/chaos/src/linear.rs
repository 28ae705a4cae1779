//! Whether a history of takings and givings-back of one stock is linearizable: whether there is an order of them that
//! keeps to the times at which they were asked and answered, and in which every answer is right.
//!
//! The search of Wing and Gong over a bounded counter: at each step any operation may come next that was asked before the
//! first of the others was answered. What is left and how much is there is looked at once.

use std::collections::HashSet;

use jiff::Timestamp;

/// So many states are looked at; a history that needs more is not decided.
const MOST: usize = 3_000_000;

/// One operation on the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// When it was asked first; nothing of it happened before.
    pub(crate) from: Timestamp,
    /// When its answer came; nothing of it happened after. None = no answer ever came.
    pub(crate) to: Option<Timestamp>,
    /// How many pieces.
    pub(crate) pieces: u32,
    /// What was asked, and what was answered.
    pub(crate) what: What,
}

/// What was asked, and what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Taken.
    Taken,
    /// Not taken: there was not so much. Up to `doubled` pieces may have been counted twice then.
    NotEnough {
        /// 0 = the answer has to be exact.
        doubled: u32,
    },
    /// To be taken, and nobody knows.
    MaybeTaken,
    /// Given back.
    GivenBack,
    /// To be given back, and nobody knows.
    MaybeGivenBack,
}

/// What the search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is such an order.
    Linearizable,
    /// There is none.
    Not,
    /// The search was too long.
    Undecided,
}

/// Searches.
pub(crate) fn search(stock: u32, operations: &[Operation]) -> Found {
    let mut operations = operations.to_vec();
    operations.sort_by_key(|operation| operation.from);
    let mut seen: HashSet<State> = HashSet::new();
    let mut waiting = vec![State {
        done: vec![false; operations.len()],
        left: stock,
    }];
    while let Some(state) = waiting.pop() {
        if state.is_over(&operations) {
            return Found::Linearizable;
        }
        if seen.len() >= MOST {
            return Found::Undecided;
        }
        for next in state.nexts(stock, &operations) {
            if !seen.contains(&next) {
                seen.insert(next.clone());
                waiting.push(next);
            }
        }
    }
    Found::Not
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    done: Vec<bool>,
    left: u32,
}

impl State {
    fn open<'a>(
        &'a self,
        operations: &'a [Operation],
    ) -> impl Iterator<Item = (usize, &'a Operation)> {
        let all = operations.iter().enumerate().zip(&self.done);
        all.filter(|(_, done)| !**done).map(|(open, _)| open)
    }

    /// What nobody knows need not have happened.
    fn is_over(&self, operations: &[Operation]) -> bool {
        self.open(operations)
            .all(|(_, operation)| operation.to.is_none())
    }

    fn nexts(&self, stock: u32, operations: &[Operation]) -> Vec<Self> {
        let first_answer = self.open(operations).filter_map(|(_, open)| open.to).min();
        let may_be_next =
            |operation: &Operation| first_answer.is_none_or(|to| operation.from <= to);
        let mut nexts = Vec::new();
        for (index, operation) in self.open(operations).filter(|(_, open)| may_be_next(open)) {
            let pieces = operation.pieces;
            let taken = self.left.checked_sub(pieces);
            let given = self.left.checked_add(pieces).filter(|left| *left <= stock);
            let (happened, not) = match operation.what {
                What::Taken => (taken, None),
                What::NotEnough { doubled } => {
                    let short = self.left < pieces.saturating_add(doubled);
                    (None, short.then_some(self.left))
                }
                What::MaybeTaken => (taken, Some(self.left)),
                What::GivenBack => (given, None),
                What::MaybeGivenBack => (given, Some(self.left)),
            };
            for left in happened.into_iter().chain(not) {
                let mut done = self.done.clone();
                if let Some(done) = done.get_mut(index) {
                    *done = true;
                }
                nexts.push(Self { done, left });
            }
        }
        nexts
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const ENOUGH_NOT: What = What::NotEnough { doubled: 0 };

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) fn operation(from: i64, to: i64, pieces: u32, what: What) -> Operation {
        Operation {
            from: at(from),
            to: Some(at(to)),
            pieces,
            what,
        }
    }

    #[test]
    fn one_after_the_other_is_what_it_seems() {
        let history = [
            operation(0, 1, 60, What::Taken),
            operation(2, 3, 60, ENOUGH_NOT),
            operation(4, 5, 60, What::GivenBack),
            operation(6, 7, 100, What::Taken),
        ];
        assert_eq!(search(100, &history), Found::Linearizable);
        let [first, second, ..] = history;
        let oversold = Operation {
            what: What::Taken,
            ..second
        };
        assert_eq!(search(100, &[first, oversold]), Found::Not);
    }

    #[test]
    fn what_overlaps_may_have_happened_in_any_order() {
        // The giving-back is answered after the second taking, and was asked before its answer.
        let history = [
            operation(0, 1, 100, What::Taken),
            operation(2, 9, 100, What::GivenBack),
            operation(3, 8, 100, What::Taken),
        ];
        assert_eq!(search(100, &history), Found::Linearizable);
        // Once it was answered before the taking began, a refusal is wrong.
        let late = [
            operation(0, 1, 100, What::Taken),
            operation(2, 3, 100, What::GivenBack),
            operation(4, 5, 100, ENOUGH_NOT),
        ];
        assert_eq!(search(100, &late), Found::Not);
    }

    #[test]
    fn a_refusal_while_enough_was_there_all_the_time_is_found() {
        let history = [
            operation(0, 1, 10, What::Taken),
            operation(0, 9, 50, ENOUGH_NOT),
        ];
        assert_eq!(search(100, &history), Found::Not);
    }

    #[test]
    fn a_refusal_may_be_as_cautious_as_what_was_counted_twice() {
        let cautious = |doubled| {
            [
                operation(0, 1, 60, What::Taken),
                operation(2, 3, 30, What::NotEnough { doubled }),
            ]
        };
        assert_eq!(search(100, &cautious(10)), Found::Not);
        assert_eq!(search(100, &cautious(11)), Found::Linearizable);
    }

    #[test]
    fn an_unknown_outcome_may_be_either() {
        let unknown = Operation {
            to: None,
            ..operation(0, 0, 100, What::MaybeTaken)
        };
        let after = |what| [unknown, operation(2, 3, 100, what)];
        assert_eq!(search(100, &after(What::Taken)), Found::Linearizable);
        assert_eq!(search(100, &after(ENOUGH_NOT)), Found::Linearizable);
        let both = [
            unknown,
            operation(2, 3, 100, ENOUGH_NOT),
            operation(4, 5, 100, What::Taken),
        ];
        assert_eq!(search(100, &both), Found::Not);
    }

    #[test]
    fn nothing_is_given_back_beyond_the_stock() {
        assert_eq!(
            search(5, &[operation(0, 1, 1, What::GivenBack)]),
            Found::Not
        );
    }

    #[test]
    fn many_at_once_are_decided() {
        let mut history: Vec<Operation> = (0..10)
            .map(|_| operation(0, 100, 10, What::Taken))
            .collect();
        history.extend((0..6).map(|_| operation(0, 100, 10, ENOUGH_NOT)));
        assert_eq!(search(100, &history), Found::Linearizable);
        history.push(operation(0, 100, 10, What::Taken));
        assert_eq!(search(100, &history), Found::Not);
    }
}
