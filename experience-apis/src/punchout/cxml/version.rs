//! Which version of cXML we declare: it decides which elements may be used.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

/// A version from 1.2.014 to 1.2.071.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u8);

/// Why a text is no version that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name a cXML version from 1.2.014 to 1.2.071, such as 1.2.053")]
pub struct InvalidVersion;

/// Which document type definition a document goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtd {
    /// Punchout and orders.
    Base,
    /// Confirmations and ship notices.
    Fulfill,
}

impl Version {
    const FIRST: u8 = 14;
    const LAST: u8 = 71;
    /// The first whose elements beyond those of 1.2.014 we use: looked up in its own definition.
    const SECOND: u8 = 37;

    /// What is declared to a sender that is not known.
    pub const OLDEST: Self = Self(Self::FIRST);

    /// Whether `ItemID` may name the buyer's own part.
    pub const fn has_buyer_part_id(self) -> bool {
        self.0 >= Self::SECOND
    }

    /// The address by which a document declares it; nobody fetches it.
    pub fn dtd(self, dtd: Dtd) -> String {
        let file = match dtd {
            Dtd::Base => "cXML.dtd",
            Dtd::Fulfill => "Fulfill.dtd",
        };
        format!("http://xml.cxml.org/schemas/cXML/{self}/{file}")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "1.2.{:03}", self.0)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let digits = text.strip_prefix("1.2.").ok_or(InvalidVersion)?;
        let version = digits
            .parse()
            .map(Self)
            .map_err(|_not_a_number| InvalidVersion)?;
        let sound = (Self::FIRST..=Self::LAST).contains(&version.0) && version.to_string() == text;
        sound.then_some(version).ok_or(InvalidVersion)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.2.014", true)]
    #[case("1.2.071", true)]
    #[case("1.2.013", false)]
    #[case("1.2.072", false)]
    #[case("1.2.14", false)]
    #[case("1.2.+14", false)]
    #[case("1.2.0014", false)]
    #[case("1.1.014", false)]
    fn only_versions_that_we_write_are_taken(#[case] text: &str, #[case] taken: bool) {
        let version = text.parse::<Version>();
        assert_eq!(
            version.map(|version| version.to_string()).ok(),
            taken.then(|| text.to_owned())
        );
    }
}
