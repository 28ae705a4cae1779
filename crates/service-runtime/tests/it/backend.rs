//! The client for backends, and the key sets fetched with it.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use service_runtime::http_client::{BackendClientConfig, backend_client};
use service_runtime::jwt::{HttpJwksFetcher, JwksError, JwksFetcher};
use service_runtime::server::ServerOptions;

use crate::support::TestServer;

async fn backend() -> TestServer {
    let routes = Router::new()
        .route("/moved", get(|| async { Redirect::temporary("/jwks") }))
        .route("/jwks", get(|| async { "{\"keys\":[]}" }))
        .route("/huge", get(|| async { "x".repeat(256 * 1024 + 1) }));
    TestServer::start(routes, ServerOptions::default()).await
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = backend().await;
    let client = backend_client(&BackendClientConfig::default()).unwrap();
    let answer = client
        .get(format!("http://{}/moved", server.address))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 307);
}

#[tokio::test]
async fn a_key_set_is_fetched_within_bounds() {
    let server = backend().await;
    let fetcher = HttpJwksFetcher::new(backend_client(&BackendClientConfig::default()).unwrap());
    let fetch = |path: &str| {
        let (fetcher, url) = (fetcher.clone(), format!("http://{}{path}", server.address));
        async move { fetcher.fetch(&url).await }
    };
    assert_eq!(fetch("/jwks").await.unwrap(), b"{\"keys\":[]}");
    assert!(matches!(fetch("/huge").await, Err(JwksError::TooLarge)));
    assert!(matches!(fetch("/moved").await, Err(JwksError::Status(307))));
    assert!(matches!(
        fetch("/absent").await,
        Err(JwksError::Status(404))
    ));
}
