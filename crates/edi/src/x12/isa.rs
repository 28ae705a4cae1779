//! The ISA segment: found by its width of 106 bytes, it declares the delimiters of all that follows.

use smol_str::SmolStr;

use super::delimiters::Delimiters;
use super::fault::{Fault, InterchangeError, InterchangeFault, Note};
use super::interchange::{InterchangeHeader, PartyId, Usage};
use super::segment::Position;
use super::value;

/// Bytes before the terminator.
const WIDTH: usize = 105;
/// Where the 16 separators stand (X12.5: element widths 2 10 2 10 2 15 2 15 6 4 1 5 9 1 1 1).
const SEPARATORS: [usize; 16] = [
    3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103,
];
/// No honest ISA is longer, however it lost or gained blanks.
const SEARCH: usize = 400;

pub(crate) struct Isa {
    pub(crate) header: InterchangeHeader,
    pub(crate) delimiters: Delimiters,
    /// Offset after the terminator.
    pub(crate) end: usize,
    /// The delimiters can be worked with.
    pub(crate) readable: bool,
    pub(crate) faults: Vec<InterchangeFault>,
    pub(crate) notes: Vec<Note>,
}

/// Reads the ISA at `start`; `None` when not even 16 separators are there, so that no TA1 can name it.
pub(crate) fn read(input: &[u8], start: usize, allow_unpadded: bool) -> Option<Isa> {
    let position = Position {
        segment: 1,
        offset: start,
    };
    let mut faults = Vec::new();
    let mut notes = Vec::new();
    let raw = match padded(input, start) {
        Some(raw) => raw,
        None => {
            let raw = unpadded(input, start)?;
            if allow_unpadded {
                notes.push(Note {
                    position,
                    message: "The ISA is not 106 bytes long; read by counting its separators."
                        .to_owned(),
                });
            } else {
                faults.push(Fault::reject(
                    InterchangeError::ControlStructure,
                    position,
                    "The ISA segment must be exactly 106 bytes: pad every element with blanks to its full width \
                     (ISA06 and ISA08 to 15) and send one byte per character.",
                ));
            }
            raw
        }
    };
    let text = |at: usize| raw.elements.get(at).map_or("", |element| element.trim());
    let repetition = repetition(text(11), text(12));
    let delimiters = Delimiters {
        element: raw.separator,
        component: raw.component,
        segment: raw.terminator,
        repetition,
    };
    let sound = delimiters.fault();
    if let Some((code, what)) = sound {
        faults.push(Fault::reject(
            code,
            position,
            format!("{what} must be a character that is no letter, digit or blank and differs from the others."),
        ));
    }
    let shifted = raw
        .elements
        .iter()
        .take(16)
        .any(|element| element.contains(char::from(raw.separator)));
    if shifted && sound.is_none() {
        faults.push(Fault::reject(
            InterchangeError::InvalidElementSeparator,
            position,
            "The element separator also stands inside the data of the ISA; choose another one.",
        ));
    }
    let header = header(text);
    check(&text, position, &mut faults);
    Some(Isa {
        header,
        delimiters,
        end: raw.end,
        readable: sound.is_none(),
        faults,
        notes,
    })
}

struct Raw {
    separator: u8,
    component: u8,
    terminator: u8,
    /// Index 0 is `ISA`, so that ISA13 is index 13.
    elements: Vec<SmolStr>,
    end: usize,
}

/// Each byte is a character, which ASCII says without a detour.
fn text(bytes: &[u8]) -> SmolStr {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => SmolStr::new(text),
        _ => SmolStr::new(value::latin1(bytes)),
    }
}

/// The ISA by its widths; line breaks of a wrapped record inside it do not count.
fn padded(input: &[u8], start: usize) -> Option<Raw> {
    let mut bytes = [0; WIDTH];
    let mut at = start;
    for slot in &mut bytes {
        while matches!(input.get(at)?, b'\r' | b'\n') {
            at = at.checked_add(1)?;
        }
        *slot = *input.get(at)?;
        at = at.checked_add(1)?;
    }
    let terminator = *input.get(at)?;
    let separator = *bytes.get(3)?;
    if SEPARATORS
        .iter()
        .any(|place| bytes.get(*place) != Some(&separator))
    {
        return None;
    }
    let edges = SEPARATORS.iter().copied().chain([WIDTH]);
    let mut from = 0;
    let mut elements = Vec::with_capacity(17);
    for to in edges {
        elements.push(text(bytes.get(from..to)?));
        from = to.checked_add(1)?;
    }
    Some(Raw {
        separator,
        component: *bytes.last()?,
        terminator,
        elements,
        end: at.checked_add(1)?,
    })
}

/// The ISA by counting 16 separators.
fn unpadded(input: &[u8], start: usize) -> Option<Raw> {
    let window = input.get(start..)?;
    let window = window.get(..SEARCH).unwrap_or(window);
    let separator = *window.get(3)?;
    if separator.is_ascii_alphanumeric() || matches!(separator, b' ' | b'\r' | b'\n' | 0) {
        return None;
    }
    let mut elements = Vec::with_capacity(17);
    let mut rest = window;
    for _ in 0..16 {
        let at = rest.iter().position(|byte| *byte == separator)?;
        elements.push(text(rest.get(..at)?));
        rest = rest.get(at.checked_add(1)?..)?;
    }
    let component = *rest.first()?;
    let terminator = *rest.get(1)?;
    elements.push(SmolStr::from(char::from(component)));
    let used = window.len().checked_sub(rest.len())?.checked_add(2)?;
    Some(Raw {
        separator,
        component,
        terminator,
        elements,
        end: start.checked_add(used)?,
    })
}

/// ISA11 is a separator from version 00402 on; `U` there is an old habit that means: none.
fn repetition(isa11: &str, isa12: &str) -> Option<u8> {
    let newer = isa12.parse::<u32>().is_ok_and(|version| version >= 402);
    isa11.bytes().next().filter(|byte| newer && *byte != b'U')
}

fn header<'t>(text: impl Fn(usize) -> &'t str) -> InterchangeHeader {
    let party = |at: usize| PartyId {
        qualifier: text(at).into(),
        id: text(at.saturating_add(1)).into(),
    };
    InterchangeHeader {
        sender: party(5),
        receiver: party(7),
        date: text(9).into(),
        time: text(10).into(),
        version: text(12).into(),
        control_number: text(13).into(),
        acknowledgment_requested: text(14) == "1",
        usage: match text(15) {
            "P" => Usage::Production,
            "I" => Usage::Information,
            _ => Usage::Test,
        },
    }
}

fn check<'t>(
    text: &impl Fn(usize) -> &'t str,
    position: Position,
    faults: &mut Vec<InterchangeFault>,
) {
    if !value::is_digits(text(13)) || text(13).len() > 9 {
        faults.push(Fault::reject(
            InterchangeError::InvalidControlNumber,
            position,
            format!("ISA13 must be nine digits, not '{}'.", text(13)),
        ));
    }
    if !matches!(text(15), "P" | "T" | "I") {
        faults.push(Fault::reject(
            InterchangeError::InvalidUsage,
            position,
            format!(
                "ISA15 must be P (production), T (test) or I (information), not '{}'.",
                text(15)
            ),
        ));
    }
    if !matches!(text(14), "0" | "1") {
        faults.push(Fault::error(
            InterchangeError::InvalidAcknowledgmentRequested,
            position,
            format!("ISA14 must be 0 or 1, not '{}'; read as 0.", text(14)),
        ));
    }
    if text(9).len() != 6 || value::date(text(9)).is_none() {
        faults.push(Fault::error(
            InterchangeError::InvalidDate,
            position,
            format!("ISA09 must be a date YYMMDD, not '{}'.", text(9)),
        ));
    }
    if text(10).len() != 4 || !value::is_time(text(10)) {
        faults.push(Fault::error(
            InterchangeError::InvalidTime,
            position,
            format!("ISA10 must be a time HHMM, not '{}'.", text(10)),
        ));
    }
}
