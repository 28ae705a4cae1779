//! At start, the accounts and delivery places that the profiles name are looked for. What is not there is told to the
//! operator: a buyer would only see a shop without prices.

use std::{sync::Arc, time::Duration};

use canonical_model::account::Account;
use service_runtime::{http_client::HopError, trace::RequestScope};
use tokio_util::sync::CancellationToken;

use super::{context, profile::Profile};
use crate::{LAYER, clients::process::CallError, state::AppState};

/// How often the layer below is asked that does not answer, and how long between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(30);

/// Looks for what every profile names, once.
pub(super) async fn look(state: AppState, shutdown: CancellationToken) {
    let profiles: Vec<_> = state.punchout.partners.values().cloned().collect();
    for profile in profiles {
        for _ in 0..ATTEMPTS {
            let scope = Arc::new(RequestScope::background(LAYER));
            let Some(faults) = scope.run(faults(&state, &profile)).await else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            };
            for fault in faults {
                tracing::error!(
                    partner = profile.id,
                    fault,
                    "a partner's profile names what is not there"
                );
            }
            break;
        }
    }
}

/// What is not there; `None` = that is not known yet.
async fn faults(state: &AppState, profile: &Profile) -> Option<Vec<String>> {
    let context = context::of_partner(profile);
    match state.process.account(&context, &profile.account).await {
        Ok(account) => Some(missing(profile, &account)),
        Err(CallError(HopError::Problem(problem))) if problem.status == 404 => Some(vec![format!(
            "the company {} has no account {}: correct `company` or `account`",
            profile.company, profile.account
        )]),
        Err(_) => None,
    }
}

fn missing(profile: &Profile, account: &Account) -> Vec<String> {
    let rules = &profile.ship_to;
    let places = rules.places.iter().map(|place| &place.ship_to);
    let named = rules.default.iter().chain(places);
    let mut missing: Vec<String> = named
        .filter(|named| !account.ship_tos.iter().any(|to| to.ship_to == **named))
        .map(|named| {
            format!(
                "the account {} has no delivery place {named}: correct `ship_to`",
                account.account
            )
        })
        .collect();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::facts::acme;

    #[test]
    fn places_that_the_account_does_not_have_are_named() {
        let demonstration = include_str!("../../../config/partners/punchout/acme-punchout.toml");
        let profile: Profile = toml::from_str(demonstration).unwrap();
        assert_eq!(missing(&profile, &acme()), Vec::<String>::new());
        let copied = demonstration.replace("default = \"ACME-01\"", "default = \"BOREALIS-01\"");
        let profile: Profile = toml::from_str(&copied).unwrap();
        assert_eq!(
            missing(&profile, &acme()),
            ["the account ACME has no delivery place BOREALIS-01: correct `ship_to`"]
        );
    }
}
