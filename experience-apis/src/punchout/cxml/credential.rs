//! Who a document is from and to: credentials, each an identity in a domain and, of a Sender, its secret.

use service_runtime::config::Secret;

use super::{
    status::{Code, Status},
    xml::{Element, is_visible},
};
use crate::punchout::profile::Identity;

/// Longest domain or identity.
const MOST: usize = 255;
/// As many credentials as one party may have.
const MOST_CREDENTIALS: usize = 20;

/// As an element, with a secret only if one is given.
pub(super) fn element(identity: &Identity, secret: Option<&Secret>) -> Element {
    let secret = secret.map(|secret| Element::new("SharedSecret").text(secret.expose()));
    Element::new("Credential")
        .with("domain", identity.domain.as_str())
        .child(Element::new("Identity").text(identity.identity.as_str()))
        .children(secret)
}

/// The credential of a Sender: one that can prove who it is.
#[derive(Debug, Clone)]
pub struct SenderCredential {
    /// Who it says it is.
    pub identity: Identity,
    /// The secret that it sent along.
    pub secret: Option<Secret>,
}

/// The credentials of a party, in the order written.
pub(super) fn party(header: &Element, name: &str) -> Result<Vec<SenderCredential>, Status> {
    let party = header.first(name);
    let found: Result<Vec<_>, Status> = party
        .into_iter()
        .flat_map(|party| party.named("Credential"))
        .take(MOST_CREDENTIALS + 1)
        .map(|element| credential(element, name))
        .collect();
    let found = found?;
    if found.is_empty() || found.len() > MOST_CREDENTIALS {
        return Err(Status::new(
            Code::NotAcceptable,
            format!("Header/{name} must have 1 to {MOST_CREDENTIALS} Credential elements."),
        ));
    }
    Ok(found)
}

fn credential(element: &Element, name: &str) -> Result<SenderCredential, Status> {
    let domain = element.attribute("domain").unwrap_or_default().trim();
    let identity = element
        .first("Identity")
        .map(Element::own_text)
        .unwrap_or_default();
    if !is_visible(domain, MOST) || !is_visible(&identity, MOST) {
        return Err(Status::new(
            Code::NotAcceptable,
            format!(
                "Header/{name}/Credential must have a domain and an Identity, each of 1 to {MOST} visible characters."
            ),
        ));
    }
    let secret = element.first("SharedSecret").map(Element::own_text);
    Ok(SenderCredential {
        identity: Identity {
            domain: domain.to_owned(),
            identity,
        },
        secret: secret.map(Secret::from),
    })
}

/// The names alone.
pub(super) fn names(party: Vec<SenderCredential>) -> Vec<Identity> {
    party.into_iter().map(|one| one.identity).collect()
}
