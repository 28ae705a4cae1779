//! Pages of the catalogue as buyers are shown them.

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use canonical_model::catalog::CatalogPage;
use http::header;
use service_runtime::{http_client::HopResponse, memo::Memo, problem::Problem};

use super::mapping;
use crate::clients::process::CallError;

/// About how many bytes are kept, of what was written and of what is shown.
const MOST: u64 = 16 * 1024 * 1024;

/// Shows what process-apis wrote; what it writes again is not put together again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pages(Memo<Bytes>);

impl Default for Pages {
    fn default() -> Self {
        Self(Memo::new(MOST))
    }
}

impl Pages {
    /// The portal's `ProductPage` of a `CatalogPage`.
    pub(super) fn show(&self, written: &HopResponse) -> Result<Response, Problem> {
        let page = self.0.of(&written.body, |_| shown(written))?;
        let headers = [(header::CONTENT_TYPE, "application/json")];
        Ok((headers, Bytes::clone(&page)).into_response())
    }
}

fn shown(written: &HopResponse) -> Result<Bytes, Problem> {
    let page: CatalogPage = written.json().map_err(CallError)?;
    let shown = serde_json::to_vec(&mapping::product_page(page));
    shown
        .map(Bytes::from)
        .map_err(|error| Problem::internal(&error))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn written(text: &'static str) -> HopResponse {
        HopResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(text.as_bytes()),
        }
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 1024)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_page_is_shown_as_it_was_written_last() {
        let pages = Pages::default();
        for _ in 0..2 {
            for (page, next) in [
                (r#"{"items":[],"next":"AB"}"#, r#""next":"AB""#),
                (r#"{"items":[],"next":"CD"}"#, r#""next":"CD""#),
            ] {
                let shown = pages.show(&written(page)).unwrap();
                assert_eq!(shown.headers()[header::CONTENT_TYPE], "application/json");
                let shown = text(shown).await;
                assert!(shown.contains(next), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_page_is_not_shown() {
        let pages = Pages::default();
        for _ in 0..2 {
            let refused = pages.show(&written(r#"{"items":1}"#)).unwrap_err();
            assert_eq!(refused.status, 503);
        }
    }
}
