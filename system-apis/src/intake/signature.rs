//! Signatures of vendors: a keyed hash over the bytes as they came, and a time that is not long ago. Pure.

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use service_runtime::config::Secret;

/// How far a sender's clock may be from ours, and for how long a posting can be repeated at all.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether an instant is near enough to now.
pub fn is_of_this_time(signed_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(signed_at).abs() <= TOLERANCE
}

/// Whether the tag is the HMAC-SHA256 of the parts, one after the other, under one of the secrets. Takes the same time
/// wherever a tag differs.
pub fn is_signed<'a>(
    secrets: impl Iterator<Item = &'a Secret>,
    parts: &[&[u8]],
    tag: &[u8],
) -> bool {
    let message = parts.concat();
    let mut keys =
        secrets.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()));
    keys.any(|key| hmac::verify(&key, &message, tag).is_ok())
}

/// The bytes that a text in hexadecimal says.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_tag_is_believed_under_either_secret_and_under_no_other() {
        // RFC 4231, test case 2.
        let tag =
            from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843").unwrap();
        let secret = |text: &str| Secret::from(text.to_owned());
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let (jefe, other) = (secret("Jefe"), secret("other"));
        assert!(is_signed([&jefe].into_iter(), &parts, &tag));
        assert!(is_signed([&other, &jefe].into_iter(), &parts, &tag));
        assert!(!is_signed([&other].into_iter(), &parts, &tag));
        assert!(!is_signed([&jefe].into_iter(), &parts[..1], &tag));
        assert!(!is_signed([&jefe].into_iter(), &parts, &tag[..16]));
        assert!(!is_signed([&jefe].into_iter(), &parts, &[]));
    }

    #[rstest]
    #[case(0, true)]
    #[case(300, true)]
    #[case(-300, true)]
    #[case(301, false)]
    #[case(-301, false)]
    fn only_what_was_signed_now_is_believed(#[case] seconds: i64, #[case] believed: bool) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let signed_at = now + SignedDuration::from_secs(seconds);
        assert_eq!(is_of_this_time(signed_at, now), believed);
    }

    #[test]
    fn hexadecimal_is_read_whole_or_not_at_all() {
        assert_eq!(from_hex("00fFa1"), Some(vec![0, 255, 161]));
        for bad in ["0", "0g", "é0"] {
            assert_eq!(from_hex(bad), None);
        }
    }
}
