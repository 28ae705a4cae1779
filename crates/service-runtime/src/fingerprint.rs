//! What bytes are told by: their SHA-256, in hexadecimal.

use aws_lc_rs::digest;

/// SHA-256 over the parts, one after the other, in 64 lower-case hexadecimal digits.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let hash = context.finish();
    let halves = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

/// The first 16 digits: enough to tell some apart, where nobody gains by two that look alike.
pub fn short(bytes: &[u8]) -> String {
    let mut digits = sha256([bytes]);
    digits.truncate(16);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, the example of one block.
    #[test]
    fn parts_are_told_as_their_whole() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256([&b"abc"[..]]), abc);
        assert_eq!(sha256([&b"a"[..], b"bc"]), abc);
        assert_eq!(short(b"abc"), "ba7816bf8f01cfea");
    }
}
