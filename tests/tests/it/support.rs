//! What several tests need: orders in few words, and the backends' records of them.

use rust_decimal::Decimal;
use sandbox::{
    erp::{OrderStatus, SalesOrder},
    fault::{Fault, FaultPlan, FaultRule},
};
use serde_json::{Value, json};
use tests::{Answer, World, until};

pub(crate) const CREATE: &str = "/erp/call/SALESORDER_CREATE";

/// An order of lines `(item, quantity, unit)`.
pub(crate) fn order(number: &str, lines: &[(&str, &str, &str)]) -> Value {
    let lines: Vec<Value> = lines.iter().map(|line| self::line(*line)).collect();
    json!({"purchase_order_number": number, "lines": lines})
}

/// A line in the portal's words.
pub(crate) fn line((item, quantity, unit): (&str, &str, &str)) -> Value {
    json!({"item": item, "quantity": {"value": quantity, "unit": unit}})
}

/// A decimal that a test knows to be one.
pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse()
        .unwrap_or_else(|_| panic!("no number: {text:?}"))
}

/// The ERP's orders of a purchase order that count: neither blocked nor cancelled.
pub(crate) fn live(world: &World, number: &str) -> Vec<SalesOrder> {
    let mut orders = world.estate.sandbox.erp.orders();
    orders.retain(|order| {
        order.purchase_order_number == number
            && !order.blocked
            && order.status != OrderStatus::Cancelled
    });
    orders
}

/// The one order of a purchase order in the ERP, once it counts there.
pub(crate) async fn the_live_one(world: &World, number: &str) -> anyhow::Result<SalesOrder> {
    until(&format!("{number} in the ERP"), async || {
        let mut live = live(world, number);
        anyhow::ensure!(live.len() < 2, "{number} is several orders: {live:?}");
        Ok(live.pop())
    })
    .await
}

/// Nothing of this path gets through until the plan is replaced.
pub(crate) fn outage(path: &str) -> FaultPlan {
    let fault = Fault::Status {
        status: 503,
        retry_after_s: None,
    };
    FaultPlan::of_rules(vec![FaultRule::new(path, fault)])
}

/// Everything of this path is told to come back in a second: it is certain that nothing was done.
pub(crate) fn throttled(path: &str) -> FaultPlan {
    let fault = Fault::Status {
        status: 429,
        retry_after_s: Some(1),
    };
    FaultPlan::of_rules(vec![FaultRule::new(path, fault)])
}

/// How often the one rule of a plan has struck.
pub(crate) fn struck(proxy: &sandbox::fault::FaultProxy) -> u64 {
    proxy.rules().iter().map(|rule| rule.applied).sum()
}

/// The answer, if its status is this one.
#[track_caller]
pub(crate) fn expect(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
}

/// The blocks of a document in a language, in order.
pub(crate) fn blocks(document: &str, language: &str) -> Vec<String> {
    let path = tests::root().join("docs").join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let opening = format!("\n```{language}\n");
    let blocks = text.split(&opening).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}
