//! Several questions in one exchange.

use serde_json::{Value, json};

use super::Layer;

const COMPANY: &str = "/v1/companies/NWI";

async fn answer(layer: &Layer, path: &str, query: &Value) -> Value {
    let path = format!("{COMPANY}{path}");
    layer.post(&path, query).await.json().await.unwrap()
}

async fn read(layer: &Layer, path: &str) -> Value {
    let path = format!("{COMPANY}{path}");
    layer.get(&path).await.json().await.unwrap()
}

#[tokio::test]
async fn several_questions_are_answered_as_each_by_itself() {
    let layer = Layer::staged().await;
    let accounts = json!({"accounts": ["ACME-WEST", "NOBODY"]});
    let items = json!([{"scheme": "buyer_part_number", "value": "ACM-9001"}]);
    let products = json!({"account": "ACME", "items": items});
    let prices = json!({"account": "ACME", "items": ["SKU-0001", "NO-SUCH"]});
    let stock = json!({"items": ["SKU-0002", "SKU-0001"]});
    let credit = json!({"account": "ACME-WEST"});
    let together = json!({
        "capabilities": true, "accounts": accounts, "search": {"account": "ACME", "limit": 3}, "products": products,
        "prices": prices, "stock": stock, "credit": credit,
    });
    let together = answer(&layer, "/facts/query", &together).await;
    let expected = json!({
        "capabilities": read(&layer, "/capabilities").await,
        "accounts": {"answer": answer(&layer, "/accounts/query", &accounts).await},
        "search": {"answer": read(&layer, "/products?account=ACME&limit=3").await},
        "products": {"answer": answer(&layer, "/products/query", &products).await},
        "prices": {"answer": answer(&layer, "/prices/query", &prices).await},
        "stock": {"answer": answer(&layer, "/stock/query", &stock).await},
        "credit": {"answer": answer(&layer, "/credit/query", &credit).await},
    });
    assert_eq!(together, expected);
}

#[tokio::test]
async fn a_question_without_an_answer_leaves_the_others_theirs() {
    let layer = Layer::staged().await;
    let together = json!({
        "credit": {"account": "NOBODY"}, "search": {"limit": 0}, "stock": {"items": ["SKU-0001"]},
    });
    let together = answer(&layer, "/facts/query", &together).await;
    assert_eq!(together["credit"]["problem"]["code"], "backend-not-found");
    assert_eq!(together["credit"]["problem"]["status"], 404);
    let pointer = &together["search"]["problem"]["errors"][0]["pointer"];
    assert_eq!(pointer, "?limit", "{together:#}");
    let stock = together["stock"]["answer"]["stock"].as_array().unwrap();
    assert_eq!(stock.len(), 2);
    assert_eq!(together.get("accounts"), None);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let layer = Layer::staged().await;
    let path = format!("{COMPANY}/facts/query");
    let refused = layer.post(&path, &json!({"weather": {}})).await;
    super::problem(refused, 400, "invalid-request").await;
}
