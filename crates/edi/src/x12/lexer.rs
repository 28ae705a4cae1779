//! Cuts the bytes after an ISA into segments and elements, borrowing from the file wherever it can.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::delimiters::Delimiters;
use super::limits::Limits;
use super::value;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes of an ISA with its terminator.
const HEADER_WIDTH: usize = 106;

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
    /// A segment was put into `parts`.
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
    edges: Vec<usize>,
}

impl<'f, 'a> Lexer<'f, 'a> {
    pub(crate) fn new(file: &'f File<'a>, delimiters: Delimiters, at: usize) -> Self {
        Self {
            file,
            delimiters,
            at,
            edges: Vec::new(),
        }
    }

    /// The next segment. Each byte is looked at a bounded number of times, whatever the input.
    pub(crate) fn next(&mut self, parts: &mut Vec<Cow<'a, str>>, limits: &Limits) -> Lexed {
        parts.clear();
        let indented = self.skip_filler();
        let rest = self.file.input.get(self.at..).unwrap_or_default();
        let offset = self.at;
        if rest.is_empty() {
            return Lexed::End;
        }
        if is_header(rest) {
            return Lexed::Header;
        }
        let longest = limits.text_bytes.max(limits.segment_bytes);
        let window = rest.get(..longest.saturating_add(1)).unwrap_or(rest);
        let (length, broken) = self.scan(window);
        let Some(length) = length.or_else(|| (window.len() == rest.len()).then_some(rest.len()))
        else {
            self.at = offset.saturating_add(window.len());
            return Lexed::OverLimit {
                offset,
                what: over("A segment", longest),
            };
        };
        if self.edges.len() > limits.elements {
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
        let end = offset.saturating_add(length);
        let mut from = offset;
        for edge in self
            .edges
            .iter()
            .map(|edge| offset.saturating_add(*edge))
            .chain([end])
        {
            parts.push(self.file.part(from, edge, broken));
            from = edge.saturating_add(1);
        }
        if unterminated && let Some(last) = parts.last_mut() {
            // the filler after the last segment of a file is not its data
            *last = Cow::Owned(
                last.trim_end_matches(|c| u8::try_from(c).is_ok_and(is_filler))
                    .to_owned(),
            );
        }
        if let Some(what) = too_long(parts, length, limits) {
            return Lexed::OverLimit { offset, what };
        }
        Lexed::Segment {
            offset,
            quirk: self.quirk(parts, indented, broken, unterminated),
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
    fn scan(&mut self, window: &[u8]) -> (Option<usize>, bool) {
        self.edges.clear();
        let mut broken = false;
        for (index, byte) in window.iter().copied().enumerate() {
            if byte == self.delimiters.segment {
                return (Some(index), broken);
            }
            if byte == self.delimiters.element {
                self.edges.push(index);
            } else if matches!(byte, b'\r' | b'\n') {
                broken = true;
            }
        }
        (None, broken)
    }

    fn quirk(
        &self,
        parts: &[Cow<'a, str>],
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
        } else if parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
            Some("a segment ends in empty elements; they need not be sent")
        } else {
            None
        }
    }
}

/// Whether an interchange starts here, as far as the bytes between two segments can tell.
pub(crate) fn is_header(rest: &[u8]) -> bool {
    rest.starts_with(b"ISA")
        && rest
            .get(3)
            .is_some_and(|byte| !byte.is_ascii_alphanumeric())
}

fn too_long(parts: &[Cow<'_, str>], length: usize, limits: &Limits) -> Option<String> {
    let id = parts.first().map_or("", |id| id.as_ref());
    let (segment, element) = match id {
        "MSG" | "MTX" | "NTE" | "PID" => (limits.text_bytes, limits.text_bytes),
        _ => (limits.segment_bytes, limits.element_bytes),
    };
    if length > segment {
        Some(over("A segment", segment))
    } else if length > element && parts.iter().any(|part| part.len() > element) {
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
