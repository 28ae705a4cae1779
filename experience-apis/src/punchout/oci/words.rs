//! What is wrong, in the words of OCI: the layer below knows lines and keys, a buyer's system knows fields.

use service_runtime::problem::{FieldError, Problem, codes as generic};

/// The same problem, for who sent fields.
pub(super) fn of_fields(mut problem: Problem) -> Problem {
    if problem.code == "basket-rejected" {
        problem.detail = Some("Nothing was locked. Correct the field and call again.".to_owned());
        problem.errors = problem.errors.iter().map(of_field).collect();
    } else if problem.is(generic::TIMEOUT) {
        let detail = "No answer in time. Send the same again: nothing happens twice.";
        problem.detail = Some(detail.to_owned());
    }
    problem
}

/// A fault of the only line that a call asks about. What else is wrong is said of the whole call.
fn of_field(fault: &FieldError) -> FieldError {
    let FieldError {
        pointer,
        code,
        detail,
    } = fault;
    let field = match pointer.strip_prefix("/lines/0/") {
        Some(part) if part.starts_with("quantity") => "QUANTITY",
        Some(_) => "PRODUCTID",
        None => return FieldError::new("", code, detail),
    };
    FieldError::new(field, code, format!("{field}: {detail}"))
}
