//! Who is there: the Sender's secret, on whose behalf it sends, and whether it is us it means.

use std::{net::IpAddr, sync::Arc};

use service_runtime::{
    problem::{Problem, codes},
    trace::RequestScope,
};

use super::{
    CHANNEL, Channel,
    cxml::{
        envelope::Envelope,
        status::{Code, Status},
    },
    profile::Profile,
};

impl Channel {
    /// The partner in whose name a document comes. An unknown sender and a wrong secret cost the same and are answered
    /// alike; whoever has shown who it is learns what else is wrong.
    pub(super) async fn authenticate(
        &self,
        envelope: &Envelope,
        peer: Option<IpAddr>,
    ) -> Result<Arc<Profile>, Status> {
        let mut senders = envelope.sender.iter();
        let proven = senders.clone().find(|sender| sender.secret.is_some());
        let sender = proven
            .or_else(|| senders.next())
            .ok_or_else(Status::unauthorized)?;
        let (domain, identity) = (&sender.identity.domain, &sender.identity.identity);
        let sent_for = self.partners_of_sender(domain, identity);
        // One network sends for several partners: From tells which.
        let named = sent_for.iter().find(|profile| is_from(profile, envelope));
        let profile = named.or_else(|| sent_for.first()).copied();
        let known = profile.and_then(|profile| profile.cxml.as_ref());
        let known = known.iter().flat_map(|cxml| &cxml.senders);
        let hashes = known.filter(|known| known.is(domain, identity));
        let hashes = hashes.map(|known| known.hash.clone()).collect();
        let id = profile
            .map(|profile| profile.id.as_str())
            .unwrap_or_default();
        let user = format!("cxml/{id}/{}/{identity}", domain.to_ascii_lowercase());
        let secret = sender
            .secret
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        let right = self
            .logins
            .is_right(&user, secret.unwrap_or_default(), hashes, peer)
            .await;
        let right = right.map_err(|problem| refused(&problem))?;
        let profile = profile.filter(|_| right).ok_or_else(Status::unauthorized)?;
        if let Some(scope) = RequestScope::current() {
            let principal = format!("{CHANNEL}:{}", profile.id);
            scope.note_caller(&principal, Some(profile.account.as_str()));
        }
        self.admit(profile).map_err(|problem| refused(&problem))?;
        check_parties(profile, envelope)?;
        Ok(Arc::clone(profile))
    }
}

/// Too fast, or a fault of ours.
fn refused(problem: &Problem) -> Status {
    if problem.is(codes::RATE_LIMITED) {
        let seconds = problem
            .retry_after
            .map_or(1, |after| after.as_secs().max(1));
        let sentence =
            format!("Too many documents or credentials came: send it again in {seconds} seconds.");
        return Status::new(Code::TemporaryServerError, sentence);
    }
    tracing::error!(
        cause = crate::desk::told(problem),
        "a credential could not be compared"
    );
    Status::new(
        Code::InternalServerError,
        "Something went wrong here: send the same document again.",
    )
}

fn is_from(profile: &Profile, envelope: &Envelope) -> bool {
    let theirs = profile.cxml.iter().flat_map(|cxml| &cxml.theirs);
    let mut theirs = theirs.into_iter();
    theirs.any(|theirs| {
        let mut from = envelope.from.iter();
        from.any(|from| theirs.is(&from.domain, &from.identity))
    })
}

fn check_parties(profile: &Profile, envelope: &Envelope) -> Result<(), Status> {
    let forbidden = |sentence| Err(Status::new(Code::Forbidden, sentence));
    if !is_from(profile, envelope) {
        return forbidden(
            "Header/From: the Sender does not send for this party: correct its Credential, or have it added to the agreement.",
        );
    }
    let us = profile.cxml.as_ref().map(|cxml| &cxml.us);
    let mut to = envelope.to.iter();
    if to.any(|to| us.is_some_and(|us| us.is(&to.domain, &to.identity))) {
        return Ok(());
    }
    forbidden("Header/To: this is not how we are called in your documents: correct its Credential.")
}
