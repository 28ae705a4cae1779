//! Looks at heads as they arrive for what hyper takes without telling: lines that end in a bare LF,
//! a length together with chunks (hyper drops the length), and chunks named twice. Another server may
//! read each of them otherwise.

/// As long as the longest name looked for.
const NAME: usize = 18;

#[derive(Debug, Default)]
pub(super) struct HeadScan {
    name: Vec<u8>,
    line_length: usize,
    previous: u8,
    lines: usize,
    has_length: bool,
    has_chunks: bool,
    in_body: bool,
    ambiguous: bool,
    ended: bool,
}

impl HeadScan {
    /// Takes what was read. Behind a head with a body nothing is looked at until the answer is out:
    /// where that body ends only hyper knows.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.in_body {
                return;
            }
            self.take(*byte);
        }
    }

    /// The connection waits for a new request.
    pub(super) fn next_request(&mut self) {
        if self.in_body {
            *self = Self {
                ambiguous: self.ambiguous,
                ended: self.ended,
                ..Self::default()
            };
        }
    }

    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// A whole head has come, on this connection.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => {}
            _ => {
                self.line_length = self.line_length.saturating_add(1);
                if self.name.len() < NAME {
                    self.name.push(byte.to_ascii_lowercase());
                }
            }
        }
        self.previous = byte;
    }

    fn end_line(&mut self) {
        self.ambiguous |= self.previous != b'\r';
        self.has_length |= self.name.starts_with(b"content-length:");
        let chunks = self.name.starts_with(b"transfer-encoding:");
        self.ambiguous |= chunks && self.has_chunks;
        self.has_chunks |= chunks;
        let blank = self.line_length == 0;
        self.name.clear();
        self.line_length = 0;
        // Empty lines before a request line are no end of a head.
        if !blank {
            self.lines = self.lines.saturating_add(1);
        } else if self.lines > 0 {
            self.ambiguous |= self.has_length && self.has_chunks;
            let in_body = self.has_length || self.has_chunks;
            *self = Self {
                ambiguous: self.ambiguous,
                in_body,
                ended: true,
                ..Self::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("GET / HTTP/1.1\r\nhost: a\r\n\r\n", false)]
    #[case("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n", false)]
    #[case("POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\na\nb\n", false)]
    #[case("GET / HTTP/1.1\nhost: a\r\n\r\n", true)]
    #[case("GET / HTTP/1.1\r\nhost: a\n\r\n", true)]
    #[case("GET / HTTP/1.1\r\nhost: a\r\n\n", true)]
    #[case(
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\nhost: a\r\n\r\n",
        true
    )]
    #[case(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        true
    )]
    #[case(
        "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        true
    )]
    #[case("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false)]
    #[case(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        true
    )]
    fn heads_are_judged_however_they_are_cut(#[case] bytes: &str, #[case] ambiguous: bool) {
        for size in [1, 2, 7, bytes.len()] {
            let mut scan = HeadScan::default();
            bytes
                .as_bytes()
                .chunks(size)
                .for_each(|chunk| scan.read(chunk));
            assert_eq!(scan.is_ambiguous(), ambiguous, "in pieces of {size}");
        }
    }

    #[rstest]
    #[case("GET / HTTP/1.1\r\nhost: a\r\n\r\n")]
    #[case("\r\n\r\nGET / HTTP/1.1\r\n\r\n")]
    #[case("GET / HTTP/1.1\nhost: a\n\n")]
    #[case("POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n")]
    fn a_head_ends_with_its_last_byte(#[case] head: &str) {
        let mut scan = HeadScan::default();
        let (last, before) = head.as_bytes().split_last().unwrap();
        scan.read(before);
        assert!(!scan.has_ended());
        scan.read(&[*last]);
        assert!(scan.has_ended());
        scan.read(b"GET / HT");
        assert!(scan.has_ended(), "whatever comes behind it");
    }

    #[test]
    fn the_head_after_a_body_is_looked_at_again() {
        let mut scan = HeadScan::default();
        scan.read(b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx");
        scan.next_request();
        scan.read(b"GET / HTTP/1.1\n");
        assert!(scan.is_ambiguous());
    }
}
