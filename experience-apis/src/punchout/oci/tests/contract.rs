//! What the contract says of the call is what is served.

use http::StatusCode;
use serde_json::{Value, json};

use super::world::{World, call};

fn operation(path: &str, method: &str) -> Value {
    let contract = serde_json::to_value(crate::router::contract()).unwrap();
    contract["paths"][path][method].clone()
}

fn query_field(name: &str) -> Value {
    let spec = operation("/punchout/oci/{partner}", "get");
    let fields = spec["parameters"].as_array().unwrap();
    let found = fields.iter().find(|field| field["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

#[test]
fn a_login_stands_in_the_header_or_in_the_fields() {
    for (path, method) in [
        ("/punchout/oci/{partner}", "get"),
        ("/punchout/oci/{partner}", "post"),
        ("/punchout/oci/{partner}/orders", "post"),
    ] {
        let spec = operation(path, method);
        assert_eq!(spec["security"], json!([{"basic": []}, {}]), "{path}");
        assert!(spec["responses"]["504"].is_object(), "{path}");
    }
    for name in ["USERNAME", "PASSWORD"] {
        assert_eq!(query_field(name)["required"], false, "{name}");
    }
    assert_eq!(query_field("HOOK_URL")["required"], true);
}

#[tokio::test]
async fn every_value_that_the_contract_names_is_taken() {
    let world = World::new().await;
    world.answers("GET /v1/products", 200, json!({"items": []}));
    world.answers("POST /v1/quotes", 201, super::world::quote("10"));
    let mut tried = 0;
    for name in ["FUNCTION", "http_content_charset"] {
        let field = query_field(name);
        for value in field["schema"]["enum"].as_array().unwrap() {
            let fields = [
                (name, value.as_str().unwrap()),
                ("PRODUCTID", "SKU-0001"),
                ("QUANTITY", "10"),
                ("SEARCHSTRING", "gloves"),
            ];
            let answer = world.get(&call(&fields)).await;
            let is_good = [StatusCode::OK, StatusCode::SEE_OTHER].contains(&answer.status);
            assert!(is_good, "{name} {value}: {}", answer.text());
            tried += 1;
        }
    }
    assert_eq!(tried, 7);
}
