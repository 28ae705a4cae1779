//! Each layer's contract: served, committed and routed are one, and it says what a caller needs.

use std::{collections::BTreeMap, fs};

use reqwest::Method;
use serde_json::Value;
use service_runtime::{
    context::{CONTEXT_HEADER, Hop, LayerIdentity},
    openapi::normalise,
};
use tests::{Answer, World};

use crate::findings::{
    EXPERIENCE_TO_PROCESS, Findings, PROCESS_TO_SYSTEM, answer_of, generous_world, shortened,
    signed,
};

/// An operation of a contract.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) spec: Value,
}

/// Every operation of a contract.
pub(crate) fn operations(contract: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, spec) in item.as_object().unwrap() {
            let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else {
                continue;
            };
            if spec["responses"].is_object() {
                let id = spec["operationId"].as_str().unwrap_or_default().to_owned();
                found.push(Operation {
                    method,
                    path: path.clone(),
                    id,
                    spec: spec.clone(),
                });
            }
        }
    }
    found
}

/// The operations of the portal.
pub(crate) fn of_the_portal() -> Vec<Operation> {
    let contract = serde_json::from_str(&committed("experience-apis")).unwrap();
    let mut found = operations(&contract);
    found.retain(|operation| operation.path.starts_with("/portal/v1"));
    found
}

/// A path whose parameters, where any are left, name what is not there.
pub(crate) fn filled(path: &str) -> String {
    let parts = path.split(['{', '}']).enumerate();
    parts
        .map(|(index, part)| if index % 2 == 1 { NOBODY } else { part })
        .collect()
}

const NOBODY: &str = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e";

impl Operation {
    /// Whether it takes a header of this name.
    pub(crate) fn takes(&self, header: &str) -> bool {
        let parameters = self.spec["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|one| one["in"] == "header")
            .any(|one| one["name"] == header)
    }
}

/// The body that an operation of the portal wants: the example of its contract.
pub(crate) fn example_body(operation: &Operation) -> Option<Value> {
    let schema = &operation.spec["requestBody"]["content"]["application/json"]["schema"];
    let place = schema["$ref"].as_str()?.strip_prefix('#')?;
    let contract: Value = serde_json::from_str(&committed("experience-apis")).unwrap();
    let schema = contract.pointer(place);
    schema.map(|schema| schema["example"].clone())
}

/// The committed contract of a layer, as text.
pub(crate) fn committed(layer: &str) -> String {
    let path = tests::root().join(format!("openapi/{layer}.json"));
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `just openapi` writes it", path.display()))
}

fn from_code() -> [(&'static str, String); 3] {
    [
        (
            experience_apis::LAYER,
            normalise(&experience_apis::router::contract()).unwrap(),
        ),
        (
            process_apis::LAYER,
            normalise(&process_apis::router::contract()).unwrap(),
        ),
        (
            system_apis::LAYER,
            normalise(&system_apis::router::contract()).unwrap(),
        ),
    ]
}

fn base_url<'a>(world: &'a World, layer: &str) -> &'a str {
    match layer {
        experience_apis::LAYER => &world.estate.experience_url,
        process_apis::LAYER => &world.estate.process_url,
        _ => &world.estate.system_url,
    }
}

#[test]
fn what_is_committed_is_what_the_code_says() {
    for (layer, code) in from_code() {
        assert!(
            committed(layer) == code,
            "openapi/{layer}.json is not what the code says: run `just openapi`"
        );
    }
}

#[test]
fn every_operation_is_named_and_explained() {
    let mut findings = Findings::default();
    for (layer, text) in from_code() {
        let contract: Value = serde_json::from_str(&text).unwrap();
        findings.check(
            layer,
            contract["openapi"] == "3.1.0",
            "it is not OpenAPI 3.1",
        );
        let mut seen = BTreeMap::new();
        for operation in operations(&contract) {
            let case = format!("{layer} {} {}", operation.method, operation.path);
            if let Some(other) = seen.insert(operation.id.clone(), case.clone()) {
                findings.check(&case, false, format!("its operationId is that of {other}"));
            }
            explained(&mut findings, &case, &operation, &contract);
        }
        findings.check(layer, seen.len() > 10, "hardly any operation was found");
    }
    findings.none();
}

/// Where the credential is no header: in the link to the shop, or in the document; and what is no secret.
fn brings_its_own(path: &str) -> bool {
    let places = ["/punchout/shop/", "/punchout/cxml", "/punchout/assets/"];
    places.iter().any(|place| path.starts_with(place))
}

fn explained(findings: &mut Findings, case: &str, operation: &Operation, contract: &Value) {
    let spec = &operation.spec;
    let says = |value: &Value| value.as_str().is_some_and(|text| text.trim().len() > 2);
    findings.check(case, !operation.id.is_empty(), "it has no operationId");
    findings.check(case, says(&spec["summary"]), "it has no summary");
    findings.check(
        case,
        spec["tags"].as_array().is_some_and(|tags| !tags.is_empty()),
        "it has no tag",
    );
    let security = if spec["security"].is_array() {
        &spec["security"]
    } else {
        &contract["security"]
    };
    let named = security
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|needs| needs.as_object().into_iter().flatten());
    let schemes: Vec<_> = named.map(|(scheme, _)| scheme.clone()).collect();
    findings.check(
        case,
        !schemes.is_empty() || brings_its_own(&operation.path),
        "anybody may call it",
    );
    for scheme in schemes {
        findings.check(
            case,
            contract["components"]["securitySchemes"][&scheme].is_object(),
            format!("no scheme {scheme}"),
        );
    }
    let responses = spec["responses"].as_object().unwrap();
    findings.check(
        case,
        responses
            .keys()
            .any(|status| status.starts_with('2') || status == "303"),
        "it has no good answer",
    );
    for (status, response) in responses {
        findings.check(
            case,
            says(&response["description"]),
            format!("answer {status} is not described"),
        );
        let is_problem = status == "default" || status.starts_with(['4', '5']);
        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
        // In the shop, people are told by a page.
        let is_page = operation.path.starts_with("/punchout/shop/")
            && response["content"]["text/html"].is_object();
        findings.check(
            case,
            !is_problem || is_page || schema == "#/components/schemas/Problem",
            format!("answer {status} is no Problem"),
        );
    }
    findings.check(
        case,
        responses.contains_key("default"),
        "it does not say what else may come",
    );
    let named_in_path: Vec<_> = operation
        .path
        .split(['{', '}'])
        .skip(1)
        .step_by(2)
        .collect();
    for name in named_in_path {
        let parameters = spec["parameters"].as_array().into_iter().flatten();
        let declared = parameters
            .filter(|one| one["in"] == "path" && one["name"] == name)
            .count();
        findings.check(
            case,
            declared == 1,
            format!("the path's `{name}` is declared {declared} times"),
        );
    }
}

/// Every reference in a contract leads somewhere, and no example is empty.
#[test]
fn references_lead_somewhere_and_examples_are_there() {
    let mut findings = Findings::default();
    for (layer, text) in from_code() {
        let contract: Value = serde_json::from_str(&text).unwrap();
        walk(&contract, "", &mut |place, value| {
            if let Some(target) = value["$ref"].as_str() {
                let there = target
                    .strip_prefix('#')
                    .and_then(|pointer| contract.pointer(pointer));
                findings.check(
                    layer,
                    there.is_some(),
                    format!("{place} leads to {target}, which is not there"),
                );
            }
            let is_schema = value["properties"].is_object() && value["required"].is_array();
            if let (true, Some(example)) = (is_schema, value["example"].as_object()) {
                for name in value["required"].as_array().into_iter().flatten() {
                    let name = name.as_str().unwrap();
                    findings.check(
                        layer,
                        example.contains_key(name),
                        format!("the example at {place} lacks {name}"),
                    );
                }
                for name in example.keys() {
                    let known = value["properties"].get(name).is_some();
                    findings.check(
                        layer,
                        known,
                        format!("the example at {place} has {name}, which there is not"),
                    );
                }
            }
        });
    }
    findings.none();
}

fn walk(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Value)) {
    if let Value::Object(members) = value {
        visit(place, value);
        for (name, member) in members {
            walk(member, &format!("{place}/{name}"), visit);
        }
    } else if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            walk(item, &format!("{place}/{index}"), visit);
        }
    }
}

#[tokio::test]
async fn the_contracts_are_served_routed_and_explorable_without_a_network() {
    let world = generous_world().await;
    let mut findings = Findings::default();
    for (layer, code) in from_code() {
        let base = base_url(&world, layer);
        let served = answer_of(world.http.get(format!("{base}/openapi.json"))).await;
        findings.check(
            layer,
            served.text == code,
            "what is served is not what the code says",
        );
        findings.check(
            layer,
            served.header("content-type") == "application/json",
            "it is not served as JSON",
        );
        routed(&mut findings, &world, layer, &served.json()).await;
        explorable(&mut findings, &world, layer).await;
    }
    findings.none();
    world.stop().await.unwrap();
}

/// The body of the fallback for what is not routed.
const NO_ROUTE: [u16; 2] = [404, 405];

/// A route that exists asks for a credential first: without one it answers 401, where the fallback says 404 or 405.
/// With one, a method that is not offered is 405 and names those that are.
async fn routed(findings: &mut Findings, world: &World, layer: &str, contract: &Value) {
    let base = base_url(world, layer);
    let fill = |path: &str| {
        let parts = path.split(['{', '}']).enumerate();
        parts
            .map(|(index, part)| match part {
                // Who is not known is not asked for a signature.
                "system" if index % 2 == 1 => "warehouse",
                _ if index % 2 == 1 => "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e",
                part => part,
            })
            .collect::<String>()
    };
    for operation in operations(contract) {
        let case = format!("{layer} {} {}", operation.method, operation.path);
        let url = format!("{base}{}", fill(&operation.path));
        let answer = answer_of(world.http.request(operation.method.clone(), &url)).await;
        if brings_its_own(&operation.path) {
            brought(findings, &case, &operation.path, &answer);
            continue;
        }
        findings.check(
            &case,
            !NO_ROUTE.contains(&answer.status.as_u16()),
            format!("it is not routed: {}", answer.status),
        );
        findings.problem(&case, &answer, 401, "unauthenticated");
    }
    let nowhere = answer_of(world.http.get(format!("{base}/no/such/place"))).await;
    findings.problem(
        &format!("{layer}, what is not routed"),
        &nowhere,
        404,
        "not-found",
    );
    let token = world
        .estate
        .sandbox
        .issuer
        .forge()
        .token("acme-buyer")
        .unwrap();
    for path in contract["paths"].as_object().unwrap().keys() {
        let mut wrong = world
            .http
            .request(Method::PATCH, format!("{base}{}", fill(path)));
        match context_for(layer) {
            Some(context) => wrong = wrong.header(CONTEXT_HEADER, context),
            None => wrong = wrong.bearer_auth(&token),
        }
        let answer = answer_of(wrong).await;
        findings.problem(
            &format!("{layer} PATCH {path}"),
            &answer,
            405,
            "method-not-allowed",
        );
        findings.check(
            &format!("{layer} PATCH {path}"),
            !answer.header("allow").is_empty(),
            "Allow is not there",
        );
    }
}

/// A link that is none leads to a page that says so, what is no document is told by a problem, and an asset that there
/// is not is as absent as anything.
fn brought(findings: &mut Findings, case: &str, path: &str, answer: &Answer) {
    if path.starts_with("/punchout/cxml") {
        findings.problem(case, answer, 415, "unsupported-media-type");
    } else if path.starts_with("/punchout/assets/") {
        findings.problem(case, answer, 404, "not-found");
    } else {
        let is_page = answer.header("content-type").starts_with("text/html");
        let told = format!("{} {}", answer.status, shortened(&answer.text));
        findings.check(case, answer.status == 404 && is_page, told);
    }
}

fn context_for(layer: &str) -> Option<String> {
    use LayerIdentity::{ExperienceApis, ProcessApis, SystemApis};
    match layer {
        process_apis::LAYER => Some(signed(
            Hop {
                from: ExperienceApis,
                to: ProcessApis,
            },
            EXPERIENCE_TO_PROCESS,
        )),
        system_apis::LAYER => Some(signed(
            Hop {
                from: ProcessApis,
                to: SystemApis,
            },
            PROCESS_TO_SYSTEM,
        )),
        _ => None,
    }
}

/// The explorer's page and everything it loads come from the layer itself, and its policy lets nothing else in.
async fn explorable(findings: &mut Findings, world: &World, layer: &str) {
    let base = base_url(world, layer);
    let page = answer_of(world.http.get(format!("{base}/docs/"))).await;
    findings.check(
        layer,
        page.status == 200,
        format!("/docs/ is {}", page.status),
    );
    let policy = page.header("content-security-policy");
    findings.check(
        layer,
        policy.contains("default-src 'self'") && !policy.contains("http"),
        format!("the page's policy is {policy:?}"),
    );
    let parts = page.text.split('"').filter(|text| {
        let local =
            text.starts_with("./") || text.starts_with("swagger") || text.starts_with("/docs");
        local && text.contains('.')
    });
    let parts: Vec<_> = parts
        .map(|part| {
            part.trim_start_matches("./")
                .trim_start_matches("/docs/")
                .to_owned()
        })
        .collect();
    findings.check(layer, parts.len() >= 3, format!("the page loads {parts:?}"));
    for attribute in [
        "src=\"http",
        "href=\"http",
        "src=\"//",
        "href=\"//",
        "@import",
        "url(http",
    ] {
        findings.check(
            layer,
            !page.text.contains(attribute),
            format!("the page asks another host: {attribute}"),
        );
    }
    for part in parts {
        let answer = answer_of(world.http.get(format!("{base}/docs/{part}"))).await;
        findings.check(
            layer,
            answer.status == 200,
            format!("/docs/{part} is {}", answer.status),
        );
        let is_start = part.contains("initializer");
        findings.check(
            layer,
            !is_start || !answer.text.contains("http"),
            format!("it starts elsewhere: {}", shortened(&answer.text)),
        );
        findings.check(
            layer,
            !is_start || answer.text.contains("/openapi.json"),
            "it does not show the layer's contract",
        );
    }
}
