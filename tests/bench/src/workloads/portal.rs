//! Pages of the portal's catalogue, as a buyer of ACME asks for them.

use std::net::SocketAddr;

use http::{
    Request,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::Full;

use crate::load::{Target, succeeded};

/// What leads to a page of so many products; without a cursor to the first.
pub(super) fn path(limit: usize, cursor: Option<&str>) -> String {
    cursor.map_or_else(
        || format!("/portal/v1/products?limit={limit}"),
        |cursor| format!("/portal/v1/products?limit={limit}&cursor={cursor}"),
    )
}

/// Asks for one page after the other, and then for the first again.
pub(super) fn target(
    address: SocketAddr,
    host: String,
    token: String,
    paths: Vec<String>,
) -> Target {
    let bearer = format!("Bearer {token}");
    Target {
        address,
        request: Box::new(move |number| {
            let place = usize::try_from(number).unwrap_or(0) % paths.len().max(1);
            let path = paths.get(place).map_or("/", String::as_str);
            let mut request = Request::new(Full::default());
            if let Ok(uri) = path.parse() {
                *request.uri_mut() = uri;
            }
            for (name, value) in [(HOST, &host), (AUTHORIZATION, &bearer)] {
                if let Ok(value) = value.parse() {
                    request.headers_mut().insert(name, value);
                }
            }
            if let Ok(account) = "ACME".parse() {
                request.headers_mut().insert("orderway-account", account);
            }
            request
        }),
        judge: Box::new(succeeded),
    }
}
