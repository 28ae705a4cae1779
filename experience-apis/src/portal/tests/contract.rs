//! The published contract is good enough to work from: a client can be generated and its examples can be sent.

use std::collections::BTreeSet;

use serde_json::Value;
use service_runtime::extract::parse_json;

use crate::{
    error::codes,
    portal::{
        mapping,
        shape::{
            basket::BasketCheckRequest, order::OrderRequest, quote::QuoteRequest,
            reservation::ReservationRequest,
        },
    },
    router,
};

fn contract() -> Value {
    serde_json::to_value(router::contract()).unwrap()
}

fn operations(contract: &Value) -> Vec<(String, &Value)> {
    let paths = contract["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations
        .filter(|(name, _)| name.contains("/portal/"))
        .collect()
}

#[test]
fn every_operation_is_named_described_and_secured() {
    let contract = contract();
    let operations = operations(&contract);
    assert_eq!(operations.len(), 29);
    let mut names = BTreeSet::new();
    for (place, operation) in operations {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        assert!(
            name.contains('_') && !operation["summary"].as_str().unwrap().is_empty(),
            "{place}"
        );
        assert_eq!(
            operation["security"][0]
                .as_object()
                .unwrap()
                .keys()
                .next()
                .unwrap(),
            "bearer"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.contains_key("401") && responses.contains_key("default"),
            "{place}"
        );
        for response in responses.values() {
            assert!(
                !response["description"].as_str().unwrap().is_empty(),
                "{place}"
            );
        }
        let good = responses
            .iter()
            .find(|(status, _)| status.starts_with('2'))
            .unwrap()
            .1;
        let is_stream = good["content"]["text/event-stream"].is_object();
        let says_nothing = responses.contains_key("204");
        assert!(
            is_stream
                || says_nothing
                || good["content"]["application/json"]["schema"]["$ref"].is_string(),
            "{place}"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].is_string(),
                "{place}: {}",
                parameter["name"]
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let contract = contract();
    let mut found = BTreeSet::new();
    references(&contract, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(contract.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_examples_can_be_sent_as_they_are() {
    let contract = contract();
    let example = |name: &str| {
        let example = &contract["components"]["schemas"][name]["example"];
        assert!(example.is_object(), "{name} has an example");
        example.to_string().into_bytes()
    };
    let account = || canonical_model::AccountId::new("ACME").unwrap();
    let basket: BasketCheckRequest = parse_json(&example("BasketCheckRequest")).unwrap();
    mapping::basket_request(basket, account()).unwrap();
    let quote: QuoteRequest = parse_json(&example("QuoteRequest")).unwrap();
    mapping::quote_request(quote, account()).unwrap();
    let reservation: ReservationRequest = parse_json(&example("ReservationRequest")).unwrap();
    mapping::reservation_request(reservation, account()).unwrap();
    let order: OrderRequest = parse_json(&example("OrderRequest")).unwrap();
    mapping::order_request(order, account()).unwrap();
}

#[test]
fn every_code_of_the_layer_has_its_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    for code in codes::ALL {
        let page = folder.join(format!("{}.md", code.code));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            text.contains(&format!("Status {};", code.status)),
            "{}",
            page.display()
        );
    }
}
