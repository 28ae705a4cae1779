//! Bytes as text: the byte-order mark decides, then the XML declaration, then what the transport said, then UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::XmlError;

/// An XML declaration ends within so many bytes.
const DECLARATION: usize = 512;

/// The text, with a declaration that says UTF-8.
pub(super) fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, XmlError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark..).unwrap_or_default();
        return text(rest, encoding).map(as_utf8);
    }
    if bytes.starts_with(b"<\0") || bytes.starts_with(b"\0<") {
        return Err(fault(
            "the document looks like UTF-16 without a byte-order mark: send it with one, or as UTF-8",
        ));
    }
    let declared = declaration(bytes).and_then(|declaration| encoding_name(declaration));
    let name = match declared {
        Some((_, name)) => name,
        None => charset.unwrap_or("UTF-8"),
    };
    let ascii = ["us-ascii", "ascii"]
        .iter()
        .any(|ascii| name.eq_ignore_ascii_case(ascii));
    if ascii && !bytes.is_ascii() {
        return Err(fault(
            "the document says US-ASCII and has other characters: declare the encoding that it is written in",
        ));
    }
    // The table takes ISO-8859-1 for windows-1252, as senders do: the codes in which they differ are control characters.
    match Encoding::for_label(name.as_bytes()) {
        Some(encoding) if encoding == UTF_8 || encoding == WINDOWS_1252 => {
            text(bytes, encoding).map(as_utf8)
        }
        // A declaration in single bytes is not UTF-16, whatever it says: some libraries write it over UTF-8.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
            text(bytes, UTF_8).map(as_utf8)
        }
        _ => Err(fault(
            "this encoding is not read here: send UTF-8, ISO-8859-1, windows-1252, US-ASCII, or UTF-16 with a byte-order mark",
        )),
    }
}

fn text<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Result<Cow<'a, str>, XmlError> {
    let name = if encoding == UTF_16BE || encoding == UTF_16LE {
        "UTF-16"
    } else {
        encoding.name()
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .ok_or_else(|| {
            fault(&format!(
                "the bytes are not {name}: declare the encoding that the document is written in"
            ))
        })
}

/// The text of the XML declaration, if the document begins with one.
fn declaration(bytes: &[u8]) -> Option<&str> {
    let start = bytes.get(..bytes.len().min(DECLARATION))?;
    let end = start.windows(2).position(|pair| pair == b"?>")?;
    let text = std::str::from_utf8(start.get(..end)?).ok()?;
    text.starts_with("<?xml").then_some(text)
}

/// Where the declaration names the encoding, and what it names.
fn encoding_name(declaration: &str) -> Option<(usize, &str)> {
    let (before, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, _) = value.get(1..)?.split_once(quote)?;
    let skipped = after.len().checked_sub(value.len())?;
    let start = before.len() + "encoding".len() + skipped + 1;
    Some((start, name))
}

/// The same text, declared as what it is now: it may be read again.
fn as_utf8(text: Cow<'_, str>) -> Cow<'_, str> {
    let named = declaration(text.as_bytes()).and_then(encoding_name);
    match named {
        Some((start, name)) if !name.eq_ignore_ascii_case("UTF-8") => {
            let end = start + name.len();
            let mut told = text.into_owned();
            told.replace_range(start..end, "UTF-8");
            Cow::Owned(told)
        }
        _ => text,
    }
}

fn fault(message: &str) -> XmlError {
    XmlError {
        line: 1,
        column: 1,
        message: message.to_owned(),
        too_large: false,
    }
}
