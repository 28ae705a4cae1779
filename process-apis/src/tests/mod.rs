//! The order path of the layer as a whole, over `SQLite` and an ERP that misbehaves as told: orders are counted in the
//! ERP, never in our own tables.

mod erp;
mod harness;
mod holds;
mod taking;
mod unsettled;

#[test]
fn every_error_code_is_unique_and_has_its_page() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
    let mut seen = std::collections::BTreeSet::new();
    for code in crate::error::ALL {
        assert!(seen.insert(code.code), "{} is declared twice", code.code);
        let page = std::fs::read_to_string(format!("{pages}/{}.md", code.code));
        let page = page.unwrap_or_else(|error| panic!("docs/errors/{}.md: {error}", code.code));
        assert!(
            page.starts_with(&format!("# {}", code.code)),
            "{}.md opens with its code",
            code.code
        );
        assert!(
            page.contains(&code.status.to_string()),
            "{}.md names its status",
            code.code
        );
    }
}

#[test]
fn every_operation_of_orders_and_holds_is_in_the_contract() {
    let contract = serde_json::to_value(crate::router::contract()).unwrap();
    let operations = [
        ("/v1/orders", "post", "create_order"),
        ("/v1/orders", "get", "list_orders"),
        ("/v1/orders/{order_id}", "get", "get_order"),
        ("/v1/orders/{order_id}/cancel", "post", "cancel_order"),
        ("/v1/orders/{order_id}/retry", "post", "retry_order"),
        (
            "/v1/orders/{order_id}/holds/{hold}/release",
            "post",
            "release_hold",
        ),
        ("/v1/holds", "get", "list_holds"),
    ];
    for (path, method, operation) in operations {
        let found = &contract["paths"][path][method];
        assert_eq!(found["operationId"], operation, "{method} {path}");
        assert!(
            found["responses"]["default"].is_object(),
            "{method} {path} can answer a problem"
        );
    }
}
