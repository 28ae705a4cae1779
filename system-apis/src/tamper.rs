//! A proxy for contract suites: it passes calls on to a live server and spoils the answer to one of them, whatever the
//! server's dialect. What the server did is real; what the connector hears of it is not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use service_runtime::http_client::{BackendClientConfig, backend_client};

/// More than any answer that is read.
const HUGE: usize = 9 * 1024 * 1024;

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// The server does it; the answer is lost.
    Lose,
    /// The server does it; the answer never comes.
    Hold,
    /// The server does it, and an intermediary answers so in its place.
    Mask(StatusCode),
    /// The server is not asked: this is the answer, and to come back in seven seconds.
    Refuse(StatusCode),
    /// The server does it; the answer ends in its middle.
    Cut,
    /// The server does it; the answer is true, and larger than anything that is read.
    Swell,
    /// The server does it; in the answer one text stands for another.
    Swap(String, String),
    /// The server does it; in the answer one field is missing, told by a JSON pointer.
    Omit(String),
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    spoil: Option<(usize, Spoil)>,
    answers: Vec<Bytes>,
}

/// The proxy.
#[derive(Debug, Clone)]
pub(crate) struct Tamper {
    target: Arc<str>,
    url: Arc<str>,
    http: reqwest::Client,
    plan: Arc<Mutex<Plan>>,
}

impl Tamper {
    /// Stands before a server, and passes everything on.
    pub(crate) async fn before(target: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tamper = Self {
            target: target.trim_end_matches('/').into(),
            url: format!("http://{}", listener.local_addr().unwrap()).into(),
            http: backend_client(&BackendClientConfig::default()).unwrap(),
            plan: Arc::default(),
        };
        let router = Router::new().fallback(pass).with_state(tamper.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        tamper
    }

    /// Where the connector finds it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Spoils the call of this place from now on, counted from 0; everything else passes.
    pub(crate) fn spoil(&self, nth: usize, spoil: Spoil) {
        *self.plan() = Plan {
            spoil: Some((nth, spoil)),
            ..Plan::default()
        };
    }

    /// Everything passes from now on.
    pub(crate) fn rest(&self) {
        *self.plan() = Plan::default();
    }

    /// Calls since then.
    pub(crate) fn calls(&self) -> usize {
        self.plan().calls
    }

    /// The pointers to each field of the answers since then, with the call they belong to.
    pub(crate) fn fields(&self) -> Vec<(usize, String)> {
        let mut fields = Vec::new();
        for (nth, answer) in self.plan().answers.iter().enumerate() {
            let Ok(value) = serde_json::from_slice(answer) else {
                continue;
            };
            let mut pointers = Vec::new();
            walk(&value, String::new(), &mut pointers);
            fields.extend(pointers.into_iter().map(|pointer| (nth, pointer)));
        }
        fields
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walk(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers.push(format!("{at}/{name}"));
                walk(inner, format!("{at}/{name}"), pointers);
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                walk(inner, format!("{at}/{place}"), pointers);
            }
        }
        _leaf => {}
    }
}

fn without(answer: &[u8], pointer: &str) -> Bytes {
    let mut value: Value = serde_json::from_slice(answer).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = value.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().remove(&name).unwrap();
    serde_json::to_vec(&value).unwrap().into()
}

async fn pass(State(tamper): State<Tamper>, request: Request) -> Response {
    let spoil = {
        let mut plan = tamper.plan();
        let nth = plan.calls;
        plan.calls += 1;
        plan.spoil
            .as_ref()
            .and_then(|(at, spoil)| (*at == nth).then(|| spoil.clone()))
    };
    if let Some(Spoil::Refuse(status)) = spoil {
        return (status, [(header::RETRY_AFTER, "7")], "not now").into_response();
    }
    let (status, content, answer) = tamper.forward(request).await;
    tamper.plan().answers.push(answer.clone());
    let body = match spoil {
        None | Some(Spoil::Refuse(_)) => answer,
        Some(Spoil::Hold) => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            answer
        }
        Some(Spoil::Lose) => {
            let lost = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))]);
            return Response::new(Body::from_stream(lost));
        }
        Some(Spoil::Mask(status)) => return status.into_response(),
        Some(Spoil::Cut) => answer.slice(..answer.len() / 2),
        Some(Spoil::Swell) => {
            let mut swollen = answer.to_vec();
            swollen.resize(HUGE, b' ');
            swollen.into()
        }
        Some(Spoil::Swap(from, to)) => {
            let text = String::from_utf8(answer.to_vec()).unwrap();
            text.replace(&from, &to).into()
        }
        Some(Spoil::Omit(pointer)) => without(&answer, &pointer),
    };
    (status, [(header::CONTENT_TYPE, content)], body).into_response()
}

impl Tamper {
    async fn forward(&self, request: Request) -> (StatusCode, HeaderValue, Bytes) {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, HUGE).await.unwrap();
        let mut headers = head.headers;
        for name in [
            header::HOST,
            header::CONTENT_LENGTH,
            header::ACCEPT_ENCODING,
        ] {
            headers.remove(name);
        }
        let url = format!("{}{}", self.target, head.uri);
        let request = self.http.request(head.method, url).headers(headers);
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status();
        let json = HeaderValue::from_static("application/json");
        let content = answer.headers().get(header::CONTENT_TYPE);
        let content = content.cloned().unwrap_or(json);
        (status, content, answer.bytes().await.unwrap())
    }
}
