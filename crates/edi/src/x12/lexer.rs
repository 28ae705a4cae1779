//! Cuts the bytes after an ISA into segments and elements, borrowing from the file wherever it can.
//!
//! Eight bytes are looked at together: in a word, a byte that is sought shows as the highest bit of its place.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::delimiters::Delimiters;
use super::limits::Limits;
use super::segment::Cut;
use super::value;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes of an ISA with its terminator.
const HEADER_WIDTH: usize = 106;

/// Places within a segment are kept in 32 bits.
const LONGEST: usize = 1 << 30;

/// The whole file, and what is found out about it once.
pub(crate) struct File<'a> {
    pub(crate) input: &'a [u8],
    text: Option<&'a str>,
    wrapped: OnceCell<bool>,
}

impl<'a> File<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            text: std::str::from_utf8(input).ok(),
            wrapped: OnceCell::new(),
        }
    }

    /// Only in records of one fixed length is a line break inside a segment no part of its data. A byte-order
    /// mark may have been there before the file was cut into records, or not.
    fn is_wrapped(&self) -> bool {
        *self.wrapped.get_or_init(|| {
            let unmarked = self.input.strip_prefix(BYTE_ORDER_MARK);
            has_equal_lines(self.input) || unmarked.is_some_and(has_equal_lines)
        })
    }

    /// As it stands, if it is text.
    fn text(&self, from: usize, to: usize) -> Option<&'a str> {
        match self.text {
            Some(text) => text.get(from..to),
            None => std::str::from_utf8(self.input.get(from..to)?).ok(),
        }
    }

    fn part(&self, from: usize, to: usize, broken: bool) -> Cow<'a, str> {
        if let Some(text) = self.text.and_then(|text| text.get(from..to)) {
            return if broken {
                self.mend(text)
            } else {
                Cow::Borrowed(text)
            };
        }
        let bytes = self.input.get(from..to).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) if broken => self.mend(text),
            Ok(text) => Cow::Borrowed(text),
            Err(_) if broken => Cow::Owned(self.mend(&value::latin1(bytes)).into_owned()),
            Err(_) => Cow::Owned(value::latin1(bytes)),
        }
    }

    /// Takes line breaks out of an element: nothing remains of a record's end, a blank of any other.
    fn mend<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_break = |c: char| matches!(c, '\r' | '\n');
        if !text.contains(is_break) {
            return Cow::Borrowed(text);
        }
        let joint = if self.is_wrapped() { "" } else { " " };
        let pieces: Vec<&str> = text
            .split(is_break)
            .filter(|piece| !piece.is_empty())
            .collect();
        Cow::Owned(pieces.join(joint))
    }
}

/// Whether every line is as long as the first, unless an interchange or the file ends with it. Two lines prove
/// nothing, unless the first breaks within the ISA, where no text can have a line break of its own.
fn has_equal_lines(input: &[u8]) -> bool {
    let mut lines = input
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .filter(|line| !line.is_empty());
    let Some(mut before) = lines.next() else {
        return false;
    };
    let width = before.len();
    let mut full = 0_usize;
    for line in lines {
        full = full.saturating_add(1);
        let ends = line.starts_with(b"ISA") || line.iter().all(|byte| is_filler(*byte));
        if before.len() != width && !ends {
            return false;
        }
        before = line;
    }
    let filler = before.iter().rev().take_while(|byte| is_filler(**byte));
    (full > 1 || width < HEADER_WIDTH) && before.len().saturating_sub(filler.count()) <= width
}

/// What may stand between segments and around interchanges without meaning anything.
pub(crate) fn is_filler(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0 | 0x1A)
}

pub(crate) enum Lexed {
    /// A segment was cut.
    Segment {
        offset: usize,
        quirk: Option<&'static str>,
    },
    /// Another ISA stands here.
    Header,
    /// Nothing but filler is left.
    End,
    /// A bound was crossed; what follows cannot be trusted.
    OverLimit { offset: usize, what: String },
}

pub(crate) struct Lexer<'f, 'a> {
    pub(crate) file: &'f File<'a>,
    pub(crate) delimiters: Delimiters,
    pub(crate) at: usize,
}

impl<'f, 'a> Lexer<'f, 'a> {
    pub(crate) fn new(file: &'f File<'a>, delimiters: Delimiters, at: usize) -> Self {
        Self {
            file,
            delimiters,
            at,
        }
    }

    /// The next segment. Each byte is looked at a bounded number of times, whatever the input.
    pub(crate) fn next(&mut self, cut: &mut Cut<'a>, limits: &Limits) -> Lexed {
        let indented = self.skip_filler();
        let rest = self.file.input.get(self.at..).unwrap_or_default();
        let offset = self.at;
        if rest.is_empty() {
            return Lexed::End;
        }
        if is_header(rest) {
            return Lexed::Header;
        }
        let longest = limits.text_bytes.max(limits.segment_bytes).min(LONGEST);
        let window = rest.get(..longest.saturating_add(1)).unwrap_or(rest);
        let (length, broken) = self.scan(window, cut);
        let Some(length) = length.or_else(|| (window.len() == rest.len()).then_some(rest.len()))
        else {
            self.at = offset.saturating_add(window.len());
            return Lexed::OverLimit {
                offset,
                what: over("A segment", longest),
            };
        };
        if cut.ends.len() > limits.elements {
            self.at = offset.saturating_add(length);
            return Lexed::OverLimit {
                offset,
                what: format!("A segment has more than {} elements.", limits.elements),
            };
        }
        let unterminated = length == rest.len();
        self.at = offset
            .saturating_add(length)
            .saturating_add(1)
            .min(self.file.input.len());
        cut.ends.push(u32::try_from(length).unwrap_or(u32::MAX));
        self.take(cut, offset, length, broken);
        if unterminated {
            // the filler after the last segment of a file is not its data
            cut.trim_end(|c| u8::try_from(c).is_ok_and(is_filler));
        }
        if let Some(what) = too_long(cut, length, limits) {
            return Lexed::OverLimit { offset, what };
        }
        Lexed::Segment {
            offset,
            quirk: self.quirk(cut, indented, broken, unterminated),
        }
    }

    /// Gives a segment its text: as it stands, unless lines break in it or it is not text as a whole.
    fn take(&self, cut: &mut Cut<'a>, offset: usize, length: usize, broken: bool) {
        let end = offset.saturating_add(length);
        match self
            .file
            .text(offset, end)
            .filter(|_| !broken && self.delimiters.element.is_ascii())
        {
            Some(text) => cut.stands_in(text),
            None => {
                let ends = std::mem::take(&mut cut.ends);
                let mut from = offset;
                cut.consists_of(ends.iter().map(|end| {
                    let to =
                        usize::try_from(*end).map_or(usize::MAX, |end| offset.saturating_add(end));
                    let part = self.file.part(from, to, broken);
                    from = to.saturating_add(1);
                    part
                }));
            }
        }
    }

    /// Whether blanks or tabs were skipped; line ends after a terminator are everyday.
    fn skip_filler(&mut self) -> bool {
        let mut indented = false;
        while let Some(byte) = self.file.input.get(self.at).copied() {
            if byte != self.delimiters.segment
                && (!is_filler(byte) || byte == self.delimiters.element)
            {
                break;
            }
            indented |= matches!(byte, b' ' | b'\t') && byte != self.delimiters.segment;
            self.at = self.at.saturating_add(1);
        }
        indented
    }

    /// Notes the separators up to the terminator and says where that stands and whether lines break before it.
    fn scan(&self, window: &[u8], cut: &mut Cut<'a>) -> (Option<usize>, bool) {
        cut.ends.clear();
        cut.is_plain = true;
        let (element, segment) = (
            Sought::new(self.delimiters.element),
            Sought::new(self.delimiters.segment),
        );
        let mut broken = false;
        let mut base = 0_u32;
        let (words, rest) = window.as_chunks();
        // what is no whole word is filled up with what is never sought, since it is no delimiter
        let mut last = [0; WORD];
        last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        for word in words.iter().chain([&last]) {
            let word = u64::from_le_bytes(*word);
            let mut separates = element.within(word);
            let plain = is_plain(word);
            let mut breaks = if plain { 0 } else { breaks(word) };
            let terminates = segment.within(word);
            if terminates != 0 {
                let before = terminates.wrapping_sub(1) & !terminates;
                separates &= before;
                breaks &= before;
            }
            while separates != 0 {
                cut.ends.push(base.saturating_add(place(separates)));
                separates &= separates.wrapping_sub(1);
            }
            // what stands after the terminator counts too: then a closer look is taken for nothing
            cut.is_plain &= plain;
            broken |= breaks != 0;
            if terminates != 0 {
                let at = base.saturating_add(place(terminates));
                return (usize::try_from(at).ok(), broken);
            }
            base = base.saturating_add(8);
        }
        (None, broken)
    }

    fn quirk(
        &self,
        cut: &Cut<'a>,
        indented: bool,
        broken: bool,
        unterminated: bool,
    ) -> Option<&'static str> {
        if unterminated {
            Some("the last segment has no terminator; read as if it had")
        } else if broken && self.file.is_wrapped() {
            Some("the file is wrapped into records of one length; the line ends were taken out")
        } else if broken {
            Some("a line break stands inside an element; read as a blank")
        } else if indented {
            Some("blanks stand before a segment; skipped")
        } else if cut.ends_empty() {
            Some("a segment ends in empty elements; they need not be sent")
        } else {
            None
        }
    }
}

/// Bytes that are looked at together.
const WORD: usize = 8;
const ONES: u64 = u64::from_le_bytes([0x01; WORD]);
const LOWS: u64 = u64::from_le_bytes([0x7F; WORD]);
const HIGHS: u64 = u64::from_le_bytes([0x80; WORD]);

/// A byte that is sought in words.
#[derive(Clone, Copy)]
struct Sought(u64);

impl Sought {
    const fn new(byte: u8) -> Self {
        Self(u64::from_le_bytes([byte; WORD]))
    }

    /// The highest bit of each place where it stands.
    fn within(self, word: u64) -> u64 {
        let other = word ^ self.0;
        !((other & LOWS).wrapping_add(LOWS) | other | LOWS)
    }
}

/// As [`Sought::within`], for what ends a line.
fn breaks(word: u64) -> u64 {
    const FEED: Sought = Sought::new(b'\n');
    const RETURN: Sought = Sought::new(b'\r');
    FEED.within(word) | RETURN.within(word)
}

/// Whether a word is surely nothing but ASCII that can be seen, and blanks.
fn is_plain(word: u64) -> bool {
    let controls = word.wrapping_sub(ONES << 5) & !word;
    let others = word | word.wrapping_add(ONES);
    (controls | others) & HIGHS == 0
}

/// In which place of a word the first of these bits is.
fn place(bits: u64) -> u32 {
    bits.trailing_zeros() >> 3
}

/// Whether an interchange starts here, as far as the bytes between two segments can tell.
pub(crate) fn is_header(rest: &[u8]) -> bool {
    rest.starts_with(b"ISA")
        && rest
            .get(3)
            .is_some_and(|byte| !byte.is_ascii_alphanumeric())
}

fn too_long(cut: &Cut<'_>, length: usize, limits: &Limits) -> Option<String> {
    let (segment, element) = match cut.raw_id() {
        "MSG" | "MTX" | "NTE" | "PID" => (limits.text_bytes, limits.text_bytes),
        _ => (limits.segment_bytes, limits.element_bytes),
    };
    if length > segment {
        Some(over("A segment", segment))
    } else if length > element && cut.exceeds(element) {
        Some(over("An element", element))
    } else {
        None
    }
}

fn over(what: &str, limit: usize) -> String {
    format!(
        "{what} is longer than {limit} bytes; a separator or terminator is probably missing or wrong."
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_byte_is_found_wherever_it_stands(
            mut bytes: [u8; WORD],
            sought: u8,
            stands in proptest::collection::vec(0..WORD, 0..4),
        ) {
            for place in stands {
                bytes[place] = sought;
            }
            let mut found = Sought::new(sought).within(u64::from_le_bytes(bytes));
            let mut places = Vec::new();
            while found != 0 {
                places.push(usize::try_from(place(found)).unwrap());
                found &= found - 1;
            }
            let expected: Vec<usize> = (0..WORD).filter(|place| bytes[*place] == sought).collect();
            prop_assert_eq!(places, expected);
        }

        #[test]
        fn what_is_called_plain_can_be_seen(
            mut bytes in proptest::array::uniform8(b' '..=b'~'),
            other: u8,
            at in 0..WORD,
        ) {
            prop_assert!(is_plain(u64::from_le_bytes(bytes)));
            bytes[at] = other;
            let visible = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
            prop_assert!(visible || !is_plain(u64::from_le_bytes(bytes)));
        }
    }
}
