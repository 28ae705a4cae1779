//! The backend behind the proxy: a call goes there, and its answer is taken whole.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::log::{Ending, Outcome};
use crate::random::Random;

/// An answer's body may be this long.
const MAX_BODY: usize = 8 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);
/// So that what there is of a cut answer is on its way before the connection ends.
const BEFORE_THE_CUT: Duration = Duration::from_millis(20);
/// Headers of one connection, not of the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 4] = [
    CONNECTION,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Closes the connection where the answer is, even before its first byte.
#[derive(Debug, thiserror::Error)]
#[error("the answer is dropped on purpose")]
pub(super) struct Dropped;

pub(super) type Answer = Response<BoxBody<Bytes, Dropped>>;

#[derive(Debug)]
pub(super) struct Backend {
    target: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Backend {
    pub(super) fn new(target: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { target, client }
    }

    /// Calls, and writes down how it went.
    pub(super) async fn call(
        &self,
        head: http::request::Parts,
        body: Bytes,
        ending: &mut Ending,
    ) -> Answer {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.target.authority().map_or("", |host| host.as_str()))
            .path_and_query(path)
            .build();
        let Ok(uri) = uri else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = end_to_end(head.headers);
        request.headers_mut().remove(HOST);
        ending.reached_backend = true;
        ending.outcome = Outcome::BackendUnreachable;
        let answered = tokio::time::timeout(TIMEOUT, self.client.request(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the backend did not answer");
                return plain(StatusCode::BAD_GATEWAY);
            }
            Err(_) => return plain(StatusCode::BAD_GATEWAY),
        };
        let (head, body) = response.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            ending.outcome = Outcome::TooLarge;
            return plain(StatusCode::BAD_GATEWAY);
        };
        let body = body.to_bytes();
        ending.response_bytes = body.len();
        ending.outcome = Outcome::Forwarded;
        let mut answer = whole(body);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = end_to_end(head.headers);
        answer
    }
}

/// The answer, announced whole and broken off before its end; and how much of it is left.
pub(super) async fn cut(
    answer: Answer,
    length: usize,
    at: Option<u64>,
    luck: &mut Random,
) -> (Answer, usize) {
    let (mut head, body) = answer.into_parts();
    let most = u32::try_from(length).unwrap_or(u32::MAX);
    let at = at.map_or_else(
        || luck.below(most),
        |at| u32::try_from(at).unwrap_or(u32::MAX),
    );
    let at = usize::try_from(at.min(most.saturating_sub(1))).unwrap_or(0);
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(Dropped) => Bytes::new(),
    };
    head.headers.insert(CONTENT_LENGTH, length.max(1).into());
    let mut left = Some(body.slice(..at.min(body.len())));
    let frames = stream::poll_fn(move |_| std::task::Poll::Ready(left.take().map(Frame::data)));
    let frames = futures_util::StreamExt::map(frames, Ok);
    let end = stream::once(async {
        tokio::time::sleep(BEFORE_THE_CUT).await;
        Err(Dropped)
    });
    let frames = futures_util::StreamExt::chain(frames, end);
    let body = BodyExt::boxed(StreamBody::new(frames));
    (Response::from_parts(head, body), at)
}

pub(super) fn plain(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or("fault");
    let mut answer = whole(Bytes::from_static(reason.as_bytes()));
    *answer.status_mut() = status;
    answer
}

fn whole(body: Bytes) -> Answer {
    Response::new(Full::new(body).map_err(|never| match never {}).boxed())
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    // The body is whole here, so its length is set anew.
    headers.remove(CONTENT_LENGTH);
    headers
}
