//! The four bytes that structure an interchange; each ISA declares its own (X12.5, clause on the ISA segment).

use std::borrow::Cow;

use super::fault::InterchangeError;

/// The delimiters in force from one ISA to its IEA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// The byte after `ISA`.
    pub element: u8,
    /// ISA16.
    pub component: u8,
    /// The byte after ISA16.
    pub segment: u8,
    /// ISA11 from version 00402 on; before, ISA11 is a standards id and nothing repeats.
    pub repetition: Option<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            element: b'*',
            component: b'>',
            segment: b'~',
            repetition: Some(b'^'),
        }
    }
}

impl Delimiters {
    /// Why these bytes cannot delimit anything, if so: they must differ and be neither letters, digits nor blanks.
    pub(crate) fn fault(self) -> Option<(InterchangeError, &'static str)> {
        let unusable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ' || byte == 0;
        let Self {
            element,
            component,
            segment,
            repetition,
        } = self;
        if unusable(element) || matches!(element, b'\r' | b'\n') {
            Some((
                InterchangeError::InvalidElementSeparator,
                "the element separator (byte 4 of the ISA)",
            ))
        } else if unusable(component) || component == element {
            Some((
                InterchangeError::InvalidComponentSeparator,
                "the component separator (ISA16)",
            ))
        } else if unusable(segment) || segment == element || segment == component {
            Some((
                InterchangeError::InvalidSegmentTerminator,
                "the segment terminator (the byte after ISA16)",
            ))
        } else if repetition
            .is_some_and(|byte| unusable(byte) || [element, component, segment].contains(&byte))
        {
            Some((
                InterchangeError::InvalidStandardsId,
                "the repetition separator (ISA11)",
            ))
        } else {
            None
        }
    }

    /// Whether this character would be read as structure if it stood in data.
    #[must_use]
    pub fn holds(self, character: char) -> bool {
        let is = |byte: u8| char::from(byte) == character;
        is(self.element)
            || is(self.component)
            || is(self.segment)
            || self.repetition.is_some_and(is)
    }

    /// Free text made safe to send: X12 has no escape character, so delimiters and control characters become
    /// blanks. Identifiers must not go through here; [`super::Writer`] refuses them instead.
    #[must_use]
    pub fn clean(self, text: &str) -> Cow<'_, str> {
        let means = |c: char| self.holds(c) || c.is_control();
        if text.contains(means) {
            let blanked = text.replace(means, " ");
            Cow::Owned(blanked.trim().to_owned())
        } else {
            Cow::Borrowed(text.trim())
        }
    }
}
