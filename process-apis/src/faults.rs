//! What is wrong with a request's shape, collected so that the caller learns all of it at once.

use std::ops::RangeInclusive;

use service_runtime::problem::{FieldError, Problem};

/// The faults found so far.
#[derive(Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    /// A fault, unless it is sound.
    pub(crate) fn add(
        mut self,
        sound: bool,
        pointer: &str,
        code: &str,
        detail: impl Into<String>,
    ) -> Self {
        if !sound {
            self.0.push(FieldError::new(pointer, code, detail));
        }
        self
    }

    /// A name, a key or words on one line: so many characters at most, and not blanks alone.
    pub(crate) fn text(self, pointer: &str, text: &str, most: usize) -> Self {
        let sound = !text.trim().is_empty()
            && text.chars().count() <= most
            && !text.chars().any(char::is_control);
        let detail = format!("Send 1 to {most} visible characters.");
        self.add(sound, pointer, "invalid-value", detail)
    }

    /// Words for a person, on as many lines as they have.
    pub(crate) fn words(self, pointer: &str, text: &str, most: usize) -> Self {
        let sound = !text.trim().is_empty() && text.chars().count() <= most;
        let detail = format!("Send 1 to {most} characters.");
        self.add(sound, pointer, "invalid-value", detail)
    }

    /// Nothing is not a document.
    pub(crate) fn content(self, base64: &str) -> Self {
        self.add(
            !base64.is_empty(),
            "/content_base64",
            "invalid-value",
            "Send the bytes of the document, in base64.",
        )
    }

    /// A list with so many entries at most.
    pub(crate) fn count(self, pointer: &str, count: usize, most: usize) -> Self {
        let detail = format!("Send at most {most}.");
        self.add(count <= most, pointer, "too-many", detail)
    }

    /// A number within its range.
    pub(crate) fn range(self, pointer: &str, value: u16, range: RangeInclusive<u16>) -> Self {
        let detail = format!("Send a number from {} to {}.", range.start(), range.end());
        self.add(range.contains(&value), pointer, "out-of-range", detail)
    }

    /// A problem that names them all, if there are any.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::validation(self.0))
        }
    }
}
