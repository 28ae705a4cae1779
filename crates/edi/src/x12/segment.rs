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
    text: &'r str,
    /// Where each part ends in the text, the id being the first; one separator follows each but the last.
    ends: &'r [u32],
    /// Surely nothing but ASCII that can be seen, and blanks.
    pub(crate) is_plain: bool,
    /// Number within its transaction set; the ST is 1 (AK302).
    pub number: usize,
    pub position: Position,
}

impl<'r> Segment<'r> {
    /// Empty when there is none.
    #[must_use]
    pub fn id(&self) -> &'r str {
        self.element(0)
    }

    /// Element `at` (1 is the first, as in PO101) without surrounding blanks; empty when it is absent.
    #[must_use]
    pub fn element(&self, at: usize) -> &'r str {
        trimmed(part(self.text, self.ends, at))
    }

    /// As [`Self::element`], but `None` when there is nothing.
    #[must_use]
    pub fn value(&self, at: usize) -> Option<&'r str> {
        Some(self.element(at)).filter(|text| !text.is_empty())
    }

    /// How many elements follow the id, empty ones included.
    #[must_use]
    pub fn element_count(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }
}

/// Part `at` of a text that is cut at these ends; empty when it is absent.
fn part<'t>(text: &'t str, ends: &[u32], at: usize) -> &'t str {
    let end = |at: usize| ends.get(at).map(|end| index(*end));
    let from = match at.checked_sub(1) {
        Some(before) => end(before).map(|end| end.saturating_add(1)),
        None => Some(0),
    };
    let range = from.zip(end(at));
    range
        .and_then(|(from, to)| text.get(from..to))
        .unwrap_or_default()
}

fn index(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

/// Without blanks at either end; mostly there are none, which two bytes tell.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// A segment that was just cut out of the file. It is used for one after the other, so that none costs an allocation.
#[derive(Debug, Default)]
pub(crate) struct Cut<'a> {
    text: Cow<'a, str>,
    pub(crate) ends: Vec<u32>,
    /// Surely nothing but ASCII that can be seen, and blanks.
    pub(crate) is_plain: bool,
}

impl<'a> Cut<'a> {
    /// The ends are in this text.
    pub(crate) fn stands_in(&mut self, text: &'a str) {
        self.text = Cow::Borrowed(text);
    }

    /// The segment has these parts, of which some do not stand so in the file.
    pub(crate) fn consists_of<'p>(&mut self, parts: impl Iterator<Item = Cow<'p, str>>) {
        let mut text = String::new();
        self.ends.clear();
        for part in parts {
            if !self.ends.is_empty() {
                text.push('*');
            }
            text.push_str(&part);
            self.ends
                .push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        self.text = Cow::Owned(text);
    }

    /// Takes away what is filler at the end of the last part.
    pub(crate) fn trim_end(&mut self, is_filler: impl Fn(char) -> bool) {
        let last = self.ends.len().saturating_sub(1);
        let part = part(&self.text, &self.ends, last);
        let filler = part
            .len()
            .saturating_sub(part.trim_end_matches(is_filler).len());
        if let (Some(end), Ok(filler)) = (self.ends.last_mut(), u32::try_from(filler)) {
            *end = end.saturating_sub(filler);
        }
    }

    /// The first part as it stands, blanks and all.
    pub(crate) fn raw_id(&self) -> &str {
        part(&self.text, &self.ends, 0)
    }

    /// Whether the last of several parts is empty.
    pub(crate) fn ends_empty(&self) -> bool {
        matches!(self.ends.as_slice(), [.., before, last] if *last == before.saturating_add(1))
    }

    /// Whether a part has more bytes than this.
    pub(crate) fn exceeds(&self, bytes: usize) -> bool {
        (0..self.ends.len()).any(|at| part(&self.text, &self.ends, at).len() > bytes)
    }

    /// As a segment at this place, outside any list.
    pub(crate) fn segment(&self, position: Position) -> Segment<'_> {
        Segment {
            text: &self.text,
            ends: &self.ends,
            is_plain: self.is_plain,
            number: 0,
            position,
        }
    }
}

/// Segments in file order, stored in two vectors so that a large file costs few allocations.
#[derive(Debug, Clone, Default)]
pub struct SegmentList<'a> {
    /// Of all segments, one after the other.
    ends: Vec<u32>,
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Clone)]
struct Row<'a> {
    text: Cow<'a, str>,
    /// Up to where the ends are its own, from those of the segment before.
    end: usize,
    is_plain: bool,
    position: Position,
}

impl<'a> SegmentList<'a> {
    pub(crate) fn push(&mut self, cut: &mut Cut<'a>, position: Position) {
        self.ends.extend_from_slice(&cut.ends);
        self.rows.push(Row {
            text: std::mem::take(&mut cut.text),
            end: self.ends.len(),
            is_plain: cut.is_plain,
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
        let mut from = 0;
        self.rows.iter().enumerate().map(move |(index, row)| {
            let own = std::mem::replace(&mut from, row.end)..row.end;
            Segment {
                text: &row.text,
                ends: self.ends.get(own).unwrap_or_default(),
                is_plain: row.is_plain,
                number: index.saturating_add(1),
                position: row.position,
            }
        })
    }
}
