//! The three charsets of a call: OCI knows ISO-8859-1 unless `http_content_charset` says otherwise.
//!
//! What a charset lacks travels as a numeric reference (`&#8364;`), which is what a browser makes of it under
//! `accept-charset`. It is written here already: browsers take ISO-8859-1 for windows-1252, and would post an en dash as
//! a byte that is a control character to a buyer who reads ISO-8859-1 by the letter.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// In which bytes a form is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::punchout) enum Charset {
    /// ISO-8859-1, the book's default.
    #[default]
    Latin1,
    /// windows-1252.
    Windows1252,
    /// UTF-8.
    Utf8,
}

impl Charset {
    /// By one of its usual names; `None` = it is none of the three.
    pub(in crate::punchout) fn named(label: &str) -> Option<Self> {
        match label.trim().to_ascii_lowercase().as_str() {
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" => Some(Self::Latin1),
            "windows-1252" | "cp1252" => Some(Self::Windows1252),
            "utf-8" | "utf8" => Some(Self::Utf8),
            _ => None,
        }
    }

    /// As `accept-charset` writes it.
    pub(in crate::punchout) fn name(self) -> &'static str {
        match self {
            Self::Latin1 => "ISO-8859-1",
            Self::Windows1252 => "windows-1252",
            Self::Utf8 => "UTF-8",
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Latin1 | Self::Windows1252 => WINDOWS_1252,
            Self::Utf8 => UTF_8,
        }
    }

    /// Whether it has the character.
    pub(super) fn holds(self, character: char) -> bool {
        match self {
            Self::Utf8 => true,
            Self::Latin1 => u8::try_from(character).is_ok(),
            Self::Windows1252 => {
                let mut buffer = [0; 4];
                let text: &str = character.encode_utf8(&mut buffer);
                !WINDOWS_1252.encode(text).2
            }
        }
    }

    /// The character as it is posted.
    pub(super) fn posted(self, character: char) -> Cow<'static, str> {
        if self.holds(character) {
            character.to_string().into()
        } else {
            format!("&#{};", u32::from(character)).into()
        }
    }

    /// The text as it is posted.
    pub(super) fn fit(self, text: &str) -> String {
        text.chars()
            .map(|character| self.posted(character))
            .collect()
    }

    /// Bytes as text; what is no character becomes U+FFFD.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        self.encoding()
            .decode_without_bom_handling(bytes)
            .0
            .into_owned()
    }

    /// A page as bytes; what is lacking becomes a numeric reference, which a page may hold anywhere.
    pub(super) fn encode(self, page: &str) -> Vec<u8> {
        self.encoding().encode(page).0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ISO-8859-1", Some("ISO-8859-1"))]
    #[case(" utf8 ", Some("UTF-8"))]
    #[case("Windows-1252", Some("windows-1252"))]
    #[case("UTF-16", None)]
    #[case("utf-7", None)]
    #[case("", None)]
    fn three_charsets_are_known(#[case] label: &str, #[case] name: Option<&str>) {
        assert_eq!(Charset::named(label).map(Charset::name), name);
    }

    #[rstest]
    #[case(Charset::Latin1, "Größe – 5 €", "Größe &#8211; 5 &#8364;")]
    #[case(Charset::Windows1252, "Größe – 5 € ☃", "Größe – 5 € &#9731;")]
    #[case(Charset::Utf8, "Größe – ☃", "Größe – ☃")]
    fn what_is_lacking_is_a_numeric_reference(
        #[case] charset: Charset,
        #[case] text: &str,
        #[case] posted: &str,
    ) {
        assert_eq!(charset.fit(text), posted);
    }

    #[test]
    fn bytes_are_read_in_their_charset() {
        assert_eq!(Charset::Latin1.decode(b"Gr\xF6\xDFe"), "Größe");
        assert_eq!(Charset::Utf8.decode("Größe".as_bytes()), "Größe");
        assert_eq!(Charset::Latin1.encode("ö☃"), b"\xF6&#9731;");
    }
}
