//! The fields of a form or query: names without case, and a field that says two things says none.

use percent_encoding::percent_decode;

use super::{charset::Charset, read::MOST_FIELDS};

/// Fields that are read of one form, one more than a cart may have: each takes many times the memory of its text.
const MOST_READ: usize = MOST_FIELDS + 1;

/// Fields of a form, as they came.
#[derive(Clone, Default)]
pub(super) struct Params(Vec<(String, String)>);

/// A field came twice, with two values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} came twice, with two values: send it once")]
pub(super) struct Twice(String);

impl Params {
    /// A field by its name in any case; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Twice> {
        let mut found = None;
        for (other, value) in &self.0 {
            if !other.trim().eq_ignore_ascii_case(name) || value.is_empty() {
                continue;
            }
            match found {
                None => found = Some(value.as_str()),
                Some(before) if before == value => {}
                Some(_) => return Err(Twice(name.to_owned())),
            }
        }
        Ok(found)
    }

    /// A field without blanks around it.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Twice> {
        let text = self.get(name)?.map(str::trim);
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// All fields.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// With those of another form behind them.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// How many there are: a password may be among them.
impl std::fmt::Debug for Params {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} fields", self.0.len())
    }
}

/// Reads `application/x-www-form-urlencoded`. Text that is not in UTF-8 is in the charset given: bytes that are UTF-8
/// by chance do not occur in words.
pub(super) fn read(bytes: &[u8], otherwise: Charset) -> Params {
    let raw: Vec<(Vec<u8>, Vec<u8>)> = bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .take(MOST_READ)
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let mut part = || decoded(parts.next().unwrap_or_default());
            (part(), part())
        })
        .collect();
    let is_utf8 = |(name, value): &(Vec<u8>, Vec<u8>)| {
        std::str::from_utf8(name).is_ok() && std::str::from_utf8(value).is_ok()
    };
    let charset = if raw.iter().all(is_utf8) {
        Charset::Utf8
    } else {
        otherwise
    };
    let fields = raw
        .iter()
        .map(|(name, value)| (charset.decode(name), charset.decode(value)));
    Params(fields.collect())
}

fn decoded(part: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = part
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&blanks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_latin1(text: &str) -> Params {
        read(text.as_bytes(), Charset::Latin1)
    }

    #[test]
    fn names_are_without_case_and_values_decoded_once() {
        let params = read_latin1(
            "hook_url=https%3A%2F%2Fa.example%2F%3Fx%3D%2526&~OkCode=ADDI&&a+b=1+2&flag",
        );
        assert_eq!(params.get("HOOK_URL"), Ok(Some("https://a.example/?x=%26")));
        assert_eq!(params.get("~okcode"), Ok(Some("ADDI")));
        assert_eq!(params.get("A B"), Ok(Some("1 2")));
        assert_eq!(params.get("flag"), Ok(None));
        assert_eq!(params.get("absent"), Ok(None));
    }

    #[test]
    fn a_field_that_says_two_things_says_none() {
        let params = read_latin1("HOOK_URL=https://a.example&hook_url=https://b.example&x=1&X=1");
        assert_eq!(
            params.get("HOOK_URL").unwrap_err().to_string(),
            "the field HOOK_URL came twice, with two values: send it once"
        );
        assert_eq!(params.get("x"), Ok(Some("1")));
    }

    #[test]
    fn no_more_is_read_than_tells_that_there_is_too_much() {
        let params = read_latin1(&"a&".repeat(300_000));
        assert_eq!(params.fields().len(), 200_001);
    }

    #[test]
    fn a_password_is_not_shown() {
        let params = read_latin1("PASSWORD=hunter2&USERNAME=acme");
        assert_eq!(format!("{params:?}"), "2 fields");
    }

    #[test]
    fn text_is_utf_8_where_it_can_be() {
        assert_eq!(read_latin1("q=Gr%C3%B6%C3%9Fe").get("q"), Ok(Some("Größe")));
        assert_eq!(read_latin1("q=Gr%F6%DFe").get("q"), Ok(Some("Größe")));
    }
}
