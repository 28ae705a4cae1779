//! The start link: it lets the buyer in, once.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, request::Parts};

use super::{
    answer::{Answer, respond},
    refusal::Refusal,
    visitor::{admit, place},
    words::encode,
};
use crate::{
    punchout::{
        profile::Profile,
        visit::{self, Mode, Stage, Visit, links::Purpose},
    },
    state::AppState,
};

/// Follows a start link into the shop.
///
/// It works once, and for a few minutes after it was made. The pages behind it have an address of their own.
#[utoipa::path(get, path = "/punchout/shop/{partner}/start/{ticket}", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("ticket" = String, Path, description = "The ticket, as the setup answered it", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V")),
    responses((status = 303, description = "The shop is open: see Location"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 410, description = "The link was used before", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn start_visit(State(state): State<AppState>, mut parts: Parts) -> Response {
    let (partner, ticket) = place(&mut parts, &state, "ticket").await;
    let profile = state.punchout.partner(&partner).cloned();
    // A look ahead is not the buyer: the link stays unused.
    if parts.method == Method::HEAD || is_prefetch(&parts.headers) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let answer = match &profile {
        Some(profile) => start(&state, profile, &ticket).await,
        None => Err(Refusal::no_visit()),
    };
    respond(profile.as_deref(), answer)
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    // The standard's name, and those of other browsers and of older ones.
    let names = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    let mut values = names.iter().flat_map(|name| headers.get_all(*name));
    values.any(|value| {
        let purpose = value.to_str().unwrap_or_default();
        ["prefetch", "preview"]
            .map(|word| purpose.contains(word))
            .contains(&true)
    })
}

async fn start(state: &AppState, profile: &Profile, ticket: &str) -> Result<Answer, Refusal> {
    let links = &state.punchout.links;
    let session_id = links
        .check(Purpose::Start, &profile.id, ticket)
        .ok_or_else(Refusal::no_visit)?;
    admit(state, profile)?;
    let loaded = visit::load(state, profile, session_id).await?;
    let age = state.clock.now().duration_since(loaded.session.created_at);
    let over = age > state.config.punchout.start_lifetime.signed();
    if over && loaded.visit.stage == Stage::Waiting {
        return Err(Refusal::no_visit());
    }
    let begun = visit::change(state, profile, loaded, Visit::begin).await?;
    let base = links.shop(&profile.id, session_id);
    Ok(Answer::See(format!("{base}{}", first_page(&begun.visit))))
}

/// Where the buyer looks first: at the cart that came along, at the product asked for, or around.
fn first_page(visit: &Visit) -> String {
    match (&visit.selected, visit.mode) {
        (Some(item), Mode::Create | Mode::Edit) => {
            format!("product?item={}", encode(item.as_str()))
        }
        (None, Mode::Edit) | (_, Mode::Inspect) => "cart".to_owned(),
        (None, Mode::Create) => String::new(),
    }
}
