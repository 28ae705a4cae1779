//! What is ordered, and the requests that order it: of each order one, under a number of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::Full;
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};

use crate::load::Target;

/// The sold-to account of every order.
pub(in crate::workloads) const ACCOUNT: &str = "ACME";
/// The development key between `experience-apis` and `process-apis`.
const KEY: &str = "development-only-experience-to-process-key";
/// How long the portal waits for the layer below.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// The active items of the sandbox: each of the hundred but the last is sold.
pub(in crate::workloads) fn items(count: usize) -> Vec<String> {
    (1_u32..)
        .filter(|number| number % 100 != 99)
        .map(|number| format!("SKU-{number:04}"))
        .take(count)
        .collect()
}

/// The numbers of orders: none is given twice in a run.
#[derive(Clone, Default)]
pub(in crate::workloads) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub(in crate::workloads) fn next(&self) -> String {
        format!("PO-{:010}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// An order but for its number.
#[derive(Clone)]
pub(in crate::workloads) struct Sheet {
    before: String,
    after: String,
}

impl Sheet {
    /// In the words of the portal.
    pub(in crate::workloads) fn portal(lines: usize) -> Self {
        let line = |item: &String| json!({"item": item, "quantity": {"value": "3", "unit": "EA"}});
        let lines: Vec<Value> = items(lines).iter().map(line).collect();
        Self {
            before: "{\"purchase_order_number\":\"".to_owned(),
            after: format!("\",\"lines\":{}}}", json!(lines)),
        }
    }

    /// In the words of `process-apis`.
    pub(in crate::workloads) fn process(lines: usize) -> Self {
        let line = |item: &String| json!({"identifiers": [{"scheme": "seller_part_number", "value": item}], "quantity": "3", "unit": "EA"});
        let lines: Vec<Value> = items(lines).iter().map(line).collect();
        Self {
            before: format!("{{\"account\":\"{ACCOUNT}\",\"purchase_order_number\":\""),
            after: format!("\",\"lines\":{}}}", json!(lines)),
        }
    }

    pub(super) fn under(&self, number: &str) -> Bytes {
        format!("{}{number}{}", self.before, self.after).into()
    }
}

/// A token that is changed for a new one now and then.
#[derive(Clone)]
pub(in crate::workloads) struct Token(Arc<Mutex<HeaderValue>>);

impl Token {
    pub(in crate::workloads) fn new() -> Self {
        Self(Arc::new(Mutex::new(HeaderValue::from_static(""))))
    }

    pub(in crate::workloads) fn set(&self, token: &str) -> anyhow::Result<()> {
        let value = format!("Bearer {token}").parse()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    fn get(&self) -> HeaderValue {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        token.clone()
    }
}

/// Signs as `experience-apis` do, for each order anew.
pub(in crate::workloads) struct Signer {
    signer: ContextSigner,
    buyer: CallContext,
}

impl Signer {
    pub(in crate::workloads) fn new() -> anyhow::Result<Self> {
        let hop = Hop {
            from: LayerIdentity::ExperienceApis,
            to: LayerIdentity::ProcessApis,
        };
        let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None)?;
        let clock = Clock::system();
        let scopes = [
            "catalog:read",
            "quotes:write",
            "orders:read",
            "orders:write",
        ];
        let buyer = CallContext {
            principal: "acme-buyer".to_owned(),
            accounts: AccountScope::List(vec![ACCOUNT.to_owned()]),
            company: Some("NWI".to_owned()),
            channel: "portal".to_owned(),
            scopes: scopes.map(str::to_owned).to_vec(),
            correlation_id: String::new(),
            deadline: clock.now(),
            remaining_ms: u64::try_from(PATIENCE.as_millis())?,
            layer: LayerIdentity::ExperienceApis,
        };
        Ok(Self {
            signer: ContextSigner::new(hop, keys, clock),
            buyer,
        })
    }

    fn sign(&self, number: &str) -> Option<HeaderValue> {
        let now = self.signer.clock().now();
        let context = CallContext {
            correlation_id: number.to_owned(),
            deadline: now.saturating_add(PATIENCE).ok()?,
            ..self.buyer.clone()
        };
        self.signer.sign(&context).ok()?.parse().ok()
    }
}

/// How a caller shows who it is.
pub(in crate::workloads) enum Identity {
    Token(Token),
    Signed(Box<Signer>),
    None,
}

impl Identity {
    pub(in crate::workloads) fn show(&self, number: &str, headers: &mut HeaderMap) {
        match self {
            Self::Token(token) => {
                headers.insert(AUTHORIZATION, token.get());
                headers.insert("orderway-account", HeaderValue::from_static(ACCOUNT));
            }
            Self::Signed(signer) => {
                if let Some(context) = signer.sign(number) {
                    headers.insert(CONTEXT_HEADER, context);
                }
            }
            Self::None => {}
        }
    }
}

/// Posts an order after the other there.
pub(in crate::workloads) fn target(
    url: &str,
    path: &str,
    identity: Identity,
    (sheet, numbers): (Sheet, Numbers),
) -> anyhow::Result<Target> {
    let host = url.trim_start_matches("http://").to_owned();
    let address: SocketAddr = host.parse()?;
    let path: Uri = path.parse()?;
    let host = HeaderValue::try_from(host)?;
    Ok(Target {
        address,
        request: Box::new(move |_| {
            let number = numbers.next();
            let mut request = Request::new(Full::new(sheet.under(&number)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = path.clone();
            let headers = request.headers_mut();
            headers.insert(HOST, host.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Ok(key) = number.parse() {
                headers.insert("idempotency-key", key);
            }
            identity.show(&number, headers);
            request
        }),
        judge: Box::new(taken),
    })
}

/// An order is taken by 202, and by nothing else.
fn taken(answer: &Response<Bytes>) -> Option<String> {
    let status = answer.status();
    (status != StatusCode::ACCEPTED).then(|| {
        let text = String::from_utf8_lossy(answer.body());
        let start: String = text.chars().take(400).collect();
        format!("{} {start}", status.as_u16())
    })
}
