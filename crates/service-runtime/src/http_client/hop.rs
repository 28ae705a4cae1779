//! Calls from one layer to the next: the context is signed, the trace and the deadline are continued,
//! an answer is bounded, and an error tells whether the call may have had its effect.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Faults, HumanDuration, Validate};
use crate::context::{CONTEXT_HEADER, CallContext, ContextSigner};
use crate::problem::Problem;
use crate::trace::{self, CORRELATION_HEADER, DEADLINE_HEADER, Deadline, RequestScope};

/// Where the next layer is and how patient its callers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HopConfig {
    /// Such as `http://127.0.0.1:7002`.
    pub base_url: String,
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: HumanDuration,
    #[serde(default = "default_max_response")]
    pub max_response: ByteSize,
}

fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn default_connect_timeout() -> HumanDuration {
    HumanDuration::from_secs(1)
}

fn default_max_response() -> ByteSize {
    ByteSize::mib(8)
}

impl HopConfig {
    pub fn new(base_url: impl Into<String>) -> Self {
        let (timeout, connect_timeout) = (default_timeout(), default_connect_timeout());
        Self {
            base_url: base_url.into(),
            timeout,
            connect_timeout,
            max_response: default_max_response(),
        }
    }
}

impl Validate for HopConfig {
    fn validate(&self, faults: &mut Faults) {
        let uri = self.base_url.parse::<Uri>().ok();
        let usable =
            uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        faults.check(
            usable,
            "base_url",
            "give an address such as http://127.0.0.1:7002",
        );
        faults.check(
            !self.timeout.get().is_zero(),
            "timeout",
            "give more than 0ms",
        );
        faults.check(
            self.max_response.get() > 0,
            "max_response",
            "give more than 0B",
        );
    }
}

/// Why a call to the next layer has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    #[error("the next layer answered with a problem")]
    Problem(#[source] Problem),
    /// The call was sent; its effect is unknown.
    #[error("the next layer did not answer in time")]
    Timeout,
    /// The deadline had passed before anything was sent.
    #[error("there was no time left to call the next layer")]
    TooLate,
    #[error("the next layer cannot be reached")]
    Connect(#[source] Box<ClientError>),
    /// Sent, and then the connection broke or the answer made no sense.
    #[error("the answer of the next layer cannot be used: {0}")]
    Protocol(
        String,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
    /// The call could not be put together: a fault of ours, nothing was sent.
    #[error("the call cannot be built")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl HopError {
    /// False: certainly not processed. True: its effect is unknown, ask before repeating.
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Connect(_) | Self::TooLate | Self::Build(_) => false,
            Self::Timeout | Self::Protocol(..) => true,
            Self::Problem(problem) => problem.status >= 500,
        }
    }

    /// What to answer upward: the problem itself, or that the layer behind is not there.
    pub fn into_problem(self) -> Problem {
        use crate::problem::codes::{BACKEND_UNAVAILABLE, TIMEOUT};
        let after = SignedDuration::from_secs(2);
        match self {
            // The layer below does not believe us: the caller's own credential is not at fault.
            Self::Problem(ref problem) if problem.status == 401 => Problem::internal(&self),
            Self::Problem(mut problem) => {
                // The caller's own correlation id is the one it knows.
                problem.correlation_id = None;
                problem
            }
            Self::Timeout | Self::TooLate => Problem::new(
                TIMEOUT,
                "No answer in time; repeat it with the same Idempotency-Key.",
            ),
            Self::Connect(_) | Self::Protocol(..) => {
                let problem = Problem::new(
                    BACKEND_UNAVAILABLE,
                    "Try again after the time in Retry-After.",
                );
                problem.with_retry_after(after).caused_by(&self)
            }
            Self::Build(_) => Problem::internal(&self),
        }
    }
}

impl From<HopError> for Problem {
    fn from(error: HopError) -> Self {
        error.into_problem()
    }
}

/// The client of one hop; cheap to clone.
#[derive(Clone, Debug)]
pub struct HopClient {
    client: Client<HttpConnector, Full<Bytes>>,
    config: Arc<HopConfig>,
    signer: Arc<ContextSigner>,
}

impl HopClient {
    pub fn new(config: HopConfig, signer: ContextSigner) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout.get()));
        let client = Client::builder(TokioExecutor::new())
            // Shorter than the server's idle time, so that a pooled connection is seldom a dead one.
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(512)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector);
        Self {
            client,
            config: Arc::new(config),
            signer: Arc::new(signer),
        }
    }

    /// Begins a call. `path` starts with a slash and is already encoded.
    pub fn request(&self, method: Method, path: &str, context: &CallContext) -> HopRequest {
        HopRequest {
            client: self.clone(),
            method,
            path: path.to_owned(),
            context: context.clone(),
            headers: HeaderMap::new(),
            body: Ok(Bytes::new()),
            timeout: self.config.timeout.get(),
        }
    }

    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        context: &CallContext,
    ) -> Result<T, HopError> {
        self.request(Method::GET, path, context)
            .send()
            .await?
            .json()
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        context: &CallContext,
        body: &B,
    ) -> Result<T, HopError> {
        self.request(Method::POST, path, context)
            .json(body)
            .send()
            .await?
            .json()
    }
}

/// A call being put together.
#[derive(Debug)]
pub struct HopRequest {
    client: HopClient,
    method: Method,
    path: String,
    context: CallContext,
    headers: HeaderMap,
    body: Result<Bytes, serde_json::Error>,
    timeout: Duration,
}

impl HopRequest {
    /// Adds a header; a value that is none is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        self.header(
            HeaderName::from_static(crate::extract::IdempotencyKey::HEADER),
            key,
        )
    }

    pub fn json<B: Serialize>(mut self, body: &B) -> Self {
        self.body = serde_json::to_vec(body).map(Bytes::from);
        self.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self
    }

    /// A body that is ready, such as one passed on unread.
    pub fn body(mut self, media_type: &'static str, body: Bytes) -> Self {
        self.body = Ok(body);
        self.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the call and reads the answer. A status of 400 or more is an error.
    pub async fn send(self) -> Result<HopResponse, HopError> {
        let scope = RequestScope::current();
        let own = Deadline::after(self.timeout);
        let deadline = scope
            .as_ref()
            .and_then(|scope| scope.deadline)
            .map_or(own, |outer| own.min(outer));
        if deadline.remaining().is_zero() {
            return Err(HopError::TooLate);
        }
        let client = self.client.clone();
        let request = self.build(scope.as_deref(), deadline)?;
        let answer = client.answer(request);
        tokio::time::timeout_at(deadline.0, answer)
            .await
            .unwrap_or(Err(HopError::Timeout))
    }

    fn build(
        self,
        scope: Option<&RequestScope>,
        deadline: Deadline,
    ) -> Result<Request<Full<Bytes>>, HopError> {
        let built = |error: Box<dyn std::error::Error + Send + Sync>| HopError::Build(error);
        let body = self.body.map_err(|error| built(error.into()))?;
        let base = self.client.config.base_url.trim_end_matches('/');
        let uri: Uri = format!("{base}{}", self.path)
            .parse()
            .map_err(|error: http::uri::InvalidUri| built(error.into()))?;
        let mut context = self.context;
        let remaining = deadline.remaining();
        context.remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        let now = self.client.signer.clock().wall();
        let signed_remaining = SignedDuration::try_from(remaining).unwrap_or(SignedDuration::MAX);
        context.deadline = now.saturating_add(signed_remaining).unwrap_or(now);
        let token = self
            .client
            .signer
            .sign(&context)
            .map_err(|error| built(error.into()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        trace::insert(headers, CONTEXT_HEADER, &token);
        trace::insert(headers, CORRELATION_HEADER, &context.correlation_id);
        trace::insert(headers, DEADLINE_HEADER, &context.remaining_ms.to_string());
        if let Some(scope) = scope {
            scope.trace.child().inject(headers);
        }
        Ok(request)
    }
}

impl HopClient {
    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<HopResponse, HopError> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                HopError::Connect(Box::new(error))
            } else {
                HopError::Protocol("the connection broke".to_owned(), Some(Box::new(error)))
            }
        })?;
        let (parts, body) = response.into_parts();
        let limited = Limited::new(body, self.config.max_response.as_usize());
        let body = limited.collect().await.map_err(|error| {
            let what = if error.is::<LengthLimitError>() {
                "it is too large"
            } else {
                "it was cut"
            };
            HopError::Protocol(what.to_owned(), Some(error))
        })?;
        let answer = HopResponse {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        };
        if answer.status.as_u16() < 400 {
            Ok(answer)
        } else {
            Err(answer.into_error())
        }
    }
}

/// Reads the body of a good answer.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, HopError> {
    serde_json::from_slice(body).map_err(|error| {
        HopError::Protocol("it is not the JSON expected".to_owned(), Some(error.into()))
    })
}

/// A good answer, read whole.
#[derive(Clone, Debug)]
pub struct HopResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl HopResponse {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HopError> {
        read_json(&self.body)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn into_error(self) -> HopError {
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => HopError::Problem(problem),
            Err(error) => HopError::Protocol(
                format!("status {} without a problem", self.status.as_u16()),
                Some(error.into()),
            ),
        }
    }
}
