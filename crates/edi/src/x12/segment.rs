//! A segment as read: its id, its elements (borrowed from the file) and where it stood.

use std::borrow::Cow;

/// Where something stood, for a person with an editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Segment number within the interchange; the ISA is 1.
    pub segment: usize,
    /// Byte offset in the file.
    pub offset: usize,
}

/// A view of one segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'r> {
    parts: &'r [Cow<'r, str>],
    /// Number within its transaction set; the ST is 1 (AK302).
    pub number: usize,
    pub position: Position,
}

impl<'r> Segment<'r> {
    #[must_use]
    pub fn id(&self) -> &'r str {
        self.parts.first().map_or("", |id| id.as_ref())
    }

    /// Element `at` (1 is the first, as in PO101) without surrounding blanks; empty when it is absent.
    #[must_use]
    pub fn element(&self, at: usize) -> &'r str {
        self.parts.get(at).map_or("", |text| trimmed(text))
    }

    /// As [`Self::element`], but `None` when there is nothing.
    #[must_use]
    pub fn value(&self, at: usize) -> Option<&'r str> {
        Some(self.element(at)).filter(|text| !text.is_empty())
    }

    /// How many elements follow the id, empty ones included.
    #[must_use]
    pub fn element_count(&self) -> usize {
        self.parts.len().saturating_sub(1)
    }
}

/// Without blanks at either end; mostly there are none, which two bytes tell.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Segments in file order, stored in two vectors so that a large file costs few allocations.
#[derive(Debug, Clone, Default)]
pub struct SegmentList<'a> {
    parts: Vec<Cow<'a, str>>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    first: usize,
    end: usize,
    position: Position,
}

impl<'a> SegmentList<'a> {
    pub(crate) fn push(&mut self, parts: &mut Vec<Cow<'a, str>>, position: Position) {
        let first = self.parts.len();
        self.parts.append(parts);
        self.rows.push(Row {
            first,
            end: self.parts.len(),
            position,
        });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Segment<'_>> {
        self.rows.iter().enumerate().map(|(index, row)| Segment {
            parts: self.parts.get(row.first..row.end).unwrap_or_default(),
            number: index.saturating_add(1),
            position: row.position,
        })
    }
}
