//! The envelope: who speaks to whom, and what is asked. Also the answers that others give us.

use jiff::Timestamp;

use super::{
    credential::{SenderCredential, names, party},
    fields::instant,
    status::{Code, Status},
    xml::{self, Document, Element, is_visible},
};
use crate::punchout::profile::Identity;

/// Longest payloadID.
const MOST_PAYLOAD_ID: usize = 256;
/// Longest text that is kept of another system's answer.
const MOST_DETAIL: usize = 900;

/// A request that came in, its content yet to be read.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The sender's own id of the document: the same once more is a repetition.
    pub payload_id: String,
    /// When the sender says that it was made.
    pub timestamp: Option<Timestamp>,
    /// The version it declares, in its `version` attribute or its document type.
    pub version: Option<String>,
    /// On whose behalf.
    pub from: Vec<Identity>,
    /// For whom.
    pub to: Vec<Identity>,
    /// Who sent it, with proof.
    pub sender: Vec<SenderCredential>,
    /// The sender's software.
    pub user_agent: Option<String>,
    /// Whether it is only a test; absent = production.
    pub test: bool,
    /// What is asked.
    pub kind: Kind,
    /// The element that asks.
    pub request: Element,
    /// What was taken although it is not as it should be, for the log.
    pub notes: Vec<String>,
}

/// The kinds of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `ProfileRequest`: what is offered here?
    Profile,
    /// `PunchOutSetupRequest`: a buyer wants to shop.
    PunchOutSetup,
    /// `OrderRequest`: an order, its change or its cancellation.
    Order,
    /// Another one, by its name.
    Other(String),
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "ProfileRequest" => Self::Profile,
            "PunchOutSetupRequest" => Self::PunchOutSetup,
            "OrderRequest" => Self::Order,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Reads the envelope of a request.
pub fn read(document: &Document) -> Result<Envelope, Status> {
    let root = &document.root;
    let payload_id = payload_id(root)?;
    if root.first("Response").is_some() {
        return Err(unacceptable(
            "This is a Response, and a Request is due here: send answers to where the question came from.",
        ));
    }
    let header = root.first("Header").ok_or_else(|| {
        unacceptable("There is no Header: send cXML/Header with From, To and Sender.")
    })?;
    if let Some(message) = root.first("Message") {
        let name = message.elements().find(|element| element.name != "Status");
        let name = name.map_or("Message", |element| element.name.as_str());
        return Err(Status::new(
            Code::NotImplemented,
            format!("{name} is a Message, and this address takes Requests only."),
        ));
    }
    let outer = root
        .first("Request")
        .ok_or_else(|| unacceptable("There is no Request: send cXML/Request."))?;
    let request = outer
        .elements()
        .find(|element| !element.name.starts_with("ds:"))
        .ok_or_else(|| unacceptable("The Request is empty: say what is asked."))?;
    let test = match outer.attribute("deploymentMode") {
        None | Some("production") => false,
        Some("test") => true,
        Some(_) => {
            return Err(unacceptable(
                "Request/@deploymentMode must be production or test.",
            ));
        }
    };
    let mut notes = Vec::new();
    let timestamp = timestamp(root, &mut notes);
    let user_agent = header.at(&["Sender", "UserAgent"]).map(Element::own_text);
    if user_agent.is_none() {
        notes.push("Sender has no UserAgent".to_owned());
    }
    if root
        .elements()
        .any(|element| element.name == "ds:Signature")
    {
        notes.push("the digital signature was not looked at".to_owned());
    }
    let from = names(party(header, "From")?);
    let to = names(party(header, "To")?);
    Ok(Envelope {
        payload_id,
        timestamp,
        version: version(document),
        from,
        to,
        sender: sender(header)?,
        user_agent,
        test,
        kind: Kind::of(&request.name),
        request: request.clone(),
        notes,
    })
}

fn payload_id(root: &Element) -> Result<String, Status> {
    if root.name != "cXML" {
        return Err(unacceptable(&format!(
            "The root element is {}: send a cXML element (mind capitals).",
            root.name
        )));
    }
    let id = root.attribute("payloadID").unwrap_or_default().trim();
    if is_visible(id, MOST_PAYLOAD_ID) {
        Ok(id.to_owned())
    } else {
        Err(unacceptable(&format!(
            "cXML/@payloadID is missing or is not 1 to {MOST_PAYLOAD_ID} visible characters: give every document an id of its own."
        )))
    }
}

fn timestamp(root: &Element, notes: &mut Vec<String>) -> Option<Timestamp> {
    let text = root.attribute("timestamp").unwrap_or_default();
    let read = instant(text);
    match &read {
        Some((_, note)) => notes.extend(note.map(|note| format!("cXML/@timestamp {note}"))),
        None => notes.push("cXML/@timestamp is missing or no time".to_owned()),
    }
    read.map(|(at, _)| at)
}

/// The declared version: the attribute's, else the document type's.
fn version(document: &Document) -> Option<String> {
    let attribute = document.root.attribute("version");
    let system = document
        .doctype
        .as_ref()
        .and_then(|doctype| doctype.system.as_deref());
    let of_system = || system?.rsplit('/').nth(1);
    attribute
        .or_else(of_system)
        .map(|version| version.chars().take(20).collect())
}

fn sender(header: &Element) -> Result<Vec<SenderCredential>, Status> {
    let sender = party(header, "Sender")?;
    let other_proof = header
        .first("Sender")
        .into_iter()
        .flat_map(|sender| sender.named("Credential"))
        .any(|credential| {
            credential.first("DigitalSignature").is_some()
                || credential.first("CredentialMac").is_some()
        });
    let secret = sender.iter().any(|credential| credential.secret.is_some());
    if other_proof && !secret {
        return Err(Status::new(
            Code::NotImplemented,
            "A Sender proves who it is by SharedSecret here; DigitalSignature and CredentialMac are not looked at.",
        ));
    }
    Ok(sender)
}

fn unacceptable(detail: &str) -> Status {
    Status::new(Code::NotAcceptable, detail)
}

/// What another system answered to a document of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The Status code as it is written.
    pub code: u16,
    /// What it says, in one line.
    pub detail: String,
}

impl Answer {
    /// Whether the document was taken.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether the same may be taken later; unknown codes count as their class.
    pub fn is_transient(&self) -> bool {
        !self.is_success() && !(400..500).contains(&self.code)
    }
}

/// Reads the answer to a document of ours; what is no cXML Response is no answer.
pub fn read_answer(bytes: &[u8], most: usize, charset: Option<&str>) -> Result<Answer, Status> {
    let document = xml::read(bytes, most, charset)?;
    let status = document.root.at(&["Response", "Status"]);
    let status = status
        .filter(|_| document.root.name == "cXML")
        .ok_or_else(|| unacceptable("The answer has no Response/Status."))?;
    let code = status.attribute("code").unwrap_or_default().trim();
    let code: u16 = code
        .parse()
        .map_err(|_not_a_number| unacceptable("The answer's Status has no code."))?;
    let text = status.attribute("text").unwrap_or_default();
    let detail = format!("{text} {}", status.own_text());
    let words: Vec<&str> = detail.split_whitespace().collect();
    Ok(Answer {
        code,
        detail: words.join(" ").chars().take(MOST_DETAIL).collect(),
    })
}
