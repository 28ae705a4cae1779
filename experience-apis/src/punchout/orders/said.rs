//! The sentences of answers. Pure.

use canonical_model::order::SalesOrder;
use service_runtime::problem::Problem;

use super::{
    Ordered,
    compare::{Difference, Field, Judged},
    request::Wanted,
};

/// As many sentences as one answer tells.
const MOST_TOLD: usize = 20;

pub(super) fn unknown(ordered: &Ordered, word: &str) -> String {
    format!(
        "There is no order {} that could be changed (type {word}): send it with type new, or correct the orderID.",
        ordered.number
    )
}

pub(super) fn too_late(order: &SalesOrder, problem: &Problem) -> String {
    let why = problem.detail.clone().unwrap_or_default();
    let reference = &order.order_reference;
    format!("{reference} stands as it was: {why}")
        .trim()
        .to_owned()
}

pub(super) fn sentences(differences: &[Difference]) -> String {
    let told = differences.iter().take(MOST_TOLD);
    let mut told: Vec<String> = told.map(|one| one.sentence.clone()).collect();
    let more = differences.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        told.push(format!("{more} more."));
    }
    told.join(" ")
}

/// What was said, with the differences that were taken.
pub(super) fn noted(said: String, judged: &Judged) -> String {
    let mut said = vec![said];
    for (differences, word) in [
        (&judged.accepted, "Taken all the same"),
        (&judged.held, "To be looked at"),
    ] {
        if !differences.is_empty() {
            said.push(format!("{word}: {}", sentences(differences)));
        }
    }
    // Whatever is agreed, the price is never the buyer's.
    let is_price = |difference: &Difference| difference.field == Field::Price;
    if judged.accepted.iter().any(is_price) {
        said.push("Our price counts.".to_owned());
    }
    said.join(" ")
}

/// What the partner is told. A problem's pointers name lines of the request; the partner knows its own numbers.
pub(super) fn reasons(problem: &Problem, ordered: &Ordered, wanted: &Wanted) -> Vec<String> {
    let mut reasons = Vec::new();
    for error in &problem.errors {
        let line = wanted.line_of(&error.pointer);
        let line = line.and_then(|index| ordered.lines.get(index));
        reasons.push(match line {
            Some(line) => format!("Line {}: {}", line.number, error.detail),
            None => error.detail.clone(),
        });
    }
    let unsound = ordered.unsound.iter();
    reasons.extend(unsound.map(|line| format!("Line {}: {}", line.number, line.reason)));
    if reasons.is_empty() {
        reasons.extend(problem.detail.clone());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_price_counts_is_said_where_another_was_accepted() {
        let difference = |field, sentence: &str| Difference {
            field,
            line: Some(0),
            sentence: sentence.to_owned(),
        };
        let mut judged = Judged {
            accepted: vec![difference(
                Field::Quantity,
                "Line 1, quantity: 2 left, 3 came.",
            )],
            ..Judged::default()
        };
        let noted_of = |judged: &Judged| noted("Received.".to_owned(), judged);
        assert_eq!(
            noted_of(&judged),
            "Received. Taken all the same: Line 1, quantity: 2 left, 3 came."
        );
        let price = difference(Field::Price, "Line 1, price: 10 left, 9 came.");
        judged.accepted.push(price);
        assert!(noted_of(&judged).ends_with("9 came. Our price counts."));
    }
}
