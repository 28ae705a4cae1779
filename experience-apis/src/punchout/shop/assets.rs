//! The style sheet and the one script. Their names hold a hash of their content, so a browser keeps them for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::header;
use service_runtime::fingerprint;
use service_runtime::problem::Problem;

/// A file that pages ask for.
struct Asset {
    path: String,
    media_type: &'static str,
    content: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../../assets/punchout/shop.css");
    Asset::new("shop", "css", "text/css; charset=utf-8", content)
});

static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../../assets/punchout/return.js");
    Asset::new("return", "js", "text/javascript; charset=utf-8", content)
});

impl Asset {
    fn new(name: &str, end: &str, media_type: &'static str, content: &'static str) -> Self {
        let hash = fingerprint::short(content.as_bytes());
        Self {
            path: format!("/punchout/assets/{name}-{hash}.{end}"),
            media_type,
            content,
        }
    }
}

/// Where the style sheet is.
pub(super) fn style() -> &'static str {
    &STYLE.path
}

/// Where the script of the return page is.
pub(super) fn script() -> &'static str {
    &SCRIPT.path
}

/// A file of the shop's pages.
///
/// Its name holds a hash of its content: it never changes, and may be kept for good.
#[utoipa::path(get, path = "/punchout/assets/{name}", tag = "punchout-shop", security(()),
    params(("name" = String, Path, description = "The file, as a page names it", example = "shop-0123456789abcdef.css")),
    responses((status = 200, description = "The file", body = String, content_type = "text/css"),
        (status = 404, description = "`not-found`", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let asked = |asset: &&LazyLock<Asset>| asset.path.rsplit('/').next() == Some(&*name);
    let found = [&STYLE, &SCRIPT].into_iter().find(asked);
    let asset = found.ok_or_else(Problem::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.content).into_response())
}
