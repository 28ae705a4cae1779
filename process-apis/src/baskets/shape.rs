//! The shape of a basket: what is refused before any fact is asked for. Pure.

use std::collections::BTreeSet;

use canonical_model::{QuoteId, basket::BasketRequest};
use service_runtime::problem::FieldError;

use crate::policy::Policies;

/// How many identifiers a line may have.
const MAX_IDENTIFIERS: usize = 10;
/// How many quotes a basket may name, its own and its lines'.
const MAX_QUOTES: usize = 50;
/// How many faults are named.
const MAX_FAULTS: usize = 100;

/// What is wrong with a basket as it is written.
pub(super) fn check(request: &BasketRequest, policies: &Policies) -> Result<(), Vec<FieldError>> {
    let most = policies.basket.max_lines;
    let mut faults = Vec::new();
    if request.lines.is_empty() || request.lines.len() > most {
        faults.push(FieldError::new(
            "/lines",
            "out-of-range",
            format!("Send 1 to {most} lines."),
        ));
    }
    for (index, line) in request.lines.iter().enumerate().take(most) {
        if line.identifiers.is_empty() || line.identifiers.len() > MAX_IDENTIFIERS {
            let detail = format!("Name the product by 1 to {MAX_IDENTIFIERS} of its numbers.");
            faults.push(FieldError::new(
                format!("/lines/{index}/identifiers"),
                "out-of-range",
                detail,
            ));
        }
        if line
            .buyer_line
            .as_ref()
            .is_some_and(|text| text.chars().count() > 20)
        {
            let detail = "A line number of the buyer has at most 20 characters.";
            faults.push(FieldError::new(
                format!("/lines/{index}/buyer_line"),
                "out-of-range",
                detail,
            ));
        }
    }
    faults.extend(too_many_quotes(request));
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// The quotes that a basket names, each once.
pub(super) fn quotes_named(request: &BasketRequest) -> BTreeSet<QuoteId> {
    let of_lines = request.lines.iter().filter_map(|line| line.quote_id);
    request.quote_id.into_iter().chain(of_lines).collect()
}

fn too_many_quotes(request: &BasketRequest) -> Option<FieldError> {
    let named = quotes_named(request).len();
    (named > MAX_QUOTES).then(|| {
        let detail = format!(
            "The lines name {named} quotes; gather what was quoted at most {MAX_QUOTES} times in one order."
        );
        FieldError::new("/lines", "out-of-range", detail)
    })
}
