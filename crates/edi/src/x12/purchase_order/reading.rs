//! Walks the segments of an 850 and fills a [`PurchaseOrder`].

use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::{
    Amount, Line, Party, ProductId, PurchaseOrder, QualifiedDate, Reading, Reference, Schedule,
    Totals, Warning, WarningKind,
};
use crate::x12::fault::{ElementError, ElementFault, SegmentFault, Severity, push_bounded, shown};
use crate::x12::interchange::TransactionSet;
use crate::x12::segment::Segment;
use crate::x12::value;

pub(super) fn read(set: &TransactionSet<'_>, faults: Vec<SegmentFault>, limit: usize) -> Reading {
    let mut reader = Reader {
        order: PurchaseOrder::default(),
        inside: Inside::Heading,
        reference_loop: false,
        faults,
        limit,
    };
    let lines = set.segments.iter().filter(|segment| segment.id() == "PO1");
    reader.order.lines.reserve_exact(lines.count());
    for segment in set.segments.iter() {
        reader.segment(&segment);
    }
    let warnings = warnings(&reader.order, limit);
    let rejected = reader
        .faults
        .iter()
        .any(|fault| fault.severity == Severity::Reject);
    Reading {
        order: (!rejected).then_some(reader.order),
        faults: reader.faults,
        warnings,
    }
}

/// The area of the set; a party belongs to the area it opened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Heading,
    Line,
    Summary,
}

struct Reader {
    order: PurchaseOrder,
    inside: Inside,
    /// Within an N9 loop, where a DTM dates the reference and not the order.
    reference_loop: bool,
    faults: Vec<SegmentFault>,
    limit: usize,
}

fn owned(segment: &Segment<'_>, at: usize) -> Option<SmolStr> {
    segment.value(at).map(SmolStr::new)
}

impl Reader {
    fn segment(&mut self, segment: &Segment<'_>) {
        let id = segment.id();
        if !matches!(id, "N9" | "MSG" | "MTX" | "NTE" | "DTM") {
            self.reference_loop = false;
        }
        match id {
            "BEG" => self.beginning(segment),
            "CUR" if self.order.currency.is_none() => self.order.currency = owned(segment, 2),
            "PO1" => self.line(segment),
            "CTT" => self.totals(segment),
            "SCH" => self.schedule(segment),
            "SDQ" => self.places(segment),
            "PID" => {
                if let (Some(line), Some(text)) = (self.open_line(), owned(segment, 5)) {
                    line.descriptions.push(text);
                }
            }
            "REF" | "N9" => {
                self.reference_loop = id == "N9";
                self.reference(segment);
            }
            "DTM" if !self.reference_loop => self.date(segment),
            "MSG" | "MTX" | "NTE" => self.message(segment),
            "N1" => self.party(segment),
            "N2" | "N3" | "N4" => self.address(segment),
            "AMT" if self.inside != Inside::Line => self.amount(segment),
            _ => {}
        }
    }

    fn open_line(&mut self) -> Option<&mut Line> {
        if self.inside == Inside::Line {
            self.order.lines.last_mut()
        } else {
            None
        }
    }

    fn beginning(&mut self, segment: &Segment<'_>) {
        let order = &mut self.order;
        order.purpose = segment.element(1).into();
        order.order_type = segment.element(2).into();
        order.purchase_order_number = segment.element(3).into();
        order.release_number = owned(segment, 4);
        order.date = value::date(segment.element(5));
        order.position = segment.position;
    }

    fn line(&mut self, segment: &Segment<'_>) {
        self.inside = Inside::Line;
        let quantity = value::decimal(segment.element(2)).unwrap_or_default();
        if quantity.is_sign_negative() {
            self.refuse(
                segment,
                "PO1",
                2,
                330,
                "must not be negative; a return is no purchase order",
            );
        }
        let unit_price = value::decimal(segment.element(4));
        if unit_price.is_some_and(|price| price.is_sign_negative()) {
            self.refuse(
                segment,
                "PO1",
                4,
                212,
                "must not be negative; send an allowance as SAC",
            );
        }
        let last = segment.element_count().min(25);
        let mut product_ids = Vec::with_capacity(last.saturating_sub(5).div_ceil(2));
        for at in (6..=last).step_by(2) {
            let (qualifier, value) = (owned(segment, at), owned(segment, at.saturating_add(1)));
            product_ids.extend(
                qualifier
                    .zip(value)
                    .map(|(qualifier, value)| ProductId { qualifier, value }),
            );
        }
        self.order.lines.push(Line {
            assigned_id: owned(segment, 1),
            quantity,
            unit: owned(segment, 3),
            unit_price,
            price_basis: owned(segment, 5),
            product_ids,
            segment_number: segment.number,
            position: segment.position,
            ..Line::default()
        });
    }

    /// AK3 8 and AK4 6 for a value that is well formed but cannot be meant.
    fn refuse(
        &mut self,
        segment: &Segment<'_>,
        loop_id: &'static str,
        at: usize,
        reference: u16,
        what: &str,
    ) {
        let message = format!(
            "{}{at:02} '{}' {what}.",
            segment.id(),
            shown(segment.element(at))
        );
        let element = ElementFault {
            at,
            reference: Some(reference),
            code: ElementError::InvalidCharacter,
            severity: Severity::Reject,
            value: segment.element(at).to_owned(),
            message,
        };
        let fault = SegmentFault::of_element(
            segment.id(),
            segment.number,
            segment.position,
            Some(loop_id),
            element,
        );
        push_bounded(&mut self.faults, fault, self.limit);
    }

    fn totals(&mut self, segment: &Segment<'_>) {
        self.inside = Inside::Summary;
        let (lines, hash) = (
            value::count(segment.element(1)),
            value::decimal(segment.element(2)),
        );
        self.order.totals = Some(Totals {
            lines,
            hash,
            position: segment.position,
        });
    }

    fn schedule(&mut self, segment: &Segment<'_>) {
        let Some(quantity) = value::decimal(segment.element(1)) else {
            return;
        };
        if quantity.is_sign_negative() {
            self.refuse(segment, "SCH", 1, 380, "must not be negative");
        }
        let date = dated(segment.element(5), segment.element(6));
        let schedule = Schedule {
            quantity,
            unit: owned(segment, 2),
            date,
            place: None,
            position: segment.position,
        };
        if let Some(line) = self.open_line() {
            line.schedules.push(schedule);
        }
    }

    /// SDQ: after the unit and the id qualifier, up to ten pairs of place and quantity.
    fn places(&mut self, segment: &Segment<'_>) {
        let qualifier = SmolStr::new(segment.element(2));
        for at in (3..=21_usize).step_by(2) {
            let amount_at = at.saturating_add(1);
            let (Some(place), text) = (owned(segment, at), segment.element(amount_at)) else {
                continue;
            };
            let Some(quantity) =
                value::decimal(text).filter(|quantity| !quantity.is_sign_negative())
            else {
                // the table covers the first pair only
                if amount_at > 4 || value::decimal(text).is_some() {
                    self.refuse(
                        segment,
                        "PO1",
                        amount_at,
                        380,
                        "must be the quantity of the place before it",
                    );
                }
                continue;
            };
            let schedule = Schedule {
                quantity,
                unit: owned(segment, 1),
                date: None,
                place: Some((qualifier.clone(), place)),
                position: segment.position,
            };
            if let Some(line) = self.open_line() {
                line.schedules.push(schedule);
            }
        }
    }

    fn reference(&mut self, segment: &Segment<'_>) {
        let reference = Reference {
            qualifier: segment.element(1).into(),
            value: segment.element(2).into(),
            description: owned(segment, 3),
        };
        match self.open_line() {
            Some(line) => line.references.push(reference),
            None => self.order.references.push(reference),
        }
    }

    fn date(&mut self, segment: &Segment<'_>) {
        let text = segment.element(2);
        // before 004010 the century stood in DTM05
        let century = segment.element(5);
        let date = if text.len() == 6 && century.len() == 2 && value::is_digits(century) {
            dated(segment.element(1), &format!("{century}{text}"))
        } else {
            dated(segment.element(1), text)
        };
        let Some(date) = date else { return };
        match self.open_line() {
            Some(line) => line.dates.push(date),
            None => self.order.dates.push(date),
        }
    }

    fn message(&mut self, segment: &Segment<'_>) {
        let at = if segment.id() == "MSG" { 1 } else { 2 };
        let Some(text) = owned(segment, at) else {
            return;
        };
        match self.open_line() {
            Some(line) => line.messages.push(text),
            None => self.order.messages.push(text),
        }
    }

    fn parties(&mut self) -> &mut Vec<Party> {
        match (self.inside, self.order.lines.last_mut()) {
            (Inside::Line, Some(line)) => &mut line.parties,
            _ => &mut self.order.parties,
        }
    }

    fn party(&mut self, segment: &Segment<'_>) {
        let party = Party {
            code: segment.element(1).into(),
            name: owned(segment, 2),
            id_qualifier: owned(segment, 3),
            id: owned(segment, 4),
            position: segment.position,
            ..Party::default()
        };
        self.parties().push(party);
    }

    fn address(&mut self, segment: &Segment<'_>) {
        let Some(party) = self.parties().last_mut() else {
            return;
        };
        match segment.id() {
            "N2" => party
                .additional_names
                .extend([1, 2].into_iter().filter_map(|at| owned(segment, at))),
            "N3" => party
                .streets
                .extend([1, 2].into_iter().filter_map(|at| owned(segment, at))),
            _ => {
                party.city = owned(segment, 1);
                party.region = owned(segment, 2);
                party.postal_code = owned(segment, 3);
                party.country = owned(segment, 4);
            }
        }
    }

    fn amount(&mut self, segment: &Segment<'_>) {
        if let Some(amount) = value::decimal(segment.element(2)) {
            self.order.amounts.push(Amount {
                qualifier: segment.element(1).into(),
                amount,
            });
        }
    }
}

fn dated(qualifier: &str, text: &str) -> Option<QualifiedDate> {
    value::date(text).map(|date| QualifiedDate {
        qualifier: qualifier.into(),
        date,
    })
}

fn warnings(order: &PurchaseOrder, limit: usize) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(totals) = order.totals {
        totals_warnings(order, totals, &mut warnings);
    }
    let numbers = || order.lines.iter().map(|line| line.assigned_id.as_deref());
    // numbers that only rise repeat nothing, which saves a look among those before
    let rising = numbers()
        .map(|number| number.and_then(value::count))
        .is_sorted_by(|one, next| one.is_some() && one < next);
    let mut ids = std::collections::HashSet::new();
    for (line, number) in order.lines.iter().zip(numbers()) {
        if warnings.len() >= limit {
            break;
        }
        line_warnings(line, &mut warnings);
        if let Some(id) = number.filter(|id| !rising && !ids.insert(*id)) {
            let message = format!("PO101 '{}' names more than one line.", shown(id));
            warnings.push(Warning {
                kind: WarningKind::RepeatedLineId,
                position: line.position,
                message,
            });
        }
    }
    warnings
}

fn sum(mut quantities: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    quantities.try_fold(Decimal::ZERO, Decimal::checked_add)
}

fn totals_warnings(order: &PurchaseOrder, totals: Totals, warnings: &mut Vec<Warning>) {
    let received = u64::try_from(order.lines.len()).ok();
    if let Some(said) = totals.lines.filter(|said| Some(*said) != received) {
        let message = format!(
            "CTT01 says {said} lines; {} were received.",
            order.lines.len()
        );
        warnings.push(Warning {
            kind: WarningKind::LineCount,
            position: totals.position,
            message,
        });
    }
    let ordered = || sum(order.lines.iter().map(|line| line.quantity));
    // a hash of zero is how some senders fill an element they do not use
    if let Some(said) = totals
        .hash
        .filter(|said| !said.is_zero() && Some(*said) != ordered())
    {
        let message = format!("CTT02 says {said}; that is not the sum of the quantities (PO102).");
        warnings.push(Warning {
            kind: WarningKind::HashTotal,
            position: totals.position,
            message,
        });
    }
}

fn line_warnings(line: &Line, warnings: &mut Vec<Warning>) {
    // SCH by date and SDQ by place each split the whole quantity
    for by_place in [false, true] {
        let mut parts = line
            .schedules
            .iter()
            .filter(|part| part.place.is_some() == by_place)
            .peekable();
        if parts.peek().is_some() && sum(parts.map(|part| part.quantity)) != Some(line.quantity) {
            let name = if by_place { "SDQ" } else { "SCH" };
            let message = format!(
                "The quantities in {name} do not add up to PO102 {}.",
                line.quantity
            );
            warnings.push(Warning {
                kind: WarningKind::ScheduleQuantity,
                position: line.position,
                message,
            });
        }
    }
    for (index, id) in line.product_ids.iter().enumerate() {
        let before = line.product_ids.iter().take(index);
        if before
            .clone()
            .any(|other| other.qualifier == id.qualifier && other.value != id.value)
        {
            let message = format!(
                "The line has two product ids with qualifier {}.",
                shown(&id.qualifier)
            );
            warnings.push(Warning {
                kind: WarningKind::AmbiguousProduct,
                position: line.position,
                message,
            });
        }
    }
}
