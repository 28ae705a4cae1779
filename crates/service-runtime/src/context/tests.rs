//! A context is believed when it is whole, fresh, and made for this hop; else never.

use super::*;
use crate::clock::{Clock, ClockHandle};
use crate::config::Secret;
use jiff::SignedDuration;

const NOW: &str = "2026-03-01T12:00:00Z";

fn keys(current: &str, previous: Option<&str>) -> ContextKeys {
    let secret = |name: &str| Secret::from(format!("{name:-<40}"));
    ContextKeys::new(&secret(current), previous.map(secret).as_ref()).unwrap()
}

fn context() -> CallContext {
    CallContext {
        principal: "portal-user".to_owned(),
        accounts: AccountScope::List(vec!["ACME".to_owned()]),
        company: Some("US01".to_owned()),
        channel: "portal".to_owned(),
        scopes: vec!["orders:write".to_owned()],
        correlation_id: "c-1".to_owned(),
        deadline: NOW.parse().unwrap(),
        remaining_ms: 1_000,
        layer: LayerIdentity::ExperienceApis,
    }
}

fn pair(
    signing: &ContextKeys,
    verifying: ContextKeys,
) -> (ContextSigner, ContextVerifier, ClockHandle) {
    let (clock, handle) = Clock::fixed(NOW.parse().unwrap());
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let signer = ContextSigner::new(hop, signing.clone(), clock.clone());
    let callers = vec![(LayerIdentity::ExperienceApis, verifying)];
    (
        signer,
        ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock),
        handle,
    )
}

#[test]
fn a_signed_context_arrives_whole() {
    let (signer, verifier, _clock) = pair(&keys("a", None), keys("a", None));
    let caller = verifier.verify(&signer.sign(&context()).unwrap()).unwrap();
    assert_eq!(caller.into_inner(), context());
}

#[test]
fn any_changed_byte_is_noticed() {
    let (signer, verifier, _clock) = pair(&keys("a", None), keys("a", None));
    let token = signer.sign(&context()).unwrap();
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(
            verifier.verify(&changed).is_err(),
            "byte {position} was changed and believed"
        );
    }
    assert_eq!(verifier.verify("").unwrap_err(), ContextError::Malformed);
    assert_eq!(
        verifier.verify(&"a".repeat(20_000)).unwrap_err(),
        ContextError::Malformed
    );
}

#[test]
fn a_context_lives_a_minute() {
    let (signer, verifier, clock) = pair(&keys("a", None), keys("a", None));
    let token = signer.sign(&context()).unwrap();
    clock.advance(SignedDuration::from_secs(60));
    assert!(verifier.verify(&token).is_ok());
    clock.advance(SignedDuration::from_secs(6));
    assert_eq!(verifier.verify(&token).unwrap_err(), ContextError::Expired);
    clock.advance(SignedDuration::from_secs(-90));
    assert_eq!(
        verifier.verify(&token).unwrap_err(),
        ContextError::Expired,
        "a context from the future"
    );
}

#[test]
fn keys_rotate_without_a_gap_and_old_ones_die() {
    let (signer, verifier, _clock) = pair(&keys("old", None), keys("new", Some("old")));
    assert!(verifier.verify(&signer.sign(&context()).unwrap()).is_ok());
    let (signer, verifier, _clock) = pair(&keys("old", None), keys("new", None));
    assert_eq!(
        verifier
            .verify(&signer.sign(&context()).unwrap())
            .unwrap_err(),
        ContextError::Signature
    );
}

#[test]
fn a_context_of_another_hop_is_refused_even_under_the_same_key() {
    let (clock, _handle) = Clock::fixed(NOW.parse().unwrap());
    let hop = Hop {
        from: LayerIdentity::ProcessApis,
        to: LayerIdentity::SystemApis,
    };
    let token = ContextSigner::new(hop, keys("a", None), clock)
        .sign(&context())
        .unwrap();
    let (_signer, verifier, _clock) = pair(&keys("a", None), keys("a", None));
    assert_eq!(
        verifier.verify(&token).unwrap_err(),
        ContextError::Signature
    );
}

/// A verifier that knows our own layer by the key `a`, and the service `kiosk` by the key `b`.
fn with_a_service() -> (ContextSigner, ContextVerifier) {
    let (_signer, verifier, _clock) = pair(&keys("a", None), keys("a", None));
    let own = |text: &str| vec![text.to_owned()];
    let verifier = verifier.with_services(vec![ExperienceService {
        name: "kiosk".to_owned(),
        keys: keys("b", None),
        channels: own("kiosk"),
        companies: own("US01"),
        scopes: vec!["orders:write".to_owned(), "feed:all".to_owned()],
    }]);
    let (signer, _verifier, _clock) = pair(&keys("b", None), keys("b", None));
    (signer, verifier)
}

#[test]
fn a_service_of_somebody_s_own_is_believed_and_its_callers_bear_its_name() {
    let (signer, verifier) = with_a_service();
    let said = CallContext {
        channel: "kiosk".to_owned(),
        ..context()
    };
    let caller = verifier.verify(&signer.sign(&said).unwrap()).unwrap();
    assert_eq!(caller.principal, "kiosk:portal-user");
    let feed = CallContext {
        accounts: AccountScope::All,
        scopes: vec!["feed:all".to_owned()],
        ..said
    };
    assert!(verifier.verify(&signer.sign(&feed).unwrap()).is_ok());
    let (ours, _verifier, _clock) = pair(&keys("a", None), keys("a", None));
    let ours = verifier.verify(&ours.sign(&context()).unwrap()).unwrap();
    assert_eq!(ours.principal, "portal-user", "our own layer as before");
}

#[test]
fn a_service_says_nothing_beyond_its_bounds() {
    let (signer, verifier) = with_a_service();
    let kiosk = || CallContext {
        channel: "kiosk".to_owned(),
        ..context()
    };
    let beyond = [
        (context(), "the channel `portal`"),
        (
            CallContext {
                company: Some("US02".to_owned()),
                ..kiosk()
            },
            "the company `US02`",
        ),
        (
            CallContext {
                company: None,
                ..kiosk()
            },
            "the company ``",
        ),
        (
            CallContext {
                scopes: vec!["holds:release".to_owned()],
                ..kiosk()
            },
            "the scope `holds:release`",
        ),
        (
            CallContext {
                accounts: AccountScope::All,
                ..kiosk()
            },
            "all accounts, beside the scope `feed:all`",
        ),
    ];
    for (said, what) in beyond {
        let refused = ContextError::OutOfBounds {
            service: "kiosk".to_owned(),
            what: what.to_owned(),
        };
        let token = signer.sign(&said).unwrap();
        assert_eq!(verifier.verify(&token).unwrap_err(), refused);
    }
}

#[test]
fn a_short_key_is_refused() {
    assert_eq!(
        ContextKeys::new(&Secret::from("short".to_owned()), None).unwrap_err(),
        ContextError::ShortKey
    );
}

#[test]
fn scopes_and_accounts_are_held_to() {
    let context = context();
    assert!(context.require("orders:write").is_ok());
    assert_eq!(context.require("orders:release").unwrap_err().status, 403);
    assert!(context.may_see("ACME") && !context.may_see("acme"));
    assert_eq!(
        context.require_account("OTHER").unwrap_err(),
        Problem::not_found()
    );
}
