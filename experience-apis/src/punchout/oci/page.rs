//! What a browser is shown: a page that posts a form to the buyer's system, or one that says why nothing happens. What a
//! call said is never repeated on a page: its query holds a password.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use service_runtime::{problem::Problem, trace::RequestScope};
use url::Url;

use super::{charset::Charset, words};
use crate::punchout::{
    profile::{Profile, origin},
    visit::ReturnForm,
};

/// A field of the form may be called `submit`; so it is not asked for its own.
const SUBMIT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";

/// The shop's style sheet, within the page: a page of words asks for nothing.
const STYLE: &str = include_str!("../../../assets/punchout/shop.css");

static SUBMIT_HASH: LazyLock<String> = LazyLock::new(|| hash(SUBMIT));

/// A page of words holds nothing to click and nothing of anybody, so any page may frame it.
static WORDS_ONLY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'; frame-ancestors *",
        hash(STYLE)
    )
});

/// How a program may come back.
const BASIC: &str = "Basic realm=\"orderway-oci\", charset=\"UTF-8\"";
/// One that browsers do not know: they show the page and ask for nothing.
const FORM: &str = "Form realm=\"orderway-oci\"";

#[derive(Template)]
#[template(path = "punchout/oci_message.html")]
struct Message<'a> {
    style: &'static str,
    seller: Option<&'a str>,
    heading: &'a str,
    texts: &'a [String],
    correlation_id: &'a str,
}

#[derive(Template)]
#[template(path = "punchout/oci_post.html")]
struct Posting<'a> {
    form: &'a ReturnForm,
    target: &'a str,
    said: &'a str,
    script: &'static str,
}

/// Whether somebody looks at the answer: a browser asks for a page, a program does not.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| {
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("text/html")
    })
}

/// A problem, as a page where somebody looks at it; with the seller's name for a partner that was let in.
pub(super) fn problem(problem: Problem, wanted: bool, profile: Option<&Profile>) -> Response {
    let problem = words::of_fields(problem);
    if !wanted {
        return challenged(problem.into_response(), BASIC);
    }
    let mut texts: Vec<String> = problem.detail.iter().cloned().collect();
    texts.extend(problem.errors.iter().map(|error| error.detail.clone()));
    let correlation_id = RequestScope::current().map(|scope| scope.correlation_id.clone());
    let page = Message {
        style: STYLE,
        seller: profile.map(Profile::seller),
        heading: &problem.title,
        texts: &texts,
        correlation_id: correlation_id.as_deref().unwrap_or_default(),
    };
    let page = match page.render() {
        Ok(page) => page,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let mut response = challenged(problem.into_response(), FORM);
    *response.body_mut() = Body::from(page);
    in_html(response, Charset::Utf8, &WORDS_ONLY)
}

/// A page that posts a form, at once where scripts run and by a button where not. It is written in the form's charset:
/// a system that fetches it without a browser reads it in that.
pub(super) fn posting(form: &ReturnForm, profile: &Profile, said: &str) -> Response {
    let page = Posting {
        form,
        target: form.target.as_deref().unwrap_or("_self"),
        said,
        script: SUBMIT,
    };
    let mut targets: Vec<String> = Url::parse(&form.action).iter().map(origin).collect();
    targets.extend_from_slice(&profile.form_targets);
    let policy = format!(
        "default-src 'none'; base-uri 'none'; script-src {}; form-action {}; frame-ancestors {}",
        *SUBMIT_HASH,
        targets.join(" "),
        profile.frame_ancestors().join(" "),
    );
    let charset = Charset::named(&form.charset).unwrap_or_default();
    match page.render() {
        Ok(page) => {
            let response = (StatusCode::OK, charset.encode(&page)).into_response();
            in_html(response, charset, &policy)
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// With the way to log in, where that is what is missing: another login does not open an address that was not agreed.
fn challenged(mut response: Response, how: &'static str) -> Response {
    let is_login = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.remove(header::WWW_AUTHENTICATE);
    if is_login {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(how));
    }
    response
}

/// A text within a page, as a policy names it.
fn hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(hash.as_ref()))
}

fn in_html(mut response: Response, charset: Charset, policy: &str) -> Response {
    let headers = response.headers_mut();
    let media_type = format!("text/html; charset={}", charset.name());
    for (name, value) in [
        (header::CONTENT_TYPE, media_type.as_str()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(error) => return Problem::internal(&error).into_response(),
        }
    }
    response
}
