//! The shop: the pages behind a visit's link. Rendered here, without scripts (but for one that saves a click), cookies or
//! anything from elsewhere; every change is a form that is answered by a redirect.

mod add;
mod answer;
mod assets;
mod basket;
mod cart;
mod catalogue;
mod form;
mod leave;
mod product;
mod refusal;
mod start;
#[cfg(test)]
mod tests;
mod visitor;
mod words;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

/// A form of the shop; a cart of 500 lines fits.
const MOST_BYTES: usize = 64 * 1024;

/// The shop's routes.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(start::start_visit))
        .routes(routes!(catalogue::show_catalogue))
        .routes(routes!(product::show_product))
        .routes(routes!(add::add_to_cart))
        .routes(routes!(cart::show_cart, cart::change_cart))
        .routes(routes!(leave::show_return, leave::return_cart))
        .routes(routes!(leave::leave_shop))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .routes(routes!(assets::get_asset))
}
