//! What is written to a sale so that its lines are what an amendment says.

use std::collections::BTreeMap;

use canonical_model::erp_order::{AmendErpOrder, ErpLineAmendment, ErpOrderLine, ErpOrderState};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{
    super::wire,
    orders::{goods, noted_anew, order, refused},
};
use crate::{
    connector::ConnectorError,
    tryton::values::{Count, Day},
};

/// The values to write; nothing where the sale stands so already. A price is never among them: Tryton keeps the one that
/// the line has, whatever its quantity becomes.
pub(in super::super) fn amendment(
    row: &wire::Sale,
    wanted: &AmendErpOrder,
) -> Result<Option<Value>, ConnectorError> {
    let (_number, order) =
        order(row).map_err(|implausible| ConnectorError::Protocol(implausible.into()))?;
    if order.state == ErpOrderState::Cancelled {
        return Err(refused("The order is cancelled: order anew."));
    }
    let by_numbers = |line: &ErpLineAmendment| (line.line, line.order_line);
    let lines = wanted.lines.iter();
    let mut left: BTreeMap<_, _> = lines.map(|line| (by_numbers(line), line)).collect();
    let (mut commands, mut gone, mut stays) = (Vec::new(), Vec::new(), Vec::new());
    for (line, record) in order.lines.iter().zip(goods(row)) {
        let Some(wanted) = left.remove(&(line.line, line.order_line)) else {
            stays.push((line, line.ship_date));
            continue;
        };
        if wanted.takes_away() {
            gone.push(record.id);
            continue;
        }
        stays.push((line, wanted.ship_date.unwrap_or(line.ship_date)));
        let values = line_values(line, record, wanted)?;
        if !values.is_empty() {
            commands.push(json!(["write", [record.id], values]));
        }
    }
    if let Some(line) = left.values().find(|line| {
        let mut there = order.lines.iter();
        !line.takes_away() || there.any(|one| one.line == line.line)
    }) {
        let (number, part_of) = (line.line, line.order_line);
        return Err(refused(format!(
            "The ERP's order has no line {number} that is part of order line {part_of}: read the order again."
        )));
    }
    if !gone.is_empty() {
        if stays.is_empty() {
            return Err(refused(
                "An order keeps at least one line: cancel it instead.",
            ));
        }
        commands.push(json!(["delete", gone]));
    }
    if commands.is_empty() {
        return Ok(None);
    }
    if order.state != ErpOrderState::Blocked {
        return Err(refused(
            "The ERP amends an order until it is released, and this one is: cancel it and order anew, or amend it in the ERP.",
        ));
    }
    let mut values = Map::from_iter([("lines".to_owned(), json!(commands))]);
    // The day of the whole order follows our first line, as it did when the order was created.
    let was = first_day(order.lines.iter().map(|line| (line, line.ship_date)));
    if let Some(first) = first_day(stays).filter(|first| Some(*first) != was) {
        values.insert("shipping_date".to_owned(), json!(Day(first)));
    }
    Ok(Some(Value::Object(values)))
}

/// The first day of our lines: one that was entered by hand goes with the order.
fn first_day<'a>(lines: impl IntoIterator<Item = (&'a ErpOrderLine, Date)>) -> Option<Date> {
    let ours = lines.into_iter().filter(|(line, _)| line.order_line != 0);
    ours.map(|(_, day)| day).min()
}

/// What changes of a line.
fn line_values(
    line: &ErpOrderLine,
    record: &wire::SaleLine,
    wanted: &ErpLineAmendment,
) -> Result<Map<String, Value>, ConnectorError> {
    let mut values = Map::new();
    let number = line.line;
    if let Some(quantity) = wanted.quantity {
        let (ordered, asked) = (line.quantity.unit, quantity.unit);
        if asked != ordered {
            return Err(refused(format!(
                "Line {number} is ordered by {ordered}, not by {asked}: give its quantity by {ordered}."
            )));
        }
        let value = quantity.value.normalize();
        let digits = record.unit.as_ref().map_or(0, |unit| unit.digits);
        if value.scale() > digits {
            return Err(refused(format!(
                "The ERP keeps {digits} decimals of this unit; line {number} has more."
            )));
        }
        if value != line.quantity.value {
            values.insert("quantity".to_owned(), json!(Count(value)));
        }
    }
    if let Some(date) = wanted.ship_date.filter(|date| *date != line.ship_date) {
        let note = record.note.as_deref().unwrap_or_default();
        let note = noted_anew(note, date).ok_or_else(|| {
            refused(format!(
                "Line {number} was entered in the ERP: change its day there."
            ))
        })?;
        values.insert("note".to_owned(), json!(note));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use canonical_model::{Quantity, UnitOfMeasure};
    use jiff::civil::date;
    use rust_decimal::{Decimal, dec};

    use super::*;

    /// A draft with our lines 1 and 2 (shipped on the 25th and 27th), one entered by hand, and freight.
    fn sale(state: &str) -> wire::Sale {
        let amount = |text: &str| json!({"__class__": "Decimal", "decimal": text});
        let day = |date: Date| json!({"__class__": "date", "year": date.year(), "month": date.month(), "day": date.day()});
        let line = |id: u32, note: Value| {
            json!({"id": id, "type": "line", "sequence": id, "product.": {"id": 1, "code": "SKU-0001"}, "quantity": 2.0,
                "unit.": {"id": 1, "symbol": "u", "digits": 0}, "unit_price": amount("9.10"), "amount": amount("18.20"),
                "note": note, "shipping_date": null, "shipment_cost": null})
        };
        let note = |line: u32, date: &str| {
            json!(format!(
                "Your order: PO 1\nOur reference: OW-1\nLine {line} ships {date}"
            ))
        };
        let mut freight = line(4, Value::Null);
        freight["shipment_cost"] = amount("25.00");
        let lines = [
            line(1, note(11, "2026-11-25")),
            line(2, note(12, "2026-11-27")),
            line(3, json!("call first")),
            freight,
        ];
        let row = json!({"id": 14, "_timestamp": "1.5", "reference": "OW-1", "description": "PO 1", "tax_amount": null,
            "state": state, "shipment_state": "none", "invoice_state": "none", "party.": {"id": 4, "code": "ACME"},
            "currency.": {"id": 1, "code": "USD"}, "warehouse.": {"id": 16, "code": "EAST"},
            "shipping_date": day(date(2026, 11, 25)), "create_date": {"__class__": "datetime", "year": 2026, "month": 11,
            "day": 30}, "lines.": lines});
        serde_json::from_value(row).unwrap()
    }

    fn line(number: u32, quantity: Option<Decimal>, ship_date: Option<Date>) -> ErpLineAmendment {
        ErpLineAmendment {
            line: number,
            order_line: number + 10,
            quantity: quantity.map(|value| Quantity::new(value, UnitOfMeasure::EACH)),
            ship_date,
        }
    }

    fn amended(state: &str, lines: &[ErpLineAmendment]) -> Result<Option<Value>, ConnectorError> {
        let lines = lines.to_vec();
        amendment(&sale(state), &AmendErpOrder { lines })
    }

    fn refusal(state: &str, lines: &[ErpLineAmendment]) -> String {
        match amended(state, lines) {
            Err(ConnectorError::Rejected { message }) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_changes_is_written_and_never_a_price() {
        let stays = line(1, Some(dec!(2.0)), Some(date(2026, 11, 25)));
        assert_eq!(
            amended("draft", std::slice::from_ref(&stays)).unwrap(),
            None
        );
        let more = [stays, line(2, Some(dec!(5)), None)];
        assert_eq!(
            amended("draft", &more).unwrap(),
            Some(json!({"lines": [["write", [2], {"quantity": 5}]]}))
        );
    }

    #[test]
    fn a_day_is_told_in_the_line_s_note_and_the_first_is_the_order_s() {
        let later = amended("draft", &[line(1, None, Some(date(2026, 11, 26)))]);
        let note = "Your order: PO 1\nOur reference: OW-1\nLine 11 ships 2026-11-26";
        assert_eq!(
            later.unwrap(),
            Some(
                json!({"lines": [["write", [1], {"note": note}]], "shipping_date": Day(date(2026, 11, 26))})
            )
        );
        // The first day goes with its line.
        let gone = amended("quotation", &[line(1, Some(dec!(0)), None)]);
        assert_eq!(
            gone.unwrap(),
            Some(json!({"lines": [["delete", [1]]], "shipping_date": Day(date(2026, 11, 27))}))
        );
        let second = amended("draft", &[line(2, None, Some(date(2026, 11, 28)))]);
        assert!(second.unwrap().unwrap().get("shipping_date").is_none());
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        let fewer = line(1, Some(dec!(1)), None);
        assert!(refusal("cancelled", std::slice::from_ref(&fewer)).contains("order anew"));
        assert!(refusal("processing", &[fewer]).contains("cancel it and order anew"));
        assert!(refusal("draft", &[line(1, Some(dec!(1.5)), None)]).contains("decimals"));
        assert!(refusal("draft", &[line(5, Some(dec!(1)), None)]).contains("line 5"));
        // Freight is no line that one could name.
        assert!(refusal("draft", &[line(4, Some(dec!(2)), None)]).contains("line 4"));
        let mut sorted_anew = line(2, Some(dec!(0)), None);
        sorted_anew.order_line = 11;
        assert!(refusal("draft", &[sorted_anew]).contains("read the order again"));
        let mut kilos = line(2, Some(dec!(1)), None);
        kilos.quantity = Some(Quantity::new(
            dec!(1),
            UnitOfMeasure::from_code("KGM").unwrap(),
        ));
        assert!(refusal("draft", &[kilos]).contains("by EA"));
        let by_hand = ErpLineAmendment {
            order_line: 0,
            ..line(3, None, Some(date(2026, 11, 28)))
        };
        assert!(refusal("draft", &[by_hand]).contains("entered in the ERP"));
    }
}
