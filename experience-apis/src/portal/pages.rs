//! Pages of the catalogue as buyers are shown them.

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use canonical_model::catalog::CatalogPage;
use http::header;
use service_runtime::{http_client::read_json, memo::Memo, problem::Problem};

use super::mapping;
use crate::clients::process::CallError;

/// About how many bytes are kept, of what was written and of what is shown.
const MOST: u64 = 16 * 1024 * 1024;

/// Shows what process-apis wrote; what it writes again is not put together again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pages(Memo<Bytes, Problem>);

/// A `ProductPage` as JSON.
#[derive(Debug)]
pub struct ShownPage(Bytes);

impl IntoResponse for ShownPage {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self(Memo::new(MOST, shown))
    }
}

impl Pages {
    /// The portal's page of a `CatalogPage`, of which these are the bytes.
    pub(super) fn show(&self, written: &[u8]) -> Result<ShownPage, Problem> {
        let shown = self.0.of(written)?;
        Ok(ShownPage(Bytes::clone(&shown)))
    }
}

fn shown(written: &[u8]) -> Result<Bytes, Problem> {
    let page: CatalogPage = read_json(written).map_err(CallError)?;
    let shown = serde_json::to_vec(&mapping::product_page(page));
    shown
        .map(Bytes::from)
        .map_err(|error| Problem::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_page_is_shown_as_it_was_written_last() {
        let pages = Pages::default();
        for _ in 0..2 {
            for (page, next) in [
                (r#"{"items":[],"next":"AB"}"#, r#""next":"AB""#),
                (r#"{"items":[],"next":"CD"}"#, r#""next":"CD""#),
            ] {
                let shown = pages.show(page.as_bytes()).unwrap().into_response();
                assert_eq!(shown.headers()[header::CONTENT_TYPE], "application/json");
                let body = axum::body::to_bytes(shown.into_body(), 1024).await;
                let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
                assert!(text.contains(next), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_page_is_not_shown() {
        let pages = Pages::default();
        for _ in 0..2 {
            let refused = pages.show(br#"{"items":1}"#).unwrap_err();
            assert_eq!(refused.status, 503);
        }
    }
}
