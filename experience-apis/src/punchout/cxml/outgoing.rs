//! The documents that we write: their ids and times, and the envelope around them.

use jiff::Timestamp;
use service_runtime::config::Secret;
use uuid::Uuid;

use super::{
    credential,
    status::Status,
    version::{Dtd, Version},
    xml::{Characters, Element, document},
};
use crate::punchout::profile::Identity;

/// How we name our software.
const USER_AGENT: &str = "Orderway";

/// What every document of ours has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The version it declares.
    pub version: Version,
    /// Its own id; the same document once more has the same one.
    pub payload_id: String,
    /// When it was made.
    pub at: Timestamp,
}

/// Who a document of ours is from and to.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// On whose behalf.
    pub from: &'a [Identity],
    /// For whom.
    pub to: &'a [Identity],
    /// Who sends it: us.
    pub sender: &'a Identity,
    /// What proves it; never in what passes through a browser.
    pub secret: Option<&'a Secret>,
}

impl Outgoing {
    /// A document of this kind about one thing: the same kind about the same thing has the same id.
    pub fn new(version: Version, kind: &str, about: Uuid, at: Timestamp) -> Self {
        Self {
            version,
            payload_id: format!("{kind}.{}@orderway", about.simple()),
            at,
        }
    }

    /// A Response that says only what became of the request.
    pub fn response(&self, status: &Status) -> String {
        self.respond(Element::new("Response").child(status.element()))
    }

    /// A Response of 200 with what was asked for.
    pub(super) fn response_with(&self, answer: Element) -> String {
        let status = Status::ok().element();
        self.respond(Element::new("Response").child(status).child(answer))
    }

    fn respond(&self, response: Element) -> String {
        let dtd = self.version.dtd(Dtd::Base);
        document(
            &self.root().child(response),
            Some(&dtd),
            Characters::Unicode,
        )
    }

    /// A Message, for a browser to post.
    pub(super) fn message(&self, parties: Parties<'_>, message: Element) -> Message {
        let root = self.root().child(header(parties)).child(message);
        Message {
            root,
            dtd: self.version.dtd(Dtd::Base),
        }
    }

    /// A Request to another system.
    pub(super) fn request(&self, parties: Parties<'_>, request: Element, dtd: Dtd) -> String {
        let outer = Element::new("Request").with("deploymentMode", "production");
        let root = self.root().child(header(parties));
        let dtd = self.version.dtd(dtd);
        document(
            &root.child(outer.child(request)),
            Some(&dtd),
            Characters::Unicode,
        )
    }

    fn root(&self) -> Element {
        Element::new("cXML")
            .with("payloadID", self.payload_id.as_str())
            .with("timestamp", instant(self.at))
            .with("version", self.version.to_string())
            .with("xml:lang", "en")
    }
}

/// A Message that is yet to be written.
#[derive(Debug, Clone)]
pub struct Message {
    root: Element,
    dtd: String,
}

impl Message {
    /// The document, in these characters.
    pub fn write(&self, characters: Characters) -> String {
        document(&self.root, Some(&self.dtd), characters)
    }
}

fn header(parties: Parties<'_>) -> Element {
    let all = |name: &str, of: &[Identity]| {
        Element::new(name).children(
            of.iter()
                .map(|identity| credential::element(identity, None)),
        )
    };
    let sender = Element::new("Sender")
        .child(credential::element(parties.sender, parties.secret))
        .child(Element::new("UserAgent").text(USER_AGENT));
    Element::new("Header")
        .child(all("From", parties.from))
        .child(all("To", parties.to))
        .child(sender)
}

/// A time as the guide wants it: with an offset in digits.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
