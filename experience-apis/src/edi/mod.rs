//! The EDI channel: X12 interchanges in, acknowledgements out.

use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// The channel's routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
}

/// The channel's work that no request waits for; ends when told to.
pub async fn background(_state: AppState, shutdown: CancellationToken) {
    shutdown.cancelled().await;
}
