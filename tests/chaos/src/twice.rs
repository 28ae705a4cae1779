//! Whose doing it was that an ERP made an order more than once, by the proxy's log of the calls: of ours, of the proxy, which
//! doubled a request under way or delivered one when it had been given up, or of nobody known.

use std::collections::BTreeMap;

use sandbox::fault::CallRecord;

use crate::outside::Records;

const CREATE: &str = "/erp/call/SALESORDER_CREATE";

/// An order that the ERP made more than once, and the creates that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Twice {
    /// What Orderway calls it.
    pub(crate) reference: String,
    /// The ERP's numbers.
    pub(crate) numbers: Vec<String>,
    /// The creates that we sent and that reached the ERP.
    pub(crate) ours: usize,
    /// Those that the proxy sent a second time.
    pub(crate) doubled: usize,
    /// Those that it delivered when nobody waited any more.
    pub(crate) late: usize,
    /// All of them, a line each.
    pub(crate) calls: Vec<String>,
}

impl Twice {
    /// Whether each of the ERP's orders has its create.
    pub(crate) fn is_explained(&self) -> bool {
        let calls = self.ours.saturating_add(self.doubled);
        calls.saturating_add(self.late) == self.numbers.len()
    }

    /// Its calls, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        let first = format!("{} is {:?} in the ERP", self.reference, self.numbers);
        std::iter::once(first)
            .chain(self.calls.iter().cloned())
            .collect()
    }
}

/// Every order that the ERP made more than once.
pub(crate) fn made_twice(records: &Records, log: &[CallRecord]) -> Vec<Twice> {
    let mut numbers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for order in &records.orders {
        let made = numbers.entry(&order.reference).or_default();
        made.push(order.number.clone());
    }
    numbers.retain(|_, made| made.len() > 1);
    numbers
        .into_iter()
        .map(|(reference, numbers)| of(reference, numbers, log))
        .collect()
}

fn of(reference: &str, numbers: Vec<String>, log: &[CallRecord]) -> Twice {
    let mut twice = Twice {
        reference: reference.to_owned(),
        numbers,
        ours: 0,
        doubled: 0,
        late: 0,
        calls: Vec::new(),
    };
    let creates = log
        .iter()
        .filter(|call| call.path == CREATE && call.subject.as_deref() == Some(reference));
    for call in creates {
        twice.calls.push(told(call));
        if !call.reached_backend {
            continue;
        }
        let fault = call.repeat_of.map(|first| fault_of(first, log));
        let count = match fault {
            None => &mut twice.ours,
            Some("duplicate") => &mut twice.doubled,
            Some(_) => &mut twice.late,
        };
        *count = count.saturating_add(1);
    }
    twice
}

fn fault_of(sequence: u64, log: &[CallRecord]) -> &str {
    let call = log.iter().find(|call| call.sequence == sequence);
    call.and_then(|call| call.fault.as_deref())
        .unwrap_or_default()
}

fn told(call: &CallRecord) -> String {
    let repeat = call
        .repeat_of
        .map(|first| format!(" by the proxy, again of {first}"))
        .unwrap_or_default();
    let fault = call.fault.as_deref().unwrap_or("no fault");
    let status = call
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let reached = if call.reached_backend { "" } else { "not " };
    format!(
        "call {}{repeat} at {} for {} ms: {fault}, {status}, {reached}delivered",
        call.sequence, call.wall, call.duration_ms
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(sequence: u64, repeat_of: Option<u64>, fault: Option<&str>, reached: bool) -> Value {
        json!({
            "sequence": sequence, "at_ms": 0, "at_us": 0, "wall": "2026-11-20T10:00:00Z", "method": "POST",
            "path": CREATE, "status": 200, "outcome": "forwarded", "reached_backend": reached, "fault": fault,
            "duration_ms": 1, "request_bytes": 1, "response_bytes": 1, "repeat_of": repeat_of, "subject": "OW1",
        })
    }

    fn twice(made: &[&str], calls: Vec<Value>) -> Vec<Twice> {
        let order = |number: &&str| {
            json!({
                "number": number, "reference": "OW1", "account": "ACME", "purchase_order_number": "PO-1",
                "blocked": false, "status": "open", "created_at": "2026-11-20T10:00:00Z", "lines": [],
            })
        };
        let orders = made.iter().map(order).collect();
        let records = Records {
            orders: serde_json::from_value(Value::Array(orders)).unwrap(),
            picks: Vec::new(),
        };
        let log: Vec<CallRecord> = serde_json::from_value(Value::Array(calls)).unwrap();
        made_twice(&records, &log)
    }

    #[test]
    fn each_create_of_an_order_that_was_made_twice_has_its_doer() {
        let doubled = twice(
            &["1", "2"],
            vec![
                call(1, None, Some("duplicate"), true),
                call(2, Some(1), None, true),
            ],
        );
        let [found] = doubled.as_slice() else {
            panic!("{doubled:?}");
        };
        assert_eq!((found.ours, found.doubled, found.late), (1, 1, 0));
        assert!(found.is_explained());
        let late = twice(
            &["1", "2"],
            vec![
                call(1, None, Some("deliver_late"), false),
                call(2, None, None, true),
                call(3, Some(1), None, true),
            ],
        );
        let [found] = late.as_slice() else {
            panic!("{late:?}");
        };
        assert_eq!((found.ours, found.doubled, found.late), (1, 0, 1));
        assert_eq!(found.calls.len(), 3);
    }

    #[test]
    fn an_order_without_its_create_is_not_explained_and_one_alone_is_none() {
        let found = twice(&["1", "2"], vec![call(1, None, None, true)]);
        assert!(!found[0].is_explained());
        assert!(twice(&["1"], vec![call(1, None, None, true)]).is_empty());
    }
}
