//! What a buyer is told when there is no page to show: in plain words, and what to do.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use service_runtime::{
    problem::{Problem, ProblemReport, codes},
    trace::RequestScope,
};

use super::{
    answer::{Page, written},
    assets,
};
use crate::{
    clients::process::CallError,
    punchout::{
        profile::Profile,
        visit::{VisitError, cart::Unchanged},
    },
};

/// No page, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    title: &'static str,
    text: String,
    retry_after: Option<i64>,
    /// Where to go on, and what that is called.
    way: Option<(String, &'static str)>,
    /// For the log.
    report: Option<Box<ProblemReport>>,
}

#[derive(Template)]
#[template(path = "punchout/refused.html")]
struct RefusedPage<'a> {
    css: &'static str,
    title: &'static str,
    text: &'a str,
    way: Option<(String, &'static str)>,
    correlation_id: String,
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, text: &str) -> Self {
        Self {
            status,
            title,
            text: text.to_owned(),
            retry_after: None,
            way: None,
            report: None,
        }
    }

    /// A link that opens nothing: wrong, another's, or over. One answer for all of it.
    pub(super) fn no_visit() -> Self {
        let text = "This link opens no cart: it has ended, or it is incomplete. Go back to your procurement system and open the catalogue from there again.";
        Self::new(StatusCode::NOT_FOUND, "This link does not work", text)
    }

    /// A product that is not in the catalogue.
    pub(super) fn no_product() -> Self {
        let text = "There is no such product in your catalogue. Go back and search for it.";
        Self::new(StatusCode::NOT_FOUND, "No such product", text)
    }

    /// A form that is none of ours.
    pub(super) fn bad_form(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The form cannot be read", text)
    }

    /// A form that is too large.
    pub(super) fn too_large() -> Self {
        let text = "The form is too large to be read at once. Go back and change fewer lines.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", text)
    }

    /// The same with the way on, for who has a visit: its pages begin with `base`.
    pub(super) fn within(mut self, base: &str, returned: bool) -> Self {
        self.way = Some(if returned {
            (format!("{base}return"), "Send the returned cart again")
        } else {
            (base.to_owned(), "Go on in the catalogue")
        });
        self
    }

    /// A fault of ours.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::from(Problem::internal(error))
    }

    /// The page.
    pub(super) fn respond(self, profile: Option<&Profile>) -> Response {
        let correlation_id = RequestScope::current();
        let page = Page::of(&RefusedPage {
            css: assets::style(),
            title: self.title,
            text: &self.text,
            way: self.way,
            correlation_id: correlation_id
                .map(|scope| scope.correlation_id.clone())
                .unwrap_or_default(),
        });
        let mut response = match page {
            Ok(page) => written(profile, page.with_status(self.status)),
            Err(_) => self.status.into_response(),
        };
        if let Some(seconds) = self.retry_after {
            let after = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        if let Some(report) = self.report {
            response.extensions_mut().insert(*report);
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        const LATER: &str = "Reload the page in a moment; your cart is kept.";
        let retry_after = problem
            .retry_after
            .map(|after| after.max(SignedDuration::from_secs(1)).as_secs());
        let mut refusal = match problem.status {
            429 => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests at once",
                LATER,
            ),
            503 | 504 => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The shop is not available at the moment",
                LATER,
            ),
            _ if problem.is(codes::REQUEST_IN_PROGRESS) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This is still being done",
                LATER,
            ),
            status @ 400..500 => Self::new(
                StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
                "This cannot be done",
                problem.detail.as_deref().unwrap_or_default(),
            ),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "Go back and try again; your cart is kept. If it happens again, tell your contact the number below.",
            ),
        };
        refusal.retry_after = retry_after;
        refusal.report = Some(Box::new(problem.into_report()));
        refusal
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::from(Problem::from(error))
    }
}

impl From<Unchanged> for Refusal {
    fn from(unchanged: Unchanged) -> Self {
        let text = unchanged.to_string();
        let (status, title) = match unchanged {
            Unchanged::Used => (StatusCode::GONE, "This link was used before"),
            Unchanged::Returned => (StatusCode::CONFLICT, "This cart has been returned"),
            Unchanged::ReadOnly => (StatusCode::CONFLICT, "This cart is for looking only"),
            Unchanged::Full => (StatusCode::CONFLICT, "The cart is full"),
            Unchanged::TooMuch => (StatusCode::CONFLICT, "The quantity is too large"),
        };
        Self::new(status, title, &text)
    }
}

impl From<VisitError> for Refusal {
    fn from(error: VisitError) -> Self {
        match error {
            VisitError::Gone => Self::no_visit(),
            VisitError::Unchanged(unchanged) => unchanged.into(),
            VisitError::Call(error) => error.into(),
            VisitError::Contention => Self::from(
                Problem::new(codes::OVERLOADED, "The visit changes all the time.")
                    .with_retry_after(SignedDuration::from_secs(1)),
            ),
            error @ (VisitError::Content(_) | VisitError::Known) => Self::internal(&error),
        }
    }
}
