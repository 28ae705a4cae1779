//! The Status of a Response: what became of a request, in cXML's own codes.

use std::fmt;

use super::xml::{Element, XmlError};

/// Characters of a sentence that are kept: it may quote what came, is logged, and is stored with the document.
const MOST_DETAIL: usize = 8_000;

/// The codes that we answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 200: done, or received; for an order it is no acceptance.
    Ok,
    /// 204: nothing is to be changed.
    NoContent,
    /// 400: understood, and not acceptable as it is.
    BadRequest,
    /// 401: the Sender is not known or its secret is not right.
    Unauthorized,
    /// 403: the Sender may not do this.
    Forbidden,
    /// 406: not to be read, or no cXML.
    NotAcceptable,
    /// 409: it does not go with what is there.
    Conflict,
    /// 412: what it builds on is not there.
    PreconditionFailed,
    /// 417: it is not as it was agreed.
    ExpectationFailed,
    /// 450: not offered here.
    NotImplemented,
    /// 499: larger than this service takes.
    DocumentSizeExceeded,
    /// 500: our fault.
    InternalServerError,
    /// 560: for the moment; try again.
    TemporaryServerError,
}

impl Code {
    /// The number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::NoContent => 204,
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotAcceptable => 406,
            Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::ExpectationFailed => 417,
            Self::NotImplemented => 450,
            Self::DocumentSizeExceeded => 499,
            Self::InternalServerError => 500,
            Self::TemporaryServerError => 560,
        }
    }

    /// The code of a number that we answer with.
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The standard's word for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NoContent => "No Content",
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotAcceptable => "Not Acceptable",
            Self::Conflict => "Conflict",
            Self::PreconditionFailed => "Precondition Failed",
            Self::ExpectationFailed => "Expectation Failed",
            Self::NotImplemented => "Not Implemented",
            Self::DocumentSizeExceeded => "Document Size Exceeded",
            Self::InternalServerError => "Internal Server Error",
            Self::TemporaryServerError => "Temporary Server Error",
        }
    }

    const ALL: [Self; 13] = [
        Self::Ok,
        Self::NoContent,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotAcceptable,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::ExpectationFailed,
        Self::NotImplemented,
        Self::DocumentSizeExceeded,
        Self::InternalServerError,
        Self::TemporaryServerError,
    ];
}

/// A code, and a sentence that says what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// The sentence; empty where the code says it all.
    pub detail: String,
}

impl Status {
    /// A code with its sentence, cut where it is far too long.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(MOST_DETAIL) {
            detail.truncate(end);
        }
        Self { code, detail }
    }

    /// 200, with nothing more to say.
    pub const fn ok() -> Self {
        Self {
            code: Code::Ok,
            detail: String::new(),
        }
    }

    /// 401, with the one sentence for an unknown sender and for a wrong secret.
    pub fn unauthorized() -> Self {
        Self::new(
            Code::Unauthorized,
            "The Sender's credential is not known here or its SharedSecret is not right: check both.",
        )
    }

    /// As an element of a Response or a Message.
    pub fn element(&self) -> Element {
        let status = Element::new("Status")
            .with("code", self.code.number().to_string())
            .with("text", self.code.text())
            .with("xml:lang", "en");
        if self.detail.is_empty() {
            status
        } else {
            status.text(self.detail.as_str())
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} {}: {}",
            self.code.number(),
            self.code.text(),
            self.detail
        )
    }
}

impl std::error::Error for Status {}

impl From<XmlError> for Status {
    fn from(error: XmlError) -> Self {
        let code = if error.too_large {
            Code::DocumentSizeExceeded
        } else {
            Code::NotAcceptable
        };
        Self::new(
            code,
            format!(
                "The document was not read. Line {}, column {}: {}.",
                error.line, error.column, error.message
            ),
        )
    }
}
