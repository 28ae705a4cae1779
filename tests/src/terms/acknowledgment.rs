//! The terms as an X12 855 tells them.

use super::{LineTerms, Part, Terms, by_day, number, un_ece};
use crate::x12::Acknowledged;

impl Terms {
    /// Of an 855. It says neither totals nor the place, and of parts the day they leave.
    pub fn of_acknowledgment(read: &Acknowledged) -> Self {
        let verdict = match read.kind.as_str() {
            "AH" => "hold",
            "RD" | "RJ" => "reject",
            _ => "accept",
        };
        let lines = read.lines.iter().map(|line| {
            let refused = line.parts.iter().all(|(status, _, _)| status == "IR");
            let parts = line.parts.iter().filter_map(|(status, quantity, day)| {
                Some(Part {
                    ships: Some(day.as_ref()?.to_string()),
                    arrives: None,
                    quantity: number(quantity),
                    covered: Some(status != "IB"),
                })
            });
            let sound = |text: &str| if refused { String::new() } else { number(text) };
            LineTerms {
                item: sound(&line.product),
                quantity: number(&line.quantity),
                unit: un_ece(&line.unit),
                unit_price: sound(&line.unit_price),
                total: None,
                parts: by_day(parts),
                refused,
            }
        });
        Self {
            verdict: verdict.to_owned(),
            ship_to: None,
            total: None,
            lines: lines.collect(),
        }
    }
}
