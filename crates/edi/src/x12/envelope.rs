//! Finds the interchanges of a file.

use super::assembler::Assembler;
use super::fault::Note;
use super::interchange::Interchange;
use super::isa;
use super::lexer::{BYTE_ORDER_MARK, File, is_filler, is_header};
use super::limits::ReadOptions;
use super::segment::Position;

/// Everything that was in a file.
#[derive(Debug, Clone, Default)]
pub struct ReadOutcome<'a> {
    pub interchanges: Vec<Interchange<'a>>,
    /// Bytes that belong to no interchange. No acknowledgement can speak of them: tell a person.
    pub stray: Vec<Note>,
}

/// Reads every interchange of a file, each with its own delimiters. Any bytes will do: what is wrong is said in
/// the outcome, with the codes an acknowledgement needs.
#[must_use]
pub fn read<'a>(bytes: &'a [u8], options: &ReadOptions) -> ReadOutcome<'a> {
    let file = File::new(bytes);
    let mut outcome = ReadOutcome::default();
    let mut at = 0_usize;
    loop {
        at = at.saturating_add(leading_filler(bytes.get(at..).unwrap_or_default()));
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        if outcome.interchanges.len() >= options.limits.interchanges {
            let message =
                "The file has too many interchanges; this one and all after it were not read."
                    .to_owned();
            outcome.stray.push(Note {
                position: Position {
                    segment: 0,
                    offset: at,
                },
                message,
            });
            break;
        }
        let header = if rest.starts_with(b"ISA") {
            isa::read(bytes, at, options.allow_unpadded_isa)
        } else {
            None
        };
        if let Some(header) = header {
            let (interchange, next) = Assembler::new(&file, header, at, options).run();
            outcome.interchanges.push(interchange);
            at = next.max(at.saturating_add(1));
            continue;
        }
        if outcome.stray.len() < options.limits.faults {
            outcome.stray.push(Note {
                position: Position {
                    segment: 0,
                    offset: at,
                },
                message: stray(rest),
            });
        }
        at = next_header(bytes, at.saturating_add(1));
    }
    outcome
}

fn stray(rest: &[u8]) -> String {
    if rest.starts_with(b"ISA") {
        "An ISA without 16 element separators: it is not known who sent this, so nothing was answered.".to_owned()
    } else {
        "Bytes outside an interchange were passed over; an X12 file starts with ISA.".to_owned()
    }
}

/// Bytes between interchanges that mean nothing; files that were joined bring a byte-order mark each.
fn leading_filler(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        let filler = rest.iter().take_while(|byte| is_filler(**byte)).count();
        rest = rest.get(filler..).unwrap_or_default();
        match rest.strip_prefix(BYTE_ORDER_MARK) {
            Some(after) => rest = after,
            None => return bytes.len().saturating_sub(rest.len()),
        }
    }
}

/// Where the next ISA stands at or after `from`, or the end of the file.
pub(super) fn next_header(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.windows(4).position(is_header);
    found.map_or(bytes.len(), |index| from.saturating_add(index))
}
