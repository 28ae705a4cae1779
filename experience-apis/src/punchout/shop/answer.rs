//! What the shop answers: a page or the way to one, always under the shop's policy.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::refusal::Refusal;
use crate::punchout::profile::Profile;

/// A good answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// A page.
    Page(Page),
    /// Another page shows what became of a form.
    See(String),
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    html: String,
    /// Origins to which its forms may go besides our own.
    form_targets: Vec<String>,
}

impl Page {
    /// A page whose forms stay here.
    pub(super) fn of(template: &impl Template) -> Result<Self, Refusal> {
        Ok(Self {
            status: StatusCode::OK,
            html: template
                .render()
                .map_err(|error| Refusal::internal(&error))?,
            form_targets: Vec::new(),
        })
    }

    /// The same with a status that says that something is wrong on it.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with a form that goes to these origins.
    pub(super) fn posting_to(self, form_targets: Vec<String>) -> Self {
        Self {
            form_targets,
            ..self
        }
    }
}

impl From<Page> for Answer {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

/// The answer to the browser. Who may frame it is the partner's; nobody where no partner is known.
pub(super) fn respond(profile: Option<&Profile>, answer: Result<Answer, Refusal>) -> Response {
    match answer {
        Ok(Answer::See(path)) => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            if let Ok(path) = HeaderValue::from_str(&path) {
                response.headers_mut().insert(header::LOCATION, path);
            }
            guard(response.headers_mut(), profile, &[]);
            response
        }
        Ok(Answer::Page(page)) => written(profile, page),
        Err(refusal) => refusal.respond(profile),
    }
}

/// A page with its headers.
pub(super) fn written(profile: Option<&Profile>, page: Page) -> Response {
    let mut response = (page.status, page.html).into_response();
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    guard(headers, profile, &page.form_targets);
    response
}

fn guard(headers: &mut HeaderMap, profile: Option<&Profile>, form_targets: &[String]) {
    let ancestors = profile.map(Profile::frame_ancestors).unwrap_or_default();
    let policy = [
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'"
            .to_owned(),
        directive("form-action", "'self'", form_targets),
        match ancestors.as_slice() {
            [] => "frame-ancestors 'none'".to_owned(),
            origins => format!("frame-ancestors {}", origins.join(" ")),
        },
    ];
    // Profiles hold plain origins only, so this is always a header; without one, the standard one forbids everything.
    if let Ok(policy) = HeaderValue::from_str(&policy.join("; ")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn directive(name: &str, first: &str, more: &[String]) -> String {
    let mut text = format!("{name} {first}");
    for origin in more {
        text.push(' ');
        text.push_str(origin);
    }
    text
}
