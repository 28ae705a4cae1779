//! The contracts are good enough to generate clients from: what a generator turns into names, types and comments is
//! there, and reads well.

use serde_json::Value;

use crate::{
    contracts::{Operation, committed, operations},
    findings::Findings,
};

const LAYERS: [&str; 3] = ["experience-apis", "process-apis", "system-apis"];

fn contract(layer: &str) -> Value {
    serde_json::from_str(&committed(layer)).unwrap()
}

/// Whether a schema says what it is for, itself or by what it refers to.
fn is_described(contract: &Value, schema: &Value) -> bool {
    let says = schema["description"]
        .as_str()
        .is_some_and(|text| text.trim().len() > 2);
    let target = schema["$ref"]
        .as_str()
        .and_then(|target| contract.pointer(target.strip_prefix('#')?));
    let alternatives = ["oneOf", "anyOf", "allOf"].into_iter();
    let mut alternatives = alternatives.flat_map(|of| schema[of].as_array().into_iter().flatten());
    // A tag of alternatives has one value, and that says it.
    let is_tag =
        schema["const"].is_string() || schema["enum"].as_array().is_some_and(|all| all.len() == 1);
    says || is_tag
        || target.is_some_and(|target| is_described(contract, target))
        || alternatives.any(|one| is_described(contract, one))
}

/// Every place of a schema that has properties: itself and its alternatives.
fn with_properties(schema: &Value) -> Vec<&Value> {
    let alternatives = ["oneOf", "anyOf", "allOf"].into_iter();
    let alternatives = alternatives.flat_map(|of| schema[of].as_array().into_iter().flatten());
    std::iter::once(schema)
        .chain(alternatives)
        .filter(|one| one["properties"].is_object())
        .collect()
}

#[test]
fn every_type_and_property_says_what_it_is() {
    let mut findings = Findings::default();
    for layer in LAYERS {
        let contract = contract(layer);
        let schemas = contract["components"]["schemas"].as_object().unwrap();
        for (name, schema) in schemas {
            let case = format!("{layer} {name}");
            findings.check(
                &case,
                is_described(&contract, schema),
                "it is not described",
            );
            let reads_well = name.starts_with(|first: char| first.is_ascii_uppercase())
                && name.chars().all(|one| one.is_ascii_alphanumeric());
            findings.check(&case, reads_well, "it is no name of a type");
            for place in with_properties(schema) {
                for (property, schema) in place["properties"].as_object().unwrap() {
                    let described = is_described(&contract, schema);
                    findings.check(&case, described, format!("`{property}` is not described"));
                }
            }
        }
        findings.check(layer, schemas.len() > 20, "hardly any schema was found");
    }
    findings.none();
}

#[test]
fn every_parameter_says_what_it_is_and_every_operation_is_named_by_what_it_does() {
    let mut findings = Findings::default();
    for layer in LAYERS {
        for operation in operations(&contract(layer)) {
            let case = format!("{layer} {}", operation.id);
            for parameter in operation.spec["parameters"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let says = parameter["description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 2);
                findings.check(
                    &case,
                    says,
                    format!("{} is not described", parameter["name"]),
                );
            }
            let words: Vec<_> = operation.id.split('_').collect();
            let is_plain = |word: &&str| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
            };
            let reads_well = words.len() > 1 && words.iter().all(is_plain);
            findings.check(&case, reads_well, "its id is no <verb>_<thing>");
        }
    }
    findings.none();
}

/// What partners and storefronts work from: bodies have types with examples, and what can go wrong is told apart.
#[test]
fn what_partners_send_has_a_type_and_an_example_and_its_faults_are_listed() {
    let contract = contract("experience-apis");
    let mut findings = Findings::default();
    let mut bodies = 0;
    for operation in operations(&contract) {
        let refusals = operation.spec["responses"].as_object().unwrap();
        let refusals = refusals.keys().filter(|status| status.starts_with('4'));
        findings.check(&operation.id, refusals.count() > 0, "no refusal is listed");
        let content = operation.spec["requestBody"]["content"].as_object();
        for (kind, body) in content.into_iter().flatten() {
            if kind == "application/json" {
                bodies += 1;
                typed_with_example(&mut findings, &contract, &operation, body);
            }
        }
    }
    findings.check(
        "all",
        bodies >= 4,
        format!("only {bodies} bodies were found"),
    );
    findings.none();
}

fn typed_with_example(
    findings: &mut Findings,
    contract: &Value,
    operation: &Operation,
    body: &Value,
) {
    let target = body["schema"]["$ref"].as_str();
    let Some(schema) = target.and_then(|target| contract.pointer(target.strip_prefix('#')?)) else {
        findings.check(&operation.id, false, "its body is a type without a name");
        return;
    };
    let has = |one: &Value| !one["example"].is_null() || !one["examples"].is_null();
    findings.check(
        &operation.id,
        has(body) || has(schema),
        "its body has no example",
    );
}
