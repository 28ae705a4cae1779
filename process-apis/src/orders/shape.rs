//! The shape of what only an order has: what the engine that assesses a basket cannot see. Pure.

use canonical_model::order::SalesOrderRequest;
use service_runtime::problem::{FieldError, Problem};

/// How many things a channel may want looked at.
const MAX_REVIEWS: usize = 100;
/// How long a sentence about one may be.
const MAX_DETAIL: usize = 500;
/// How many faults one answer names.
const MAX_FAULTS: usize = 100;

/// Refuses what has no order's shape, with every fault.
pub fn check(request: &SalesOrderRequest) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut check = |text: Option<&str>, most: usize, pointer: &str| {
        if text.is_some_and(|text| !is_visible(text, most)) {
            faults.push(FieldError::new(pointer, "out-of-range", visible(most)));
        }
    };
    check(request.release_number.as_deref(), 30, "/release_number");
    check(
        request
            .document
            .as_ref()
            .map(|source| source.partner.as_str()),
        40,
        "/document/partner",
    );
    check(
        request
            .document
            .as_ref()
            .map(|source| source.transaction.as_str()),
        60,
        "/document/transaction",
    );
    faults.extend(review_faults(request));
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(faults))
    }
}

fn review_faults(request: &SalesOrderRequest) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |pointer: String, detail: String| {
        faults.push(FieldError::new(pointer, "out-of-range", detail));
    };
    if request.review.len() > MAX_REVIEWS {
        fault(
            "/review".to_owned(),
            format!("Name at most {MAX_REVIEWS} things to look at."),
        );
    }
    let lines = request.lines.len();
    for (index, reason) in request.review.iter().enumerate().take(MAX_REVIEWS) {
        if !is_visible(&reason.detail, MAX_DETAIL) {
            fault(format!("/review/{index}/detail"), visible(MAX_DETAIL));
        }
        let known = |line: u32| line > 0 && usize::try_from(line).is_ok_and(|line| line <= lines);
        if reason.line.is_some_and(|line| !known(line)) {
            let detail = format!("Name one of the lines 1 to {lines}, or none.");
            fault(format!("/review/{index}/line"), detail);
        }
    }
    faults
}

fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && text.trim() == text
}

fn visible(most: usize) -> String {
    format!("Give 1 to {most} visible characters without blanks at either end.")
}
