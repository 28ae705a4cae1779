//! A buyer's system: a little HTTP server that answers confirmations as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};

/// What it answers.
#[derive(Debug, Clone)]
pub(super) enum Says {
    /// A cXML Response with this code.
    Status(u16),
    /// This HTTP status.
    Http(u16),
    /// HTTP 200 with something else.
    Text(String),
    /// Go elsewhere.
    Elsewhere,
}

/// The server.
pub(super) struct Buyer {
    pub(super) url: String,
    /// The next answers; without one, 200.
    pub(super) says: Mutex<VecDeque<Says>>,
    /// The bodies that came.
    pub(super) received: Mutex<Vec<String>>,
    /// How many came elsewhere.
    pub(super) elsewhere: Mutex<u32>,
}

impl Buyer {
    pub(super) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let buyer = Arc::new(Self {
            url: format!("http://{}/cxml", listener.local_addr().unwrap()),
            says: Mutex::default(),
            received: Mutex::default(),
            elsewhere: Mutex::default(),
        });
        let router = Router::new()
            .route("/cxml", post(receive))
            .route("/elsewhere", post(elsewhere).get(elsewhere))
            .with_state(Arc::clone(&buyer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        buyer
    }

    pub(super) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

async fn receive(State(buyer): State<Arc<Buyer>>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers["content-type"], "text/xml; charset=UTF-8");
    buyer.received.lock().unwrap().push(body);
    let says = buyer.says.lock().unwrap().pop_front();
    match says.unwrap_or(Says::Status(200)) {
        Says::Status(code) => response(code).into_response(),
        Says::Http(status) => {
            (StatusCode::from_u16(status).unwrap(), response(200)).into_response()
        }
        Says::Text(text) => text.into_response(),
        Says::Elsewhere => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response()
        }
    }
}

async fn elsewhere(State(buyer): State<Arc<Buyer>>) -> String {
    *buyer.elsewhere.lock().unwrap() += 1;
    response(200)
}

fn response(code: u16) -> String {
    format!(
        r#"<?xml version="1.0"?><!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd">
<cXML payloadID="b-1" timestamp="2026-03-02T09:30:01+00:00"><Response><Status code="{code}" text="Said">By the buyer.</Status></Response></cXML>"#
    )
}
