//! Who is in the shop: the visit that the path's ticket opens.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    response::Response,
};
use http::request::Parts;
use service_runtime::{context::CallContext, trace::RequestScope};

use super::{
    answer::{Answer, respond},
    assets,
    refusal::Refusal,
};
use crate::{
    punchout::{
        CHANNEL, context,
        profile::Profile,
        visit::{self, Loaded, Mode, Stage, links::Purpose},
    },
    state::AppState,
};

/// A visitor.
pub(super) struct Visitor {
    pub(super) state: AppState,
    pub(super) profile: Arc<Profile>,
    pub(super) loaded: Loaded,
    /// The path of its pages; ends with a slash.
    pub(super) base: String,
}

/// What every page shows around its content.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) css: &'static str,
    /// The path of the visit's pages.
    pub(super) base: String,
    pub(super) seller: String,
    pub(super) buyer: String,
    /// Nothing that is done here books.
    pub(super) test: bool,
    /// The cart can be changed.
    pub(super) open: bool,
    pub(super) mode: Mode,
    /// Lines in the cart.
    pub(super) lines: usize,
    /// What was searched for.
    pub(super) query: String,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let (partner, ticket) = place(parts, state, "visit").await;
        let profile = state.punchout.partner(&partner).cloned();
        let found = match &profile {
            Some(profile) => find(state, profile, &ticket).await,
            None => Err(Refusal::no_visit()),
        };
        found.map_err(|refusal| respond(profile.as_deref(), Err(refusal)))
    }
}

async fn find(state: &AppState, profile: &Arc<Profile>, ticket: &str) -> Result<Visitor, Refusal> {
    let links = &state.punchout.links;
    let session_id = links
        .check(Purpose::Shop, &profile.id, ticket)
        .ok_or_else(Refusal::no_visit)?;
    admit(state, profile)?;
    let loaded = visit::load(state, profile, session_id).await?;
    if loaded.visit.stage == Stage::Waiting {
        return Err(Refusal::no_visit());
    }
    Ok(Visitor {
        state: state.clone(),
        base: links.shop(&profile.id, session_id),
        profile: Arc::clone(profile),
        loaded,
    })
}

/// Counts the request, and tells the log whose it is.
pub(super) fn admit(state: &AppState, profile: &Profile) -> Result<(), Refusal> {
    if let Some(scope) = RequestScope::current() {
        scope.note_caller(
            &format!("{CHANNEL}:{}", profile.id),
            Some(profile.account.as_str()),
        );
    }
    Ok(state.punchout.admit(profile)?)
}

/// The partner and the ticket in the path.
pub(super) async fn place(parts: &mut Parts, state: &AppState, ticket: &str) -> (String, String) {
    let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
    let mut names = path.map(|Path(names)| names).unwrap_or_default();
    let mut take = |name: &str| names.remove(name).unwrap_or_default();
    (take("partner"), take(ticket))
}

impl Visitor {
    /// In whose name the layer below is asked.
    pub(super) fn context(&self) -> CallContext {
        context::of_partner(&self.profile)
    }

    /// The answer to the browser.
    pub(super) fn respond(&self, answer: Result<Answer, Refusal>) -> Response {
        let returned = matches!(self.loaded.visit.stage, Stage::Returned { .. });
        let answer = answer.map_err(|refusal| refusal.within(&self.base, returned));
        respond(Some(&self.profile), answer)
    }

    /// A page of the visit.
    pub(super) fn to(&self, page: &str) -> String {
        format!("{}{page}", self.base)
    }

    /// What every page shows.
    pub(super) fn frame(&self) -> Frame {
        let visit = &self.loaded.visit;
        Frame {
            css: assets::style(),
            base: self.base.clone(),
            seller: self.profile.seller().to_owned(),
            buyer: self.profile.name.clone(),
            test: visit.test,
            open: visit.may_change().is_ok(),
            mode: visit.mode,
            lines: visit.cart.len(),
            query: String::new(),
        }
    }
}

impl Frame {
    /// How many lines are in the cart, in words.
    pub(super) fn cart_size(&self) -> String {
        match self.lines {
            0 => "empty".to_owned(),
            1 => "1 line".to_owned(),
            lines => format!("{lines} lines"),
        }
    }

    /// The cart is only looked at.
    pub(super) fn inspecting(&self) -> bool {
        self.mode == Mode::Inspect
    }
}
