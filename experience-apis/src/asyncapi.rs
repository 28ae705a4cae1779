//! The contract of the events, `AsyncAPI` 3.0: what is told, and by which ways it comes. Made from the types that the
//! events are written with; `experience-apis asyncapi` prints it.

use std::collections::BTreeMap;

use canonical_model::{
    Currency, Money, OrderId, OrderReference, Quantity, UnitOfMeasure,
    order::{LineQuantities, OrderStatus},
    public_event::{LineNews, OrderNews, PublicEvent, PublicEventPage, PublicEventType},
    shipment::{Shipment, ShipmentLine, ShipmentStatus},
};
use jiff::Timestamp;
use rust_decimal::{Decimal, dec};
use serde_json::{Map, Value, json};
use service_runtime::openapi::normalise;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

const FEED: &str = "Read page by page. `after` is the cursor: `next` of the page before, or the `position` of any event. \
`wait` holds the answer until there is something. Each page holds the events of the caller's accounts, oldest first.";
const STREAM: &str = "Server-Sent Events over one long answer: `data` is one event in a line of JSON, `id` the cursor after \
it. Comments are signs of life, and say why a stream ends. After a break send `Last-Event-ID`: the stream goes on without \
gap or repetition.";
const WEBHOOK: &str = "POST to an address that was subscribed at /portal/v1/webhooks; signed as Standard Webhooks say \
(`webhook-id`, `webhook-timestamp`, `webhook-signature`). Answer 2xx within 10 seconds; what fails is sent again for 72 \
hours, and may come twice, with the same `webhook-id`.";
const BUS: &str = "NATS JetStream, for systems of the seller: the events of all accounts. The message's `Nats-Msg-Id` is \
the event's id. An event may come twice, also long after; those of one order come in the order of `sequence`, except that \
earlier ones come again where the stream was purged or made anew.";

/// The document.
pub fn document() -> Value {
    let names: Vec<&str> = PublicEventType::ALL.iter().map(|kind| key(*kind)).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orderway events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What happens to orders, as CloudEvents 1.0 in JSON. Every way carries the same events; \
    docs/events.md tells which way is for whom. Events of one order come in the order of `sequence`; any event may come more \
    than once and is known again by `id`. Pass over types and fields that you do not know.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "portal": {"host": "orders.example.com", "protocol": "https", "description": "experience-apis",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}]},
            "bus": {"host": "nats.example.com:4222", "protocol": "nats", "description": "The NATS servers that `[bus]` of process-apis names"},
        },
        "channels": {
            "stream": channel("/portal/v1/events/stream", Some("portal"), "The event stream", STREAM, &names),
            "feed": {
                "address": "/portal/v1/events", "title": "The cursor feed", "description": FEED,
                "servers": [{"$ref": "#/servers/portal"}],
                "messages": {"page": {"$ref": "#/components/messages/page"}},
            },
            "webhook": channel("{url}", None, "A subscriber's address", WEBHOOK, &names),
            "bus": channel("orderway.{company}.{what}", Some("bus"), "The bus", BUS, &names),
        },
        "operations": {
            "streamEvents": operation("stream", "Streams what happens to the orders of the caller's accounts.",
                &json!({"http": {"method": "GET", "bindingVersion": "0.3.0"}}), &names),
            "listEvents": operation("feed", "Answers what has happened to the orders of the caller's accounts.",
                &json!({"http": {"method": "GET", "bindingVersion": "0.3.0"}}), &["page"]),
            "postEvent": operation("webhook", "Posts what happens to the orders of a subscription's accounts.",
                &json!({"http": {"method": "POST", "bindingVersion": "0.3.0"}}), &names),
            "publishEvent": operation("bus", "Publishes what happens to all orders.", &json!({}), &names),
        },
        "components": {
            "messages": messages(),
            "schemas": schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token with the scope orders:read"}},
        },
    })
}

/// The document as it is committed.
pub fn text() -> Result<String, serde_json::Error> {
    normalise(&document())
}

fn channel(
    address: &str,
    server: Option<&str>,
    title: &str,
    description: &str,
    names: &[&str],
) -> Value {
    let messages: Map<String, Value> = names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                json!({"$ref": format!("#/components/messages/{name}")}),
            )
        })
        .collect();
    let described = |name: &str| match name {
        "company" => {
            json!({"description": "The selling company; what is neither letter, digit nor `-` is written `_`", "examples": ["US01"]})
        }
        "what" => json!({"description": "The event's type, without prefix and version", "enum":
            PublicEventType::ALL.iter().map(|kind| kind.word()).collect::<Vec<_>>()}),
        _ => json!({"description": "As it was given with the subscription"}),
    };
    let parameters: Map<String, Value> = address
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| (name.to_owned(), described(name)))
        .collect();
    let mut channel = Map::new();
    let mut put = |name: &str, value| channel.insert(name.to_owned(), value);
    put("address", json!(address));
    put("title", json!(title));
    put("description", json!(description));
    put("messages", Value::Object(messages));
    if let Some(server) = server {
        put("servers", json!([{"$ref": format!("#/servers/{server}")}]));
    }
    if !parameters.is_empty() {
        put("parameters", Value::Object(parameters));
    }
    Value::Object(channel)
}

fn operation(channel: &str, summary: &str, bindings: &Value, names: &[&str]) -> Value {
    let messages: Vec<Value> = names
        .iter()
        .map(|name| json!({"$ref": format!("#/channels/{channel}/messages/{name}")}))
        .collect();
    json!({"action": "send", "channel": {"$ref": format!("#/channels/{channel}")}, "summary": summary,
        "bindings": bindings, "messages": messages})
}

/// A message's key: its word with nothing that a key may not hold.
fn key(kind: PublicEventType) -> &'static str {
    kind.word().trim_start_matches("order.")
}

fn messages() -> Map<String, Value> {
    let of = |kind: &PublicEventType| {
        let payload = json!({"allOf": [{"$ref": "#/components/schemas/PublicEvent"},
            {"type": "object", "properties": {"type": {"const": kind.name()}}}]});
        let message = json!({"name": kind.name(), "title": kind.word(), "summary": kind.meaning(),
            "contentType": "application/cloudevents+json", "payload": payload,
            "examples": [{"name": "example", "payload": example(*kind)}]});
        (key(*kind).to_owned(), message)
    };
    let mut messages: Map<String, Value> = PublicEventType::ALL.iter().map(of).collect();
    let page = json!({"name": "page", "title": "A page of events", "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/PublicEventPage"}});
    messages.insert("page".to_owned(), page);
    messages
}

fn schemas() -> BTreeMap<String, RefOr<Schema>> {
    let mut found = vec![
        (PublicEvent::name().into_owned(), PublicEvent::schema()),
        (
            PublicEventPage::name().into_owned(),
            PublicEventPage::schema(),
        ),
    ];
    PublicEvent::schemas(&mut found);
    PublicEventPage::schemas(&mut found);
    found.into_iter().collect()
}

/// Where an order of one line of `all` may stand after such an event: its status, its version and its line.
fn standing(kind: PublicEventType, all: Decimal) -> (OrderStatus, u64, LineQuantities) {
    use PublicEventType as T;
    let mut line = LineQuantities::default();
    let (status, version, part) = match kind {
        T::Received | T::ProvisionallyAccepted | T::Revalidated | T::HoldReleased => {
            (OrderStatus::Received, 1, &mut line.open)
        }
        T::Held => (OrderStatus::Held, 2, &mut line.open),
        T::Accepted | T::CancelRequested | T::CancelRefused => {
            (OrderStatus::Accepted, 3, &mut line.allocated)
        }
        T::Released => (OrderStatus::Released, 5, &mut line.released),
        T::Picked => (OrderStatus::Released, 6, &mut line.picked),
        T::Packed => (OrderStatus::Released, 7, &mut line.packed),
        T::Shipped => (OrderStatus::Shipped, 8, &mut line.shipped),
        T::Rejected => (OrderStatus::Rejected, 3, &mut line.rejected),
        T::Cancelled | T::Replaced | T::ReplacementRefused => {
            (OrderStatus::Cancelled, 4, &mut line.cancelled)
        }
    };
    *part = all;
    (status, version, line)
}

/// The shipment of an event that is about one.
fn shipment(kind: PublicEventType, all: Decimal) -> Option<Shipment> {
    use PublicEventType as T;
    let (packed, shipped) = match kind {
        T::Picked => (Decimal::ZERO, Decimal::ZERO),
        T::Packed => (all, Decimal::ZERO),
        T::Shipped => (all, all),
        _ => return None,
    };
    let lines = vec![ShipmentLine {
        line: 1,
        picked: all,
        packed,
        shipped,
    }];
    Some(Shipment {
        shipment: "SH-100001-1".parse().ok()?,
        site: "CHI".parse().ok()?,
        status: ShipmentStatus::of(&lines),
        version: if kind == T::Shipped { 3 } else { 1 },
        lines,
        carrier: Some("UPS".to_owned()),
        tracking_numbers: vec!["1Z999AA10123456784".to_owned()],
        ssccs: Vec::new(),
        updated_at: Timestamp::from_second(1_795_176_000).ok()?,
    })
}

/// An order of twelve, as it may stand after such an event.
fn example(kind: PublicEventType) -> Option<PublicEvent> {
    let order_id = OrderId(Uuid::from_u128(0x0199_e0a4_6c1f_7d3a_9a55_0c6f_4f1d_2b7e));
    let quantity = dec!(12);
    let (status, version, quantities) = standing(kind, quantity);
    let ordered = Quantity::new(quantity, UnitOfMeasure::EACH);
    let line = LineNews {
        line: 1,
        buyer_line: Some("10".to_owned()),
        item: "SKU-0001".parse().ok(),
        ordered,
        promised_delivery_date: "2026-12-03".parse().ok(),
        quantities,
    };
    let account = "ACME".parse().ok()?;
    let data = OrderNews {
        order_id,
        order_reference: OrderReference::of(order_id),
        sales_order_number: (version > 2).then(|| "0000004711".parse().ok()).flatten(),
        purchase_order_number: "PO-4711".parse().ok()?,
        release_number: None,
        channel: "portal".to_owned(),
        status,
        version,
        total: Money::new(dec!(120.00), Currency::USD),
        provisional: kind == PublicEventType::ProvisionallyAccepted,
        holds: Vec::new(),
        lines: vec![line],
        site: None,
        shipment: shipment(kind, quantity),
        replaces: None,
        replaced_by: None,
    };
    Some(PublicEvent {
        specversion: "1.0".to_owned(),
        id: Uuid::from_u128(0x0199_e0a4_7b20_7c11_8f21_53c7_1f0a_6e02),
        source: "/companies/US01".to_owned(),
        event_type: kind.name().to_owned(),
        subject: order_id.to_string(),
        time: Timestamp::from_second(1_795_176_000).ok()?,
        datacontenttype: "application/json".to_owned(),
        sequence: version,
        position: 1_042,
        account,
        correlationid: "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e".to_owned(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place that a document refers to.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.clone());
                }
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_type_is_a_message_of_every_way_with_an_example_that_reads_back() {
        let document = document();
        for kind in PublicEventType::ALL {
            let name = key(*kind);
            for channel in ["stream", "webhook", "bus"] {
                let message = format!("/channels/{channel}/messages/{name}");
                assert!(document.pointer(&message).is_some(), "{message}");
            }
            let message = &document["components"]["messages"][name];
            let example = &message["examples"][0]["payload"];
            let read: PublicEvent = serde_json::from_value(example.clone()).unwrap();
            assert_eq!(read.event_type, kind.name());
            assert!(
                read.data
                    .lines
                    .iter()
                    .all(|line| line.quantities.balances(line.ordered.value))
            );
        }
    }

    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/asyncapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(committed, text().unwrap(), "`just openapi` writes it");
    }
}
