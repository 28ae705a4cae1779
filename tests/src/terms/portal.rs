//! The terms as the portal tells them.

use serde_json::Value;

use super::{LineTerms, Part, Terms, by_day, number};

impl Terms {
    /// Of the portal's basket check, quote or order.
    pub fn of_portal(body: &Value) -> Self {
        let verdict = match (text(body, "/verdict"), texts(body, "/holds").is_empty()) {
            (Some(verdict), _) => verdict,
            (None, true) => "accept".to_owned(),
            (None, false) => "hold".to_owned(),
        };
        Self {
            verdict,
            ship_to: text(body, "/ship_to"),
            total: money(body, "/total"),
            lines: texts(body, "/lines").iter().map(line).collect(),
        }
    }
}

/// The entries of a list; none where there is no list.
pub fn texts(body: &Value, pointer: &str) -> Vec<Value> {
    let list = body.pointer(pointer).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn line(line: &Value) -> LineTerms {
    let parts = texts(line, "/schedule").into_iter().map(|part| Part {
        ships: text(&part, "/ship_date"),
        arrives: text(&part, "/promised_delivery_date"),
        quantity: number(&text(&part, "/quantity/value").unwrap_or_default()),
        covered: text(&part, "/cover").map(|cover| cover != "lead_time"),
    });
    let of = |field: &str| {
        let ordered = text(line, &format!("/ordered/{field}"));
        ordered.or_else(|| text(line, &format!("/quantity/{field}")))
    };
    LineTerms {
        item: text(line, "/item").unwrap_or_default(),
        quantity: number(&of("value").unwrap_or_default()),
        unit: of("unit").unwrap_or_default(),
        unit_price: number(&text(line, "/price/unit_price/amount").unwrap_or_default()),
        total: money(line, "/price/total"),
        parts: by_day(parts),
        refused: !texts(line, "/problems").is_empty(),
    }
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    let found = body.pointer(pointer)?;
    found.as_str().map(str::to_owned)
}

fn money(body: &Value, pointer: &str) -> Option<String> {
    let amount = text(body, &format!("{pointer}/amount"))?;
    let currency = text(body, &format!("{pointer}/currency"))?;
    Some(format!("{} {currency}", number(&amount)))
}
