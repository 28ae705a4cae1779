//! The channel and what stands around it, and the documents that it is sent.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use canonical_model::{document::Document, quote::Quote};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::json;
use service_runtime::{
    clock::Clock,
    config::{ByteSize, HumanDuration, Secret},
    http_client::HopConfig,
};
use tower::ServiceExt as _;

use super::Buyer;
use crate::{
    Background, Deps, build,
    config::Config,
    desk::{Clerk as _, put_off, told},
    punchout::{CHANNEL, orders::Clerk},
    state::AppState,
    testing::{KEY, NOW, stub::Stub},
};

const PROFILE: &str = include_str!("../../../../../config/partners/punchout/acme-punchout.toml");
/// What a partner sends; it must never be found anywhere.
pub(super) const THEIR_SECRET: &str = "acme-punchout-demo";
/// What we send; it must never be found anywhere else.
pub(super) const OUR_SECRET: &str = "canary-that-only-the-buyer-sees";

/// The channel and what stands around it.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) background: Background,
    pub(super) stub: Arc<Stub>,
    pub(super) buyer: Arc<Buyer>,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) http: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// The code of its Status.
    pub(super) fn code(&self) -> u16 {
        assert_eq!(self.http, 200, "{}", self.body);
        assert_eq!(self.headers["content-type"], "text/xml; charset=UTF-8");
        let (_, rest) = self.body.split_once("<Status code=\"").unwrap();
        rest.get(..3).unwrap().parse().unwrap()
    }

    /// Without what differs from answer to answer.
    pub(super) fn masked(&self) -> String {
        let (before, rest) = self.body.split_once("payloadID=\"").unwrap();
        let (_, rest) = rest.split_once('"').unwrap();
        format!("{before}{rest}")
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::agreed(|profile| profile.to_owned()).await
    }

    /// A world in which something else was agreed with the partner.
    pub(super) async fn agreed(change: impl FnOnce(&str) -> String) -> Self {
        Self::waiting(change, HumanDuration::from_secs(10)).await
    }

    /// A world in which senders wait so long.
    pub(super) async fn waiting(change: impl FnOnce(&str) -> String, wait: HumanDuration) -> Self {
        let buyer = Buyer::start().await;
        let line = "# confirmation_url = \"https://procure.example.com/cxml\"";
        assert!(PROFILE.contains(line));
        let profile = PROFILE.replace(line, &format!("confirmation_url = \"{}\"", buyer.url));
        let partners = tempfile::tempdir().unwrap();
        let file = partners.path().join("acme-punchout.toml");
        std::fs::write(file, change(&profile)).unwrap();
        let (clock, _hands) = Clock::fixed(NOW.parse().unwrap());
        let stub = Stub::start(clock.clone(), CHANNEL).await;
        let mut config = Config {
            development: true,
            process: HopConfig::new(stub.address.clone()),
            ..Config::default()
        };
        config.context.process_key = Secret::from(KEY.to_owned());
        config.punchout.partners_dir = partners.path().to_owned();
        config.punchout.public_url = "https://orders.example.com".to_owned();
        config.punchout.link_key = Secret::from("l".repeat(32));
        config.punchout.order_wait = wait;
        config.punchout.max_body = ByteSize::bytes(64 * 1024);
        let secret = Secret::from(OUR_SECRET.to_owned());
        config
            .punchout
            .secrets
            .insert("acme_punchout".to_owned(), secret);
        let deps = Deps {
            clock,
            ..Deps::default()
        };
        let (router, background) = build(config, deps).unwrap();
        Self {
            router,
            background,
            stub,
            buyer,
        }
    }

    pub(super) fn state(&self) -> &AppState {
        &self.background.state
    }

    pub(super) fn clerk(&self) -> Clerk {
        Clerk {
            state: self.state().clone(),
            hands: Arc::clone(&self.state().punchout.work),
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            http: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) async fn post(&self, document: impl Into<Body>) -> Answer {
        self.send(request(document)).await
    }

    /// From an address of the network.
    pub(super) async fn post_from(&self, address: &str, document: String) -> Answer {
        let mut request = request(document);
        let peer = std::net::SocketAddr::new(address.parse().unwrap(), 4711);
        request.extensions_mut().insert(ConnectInfo(peer));
        self.send(request).await
    }

    /// Waits for what requests began.
    pub(super) async fn settle(&self) {
        let begun = &self.state().punchout.begun;
        begun.close();
        tokio::time::timeout(std::time::Duration::from_secs(20), begun.wait())
            .await
            .unwrap();
        begun.reopen();
    }

    /// Carries leased documents on, as a worker does.
    pub(super) async fn work(&self, documents: Vec<Document>) -> Vec<Result<(), String>> {
        let clerk = self.clerk();
        let mut done = Vec::new();
        for document in documents {
            let leased = tokio::time::Instant::now();
            let carried = clerk.carry_on(&document, leased).await;
            if let Err(failure) = &carried {
                put_off(&clerk, "NWI", &document, failure).await;
            }
            done.push(carried.map_err(|failure| told(&failure)));
        }
        done
    }

    /// Renders and sends all that is owed; what the buyer's system received.
    pub(super) async fn confirm(&self) -> Vec<String> {
        let due = self
            .stub
            .lease_all(canonical_model::document::Direction::Outbound);
        for done in self.work(due).await {
            assert_eq!(done, Ok(()));
        }
        for done in self.work(self.stub.lease_ready()).await {
            assert_eq!(done, Ok(()));
        }
        self.buyer.received()
    }
}

pub(super) fn request(document: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method("POST")
        .uri("/punchout/cxml")
        .header(header::HOST, "orders.example.com")
        .header(header::CONTENT_TYPE, "text/xml; charset=UTF-8")
        .body(document.into())
        .unwrap()
}

/// A document being put together.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) payload_id: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) sender: &'static str,
    pub(super) secret: &'static str,
    pub(super) test: bool,
    pub(super) asked: String,
}

impl Ask {
    pub(super) fn new(asked: impl Into<String>) -> Self {
        Self {
            payload_id: "p-1@buyer",
            from: "AN01-ACME",
            to: "AN01-NORTHWIND",
            sender: "AN01-ACME",
            secret: THEIR_SECRET,
            test: false,
            asked: asked.into(),
        }
    }

    /// An order of these lines, whose total is theirs.
    pub(super) fn order(kind: &str, lines: &[Line]) -> Self {
        let sum: rust_decimal::Decimal = lines.iter().map(Line::sum).sum();
        Self::order_of(kind, &format!("{sum}"), lines)
    }

    pub(super) fn order_of(kind: &str, total: &str, lines: &[Line]) -> Self {
        let lines: String = (1..)
            .zip(lines)
            .map(|(number, line)| line.xml(number))
            .collect();
        Self::new(format!(
            r#"<OrderRequest><OrderRequestHeader orderID="PO-1" orderDate="2026-03-02T10:00:00+01:00" type="{kind}">
<Total><Money currency="USD">{total}</Money></Total>
<ShipTo><Address addressID="21444"><Name xml:lang="en">Plant 1</Name></Address></ShipTo>
</OrderRequestHeader>{lines}</OrderRequest>"#
        ))
    }

    pub(super) fn named(self, payload_id: &'static str) -> Self {
        Self { payload_id, ..self }
    }

    pub(super) fn text(&self) -> String {
        let Self {
            payload_id,
            from,
            to,
            sender,
            secret,
            test,
            asked,
        } = self;
        let mode = if *test { "test" } else { "production" };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="{payload_id}" timestamp="2026-03-02T10:30:00+01:00">
<Header>
<From><Credential domain="NetworkID"><Identity>{from}</Identity></Credential></From>
<To><Credential domain="NetworkId"><Identity>{to}</Identity></Credential></To>
<Sender><Credential domain="NetworkId"><Identity>{sender}</Identity><SharedSecret>{secret}</SharedSecret></Credential><UserAgent>Test</UserAgent></Sender>
</Header>
<Request deploymentMode="{mode}">{asked}</Request>
</cXML>"#
        )
    }
}

/// A line of an order; sound, and as it left with the quote, unless a test spoils it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) part: &'static str,
    pub(super) buyer_part: &'static str,
    pub(super) lock: String,
    pub(super) quantity: &'static str,
    pub(super) unit: &'static str,
    pub(super) price: &'static str,
    pub(super) currency: &'static str,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            part: "SKU-0001",
            buyer_part: "",
            lock: format!("{}-1", quote().quote_id.0.simple()),
            quantity: "10",
            unit: "EA",
            price: "10.00",
            currency: "USD",
        }
    }
}

impl Line {
    fn sum(&self) -> rust_decimal::Decimal {
        let number = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
        number(self.quantity) * number(self.price)
    }

    pub(super) fn xml(&self, number: u32) -> String {
        let Self {
            part,
            buyer_part,
            lock,
            quantity,
            unit,
            price,
            currency,
        } = self;
        let element = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("<{name}>{text}</{name}>"),
        };
        let auxiliary = element("SupplierPartAuxiliaryID", lock);
        let buyers = element("BuyerPartID", buyer_part);
        format!(
            r#"<ItemOut quantity="{quantity}" lineNumber="{number}"><ItemID><SupplierPartID>{part}</SupplierPartID>{auxiliary}{buyers}</ItemID>
<ItemDetail><UnitPrice><Money currency="{currency}">{price}</Money></UnitPrice><Description xml:lang="en">Part</Description><UnitOfMeasure>{unit}</UnitOfMeasure><Classification domain="UNSPSC">31161500</Classification></ItemDetail></ItemOut>"#
        )
    }
}

/// What left: ten of SKU-0001 at ten dollars, delivered on 9 March.
pub(super) fn quote() -> Quote {
    serde_json::from_value(json!({
        "quote_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e", "account": "ACME", "ship_to": "ACME-01",
        "lines": [{"line": 1, "item": "SKU-0001", "quantity": {"value": "10", "unit": "EA"},
            "price": {"unit_price": {"amount": "10.0000", "currency": "USD", "unit": "EA"},
                "total": {"amount": "100.00", "currency": "USD"}, "basis": {"source": "record", "level": "list", "record": "1"}},
            "schedule": [{"site": "EAST", "quantity": {"value": "10", "unit": "EA"}, "ship_date": "2026-03-05",
                "promised_delivery_date": "2026-03-09", "cover": "stock"}],
            "problems": []}],
        "total": {"amount": "100.00", "currency": "USD"},
        "created_at": "2026-03-01T09:00:00Z", "expires_at": "2026-03-31T09:00:00Z", "state": "open",
        "decision_id": "00000000-0000-0000-0000-000000000000"
    }))
    .unwrap()
}

impl World {
    /// A world in which the cart has left.
    pub(super) async fn quoted(change: impl FnOnce(&str) -> String) -> Self {
        let world = Self::agreed(change).await;
        let quote = quote();
        world
            .stub
            .quotes
            .lock()
            .unwrap()
            .insert(quote.quote_id, quote);
        world
    }
}
