//! Links: the path is the credential, so that the shop works in a frame and without cookies. A ticket is the visit's id
//! and a keyed hash over it, the partner and what the ticket is for.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use canonical_model::SessionId;
use uuid::Uuid;

use crate::config::Punchout;

/// What a ticket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The shop, once.
    Start,
    /// The pages of a visit.
    Shop,
}

/// Writes and checks tickets.
pub struct Links {
    base: String,
    key: hmac::Key,
}

impl Links {
    /// With the key and the public address of the configuration.
    pub fn new(config: &Punchout) -> Self {
        Self {
            base: config.public_url.trim_end_matches('/').to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, config.link_key.expose().as_bytes()),
        }
    }

    /// The start link of a visit.
    pub fn start(&self, partner: &str, session: SessionId) -> String {
        let ticket = self.ticket(Purpose::Start, partner, session);
        format!("{}/punchout/shop/{partner}/start/{ticket}", self.base)
    }

    /// The path of a visit's pages; it ends with a slash.
    pub fn shop(&self, partner: &str, session: SessionId) -> String {
        let ticket = self.ticket(Purpose::Shop, partner, session);
        format!("/punchout/shop/{partner}/{ticket}/")
    }

    /// The visit that a ticket opens, if we wrote it for this purpose and partner.
    pub fn check(&self, purpose: Purpose, partner: &str, ticket: &str) -> Option<SessionId> {
        let (id, hash) = ticket.split_once('.')?;
        let session = SessionId(Uuid::try_parse(id).ok()?);
        let hash = URL_SAFE_NO_PAD.decode(hash).ok()?;
        let named = said(purpose, partner, session);
        hmac::verify(&self.key, &named, &hash).ok()?;
        // One ticket has one spelling.
        (session.0.simple().to_string() == id).then_some(session)
    }

    fn ticket(&self, purpose: Purpose, partner: &str, session: SessionId) -> String {
        let hash = hmac::sign(&self.key, &said(purpose, partner, session));
        let hash = URL_SAFE_NO_PAD.encode(hash.as_ref());
        format!("{}.{hash}", session.0.simple())
    }
}

/// A partner's id holds no colon.
fn said(purpose: Purpose, partner: &str, session: SessionId) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Start => "start",
        Purpose::Shop => "shop",
    };
    format!("{purpose}:{partner}:{}", session.0.simple()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(key: &str) -> Links {
        Links::new(&Punchout {
            public_url: "https://orders.example.com".to_owned(),
            link_key: key.repeat(32).into(),
            ..Punchout::default()
        })
    }

    #[test]
    fn a_ticket_opens_one_thing_for_one_partner_only() {
        let (links, session) = (links("k"), SessionId::generate());
        let start = links.start("acme", session);
        let ticket = start
            .strip_prefix("https://orders.example.com/punchout/shop/acme/start/")
            .unwrap();
        assert_eq!(links.check(Purpose::Start, "acme", ticket), Some(session));
        assert_eq!(links.check(Purpose::Shop, "acme", ticket), None);
        assert_eq!(links.check(Purpose::Start, "other", ticket), None);
        assert_eq!(
            super::tests::links("l").check(Purpose::Start, "acme", ticket),
            None
        );
    }

    #[test]
    fn a_ticket_that_was_touched_opens_nothing() {
        let (links, session) = (links("k"), SessionId::generate());
        let ticket = links.ticket(Purpose::Shop, "acme", session);
        let other = links.ticket(Purpose::Shop, "acme", SessionId::generate());
        let (id, hash) = ticket.split_once('.').unwrap();
        let foreign = other.split_once('.').unwrap().1;
        let touched = [
            id.to_owned(),
            format!("{id}."),
            format!("{id}.{foreign}"),
            format!("{}.{hash}", id.to_uppercase()),
            format!("{session}.{hash}"),
            format!("{ticket}="),
            ticket.get(..ticket.len() - 1).unwrap().to_owned(),
            String::new(),
        ];
        for touched in touched {
            assert_eq!(
                links.check(Purpose::Shop, "acme", &touched),
                None,
                "{touched}"
            );
        }
    }
}
