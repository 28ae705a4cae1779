//! Checks a transaction set against tables: mandatory segments, and type and length of the elements that matter.
//!
//! Partners' dialects differ more than releases do, so a segment the table does not know is named and passed
//! over; only what makes the document unreadable rejects it.

use super::fault::{
    ElementError, ElementFault, SegmentError, SegmentFault, Severity, push_bounded, shown,
};
use super::interchange::TransactionSet;
use super::segment::{Position, Segment};
use super::value;

/// X12.6 element types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AN and ID.
    Text,
    /// N0, not negative.
    Count,
    /// R.
    Decimal,
    /// DT.
    Date,
    /// TM.
    Time,
}

/// One element of a segment.
#[derive(Debug, Clone, Copy)]
pub struct ElementRule {
    pub at: usize,
    /// Its number in the X12 dictionary.
    pub reference: u16,
    pub kind: Kind,
    pub min: usize,
    pub max: usize,
    /// What its absence does to the set, if anything.
    pub missing: Option<Severity>,
    /// What a wrong value in it does to the set.
    pub severity: Severity,
}

impl ElementRule {
    #[must_use]
    pub const fn new(at: usize, reference: u16, kind: Kind, min: usize, max: usize) -> Self {
        Self {
            at,
            reference,
            kind,
            min,
            max,
            missing: None,
            severity: Severity::Error,
        }
    }

    /// Mandatory, though the document can be read without it.
    #[must_use]
    pub const fn expected(mut self) -> Self {
        self.missing = Some(Severity::Error);
        self
    }

    /// Mandatory, and the document cannot be read without it.
    #[must_use]
    pub const fn needed(mut self) -> Self {
        self.missing = Some(Severity::Reject);
        self
    }

    /// With a wrong value in it the document cannot be read.
    #[must_use]
    pub const fn vital(mut self) -> Self {
        self.severity = Severity::Reject;
        self
    }
}

/// The id of a segment, as tables name it: it is looked for as one number, not byte by byte.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    pub name: &'static str,
    key: u32,
}

impl Tag {
    #[must_use]
    pub const fn of(name: &'static str) -> Self {
        let key = key(name);
        Self { name, key }
    }
}

/// Ids have two or three characters; what has more is in no table and has the key of none.
const fn key(id: &str) -> u32 {
    match id.as_bytes() {
        [a, b] => u32::from_le_bytes([*a, *b, 0, 2]),
        [a, b, c] => u32::from_le_bytes([*a, *b, *c, 3]),
        _ => u32::MAX,
    }
}

/// A list of tags.
macro_rules! tags {
    ($($name:literal),* $(,)?) => { [$($crate::x12::schema::Tag::of($name)),*] };
}
pub(crate) use tags;

/// One segment of a set.
#[derive(Debug, Clone, Copy)]
pub struct SegmentRule {
    pub tag: Tag,
    pub elements: &'static [ElementRule],
    /// First and last element of qualifier and value pairs (235 and 234), if it has them.
    pub pairs: Option<(usize, usize)>,
}

/// One transaction set.
#[derive(Debug, Clone, Copy)]
pub struct SetSchema {
    pub set_id: &'static str,
    /// Must be the second segment, once.
    pub beginning: Tag,
    /// Must occur.
    pub mandatory: &'static [Tag],
    pub segments: &'static [SegmentRule],
    /// Every segment some release has in this set.
    pub known: &'static [Tag],
    /// Segments that open a loop (AK303).
    pub loops: &'static [Tag],
}

/// Segments of other sets: legal X12, but not here.
const ELSEWHERE: [Tag; 40] = tags![
    "ACK", "AK1", "AK2", "AK3", "AK4", "AK5", "AK9", "BAK", "BCA", "BCH", "BIA", "BIG", "BSN",
    "CAD", "FGS", "HL", "IT1", "ISS", "LX", "POC", "PRF", "SN1", "TDS", "TFS", "BGN", "BSR", "BPR",
    "BRA", "CLD", "CR1", "DFI", "ENT", "G62", "HD", "INS", "RMR", "SRM", "TRN", "W01", "ZA",
];

const HEADER: Tag = Tag::of("ST");
const TRAILER: Tag = Tag::of("SE");

/// Everything in the set that breaks the table, in order of occurrence.
#[must_use]
pub fn check(
    set: &TransactionSet<'_>,
    schema: &SetSchema,
    version: &str,
    limit: usize,
) -> Vec<SegmentFault> {
    let mut faults = Vec::new();
    let mut loop_id = None;
    let mut seen = Vec::new();
    let mut last = (1, set.position);
    for segment in set.segments.iter() {
        let key = key(segment.id());
        if key == HEADER.key || key == TRAILER.key {
            continue;
        }
        last = (segment.number, segment.position);
        let is_it = |tag: &&Tag| tag.key == key;
        if let Some(start) = schema.loops.iter().find(is_it) {
            loop_id = Some(start.name);
        }
        let rule = schema.segments.iter().find(|rule| rule.tag.key == key);
        if (rule.is_none() || key == schema.beginning.key)
            && let Some(fault) = place(&segment, schema, loop_id, seen.contains(&key))
        {
            push_bounded(&mut faults, fault, limit);
        }
        if schema.mandatory.iter().any(|tag| tag.key == key) && !seen.contains(&key) {
            seen.push(key);
        }
        if let Some(rule) = rule {
            let elements = elements(&segment, rule, version);
            if let Some(fault) = element_errors(&segment, loop_id, elements) {
                push_bounded(&mut faults, fault, limit);
            }
        }
    }
    for tag in schema
        .mandatory
        .iter()
        .filter(|tag| !seen.contains(&tag.key))
    {
        push_bounded(&mut faults, missing(tag.name, schema.set_id, last), limit);
    }
    faults
}

fn missing(id: &'static str, set_id: &str, (number, position): (usize, Position)) -> SegmentFault {
    SegmentFault {
        segment_id: id.to_owned(),
        number,
        loop_id: None,
        code: SegmentError::Missing,
        severity: Severity::Reject,
        position,
        message: format!("An {set_id} must have a segment {id}; none was found."),
        elements: Vec::new(),
    }
}

/// A segment that should not stand where it stands, or at all.
fn place(
    segment: &Segment<'_>,
    schema: &SetSchema,
    loop_id: Option<&'static str>,
    repeated: bool,
) -> Option<SegmentFault> {
    let id = segment.id();
    let key = key(id);
    let is_in = |tags: &[Tag]| tags.iter().any(|tag| tag.key == key);
    let (code, severity, message) = if key == schema.beginning.key && repeated {
        let message =
            format!("Segment {id} must occur once; send one document in each transaction set.");
        (SegmentError::OverMaximumUse, Severity::Reject, message)
    } else if key == schema.beginning.key && segment.number != 2 {
        let message = format!("Segment {id} must follow the ST directly.");
        (SegmentError::OutOfSequence, Severity::Error, message)
    } else if is_in(schema.known) {
        return None;
    } else if is_in(&ELSEWHERE) {
        let message = format!(
            "Segment {id} is not part of an {}; it was passed over.",
            schema.set_id
        );
        (SegmentError::Unexpected, Severity::Error, message)
    } else {
        let message = format!("Segment '{}' is not known; it was passed over.", shown(id));
        (SegmentError::Unrecognized, Severity::Error, message)
    };
    Some(SegmentFault {
        segment_id: shown(id).to_owned(),
        number: segment.number,
        loop_id,
        code,
        severity,
        position: segment.position,
        message,
        elements: Vec::new(),
    })
}

/// An AK3 with code 8 for these elements, if there are any.
fn element_errors(
    segment: &Segment<'_>,
    loop_id: Option<&'static str>,
    elements: Vec<ElementFault>,
) -> Option<SegmentFault> {
    let severity = elements.iter().map(|element| element.severity).max()?;
    let message = elements
        .iter()
        .map(|element| element.message.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    Some(SegmentFault {
        segment_id: segment.id().to_owned(),
        number: segment.number,
        loop_id,
        code: SegmentError::ElementErrors,
        severity,
        position: segment.position,
        message,
        elements,
    })
}

fn elements(segment: &Segment<'_>, rule: &SegmentRule, version: &str) -> Vec<ElementFault> {
    let mut faults = Vec::new();
    for element in rule.elements {
        let text = segment.element(element.at);
        if !is_surely_right(text, element, segment.is_plain) {
            faults.extend(element_fault(segment, element, version));
        }
    }
    if let Some((first, last)) = rule.pairs {
        pair_faults(segment, first, last, &mut faults);
    }
    faults
}

/// What nearly every element is, told without a look at everything that could be wrong.
fn is_surely_right(text: &str, rule: &ElementRule, plain: bool) -> bool {
    let length = text.len();
    match rule.kind {
        _ if length == 0 => rule.missing.is_none(),
        _ if length > rule.max => false,
        Kind::Text => length >= rule.min && plain,
        Kind::Count => value::is_digits(text),
        Kind::Decimal => value::decimal(text).is_some(),
        Kind::Date | Kind::Time => false,
    }
}

fn element_fault(segment: &Segment<'_>, rule: &ElementRule, version: &str) -> Option<ElementFault> {
    let text = segment.element(rule.at);
    let name = || format!("{}{:02}", segment.id(), rule.at);
    let (code, severity, message) = if text.is_empty() {
        let severity = rule.missing?;
        (
            ElementError::Missing,
            severity,
            format!("{} must be sent.", name()),
        )
    } else {
        let (code, severity, what) = wrong(text, rule, version)?;
        (
            code,
            severity,
            format!("{} '{}' {what}.", name(), shown(text)),
        )
    };
    Some(ElementFault {
        at: rule.at,
        reference: Some(rule.reference),
        code,
        severity,
        value: text.to_owned(),
        message,
    })
}

fn wrong(
    text: &str,
    rule: &ElementRule,
    version: &str,
) -> Option<(ElementError, Severity, String)> {
    let fault = |code, what: String| Some((code, rule.severity, what));
    let length = match rule.kind {
        Kind::Date
            if text.len() == 6 && value::has_long_dates(version) && value::date(text).is_some() =>
        {
            let what = "must be a date CCYYMMDD; it was read as this century's or the last one's"
                .to_owned();
            return Some((ElementError::TooShort, Severity::Error, what));
        }
        Kind::Date => {
            let invalid = value::date(text).is_none();
            return invalid.then(|| {
                (
                    ElementError::InvalidDate,
                    rule.severity,
                    "must be a date CCYYMMDD".to_owned(),
                )
            });
        }
        Kind::Time => {
            let invalid = !value::is_time(text);
            return invalid.then(|| {
                (
                    ElementError::InvalidTime,
                    rule.severity,
                    "must be a time HHMM".to_owned(),
                )
            });
        }
        Kind::Count if !value::is_digits(text) => {
            return fault(
                ElementError::InvalidCharacter,
                "must be a whole number".to_owned(),
            );
        }
        Kind::Decimal if value::decimal(text).is_none() => {
            let what = "must be a number with at most one decimal point and no other characters"
                .to_owned();
            return fault(ElementError::InvalidCharacter, what);
        }
        Kind::Text if text.chars().any(char::is_control) => {
            return fault(
                ElementError::InvalidCharacter,
                "holds a control character".to_owned(),
            );
        }
        // sign and point do not count (X12.6), nor does padding
        Kind::Count | Kind::Decimal => {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let padding = text.bytes().take_while(|byte| *byte == b'0').count();
            digits.saturating_sub(padding).max(rule.min)
        }
        Kind::Text => text.chars().count(),
    };
    if length > rule.max {
        fault(
            ElementError::TooLong,
            format!("is longer than {}", rule.max),
        )
    } else if length < rule.min {
        fault(
            ElementError::TooShort,
            format!("is shorter than {}", rule.min),
        )
    } else {
        None
    }
}

/// Qualifier without value, or value without qualifier: one such pair says nothing. The line stays readable by
/// its other pairs; with none left it is not.
fn pair_faults(segment: &Segment<'_>, first: usize, last: usize, faults: &mut Vec<ElementFault>) {
    let mut whole = false;
    let known = faults.len();
    let last = last.min(segment.element_count());
    for qualifier in (first..=last).step_by(2) {
        let value = qualifier.saturating_add(1);
        let (at, reference, what) = match (segment.value(qualifier), segment.value(value)) {
            (None, None) => continue,
            (Some(_), Some(_)) => {
                whole = true;
                continue;
            }
            (Some(_), None) => (value, 234, "the product id of the qualifier before it"),
            (None, Some(_)) => (qualifier, 235, "the qualifier of the product id after it"),
        };
        faults.push(ElementFault {
            at,
            reference: Some(reference),
            code: ElementError::ConditionalMissing,
            severity: Severity::Error,
            value: String::new(),
            message: format!("{}{at:02} must be sent: {what}.", segment.id()),
        });
    }
    if !whole {
        faults
            .iter_mut()
            .skip(known)
            .for_each(|fault| fault.severity = Severity::Reject);
    }
}
