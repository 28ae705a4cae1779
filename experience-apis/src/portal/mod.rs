//! The portal: REST for storefronts, for the accounts of the caller's token.

mod cors;
pub mod mapping;
mod pages;
mod routes;
pub mod shape;
mod stream;
#[cfg(test)]
mod tests;

pub use cors::cors;
pub use pages::{Pages, ShownPage};
use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// The channel's routes.
pub fn router() -> OpenApiRouter<AppState> {
    routes::router()
}
