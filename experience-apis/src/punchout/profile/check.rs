//! What a sound profile is, beyond its shape.

use std::collections::BTreeMap;

use service_runtime::{
    config::{Faults, Validate},
    secret_hash::is_hash,
};

use super::{
    Cxml, Oci, Profile,
    address::{is_https, is_loopback, is_origin},
};
use crate::{logins::COMPARED, punchout::oci};

const AGREED: &str = "this is no hash: docs/punchout.md says how one is made of a secret";

impl Validate for Profile {
    fn validate(&self, faults: &mut Faults) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        faults.check(
            (1..=40).contains(&self.id.len()) && self.id.bytes().all(plain),
            "id",
            "give 1 to 40 lower-case letters, digits and hyphens",
        );
        self.check_addresses(faults);
        let lock = self.price_lock.get().as_secs();
        faults.check(
            (60..=366 * 86_400).contains(&lock),
            "price_lock",
            "give 1m to 366d; what the quote policy allows is the bound in any case",
        );
        faults.check(
            self.default_unspsc.len() == 8
                && self
                    .default_unspsc
                    .bytes()
                    .all(|byte| byte.is_ascii_digit()),
            "default_unspsc",
            "a class of UNSPSC has eight digits",
        );
        let named = |text: &String| (1..=100).contains(&text.len()) && text.trim() == text;
        faults.check(
            self.units.keys().all(named),
            "units",
            "name the partner's unit as its documents write it",
        );
        faults.check(
            self.ship_to.places.iter().all(|place| named(&place.id)),
            "ship_to.places",
            "name the place by the addressID of the partner's documents",
        );
        faults.check(
            self.cxml.is_some() || self.oci.is_some(),
            "cxml",
            "say how the partner comes: give [cxml], [oci] or both",
        );
        if let Some(cxml) = &self.cxml {
            faults.within("cxml", cxml);
        }
        if let Some(oci) = &self.oci {
            faults.within("oci", oci);
        }
    }
}

impl Profile {
    fn check_addresses(&self, faults: &mut Faults) {
        faults.check(
            !self.return_urls.is_empty(),
            "return_urls",
            "name at least one address to which carts may go back",
        );
        for url in &self.return_urls {
            faults.check(
                (is_https(url) || is_loopback(url)) && !url.contains(['?', '*']),
                "return_urls",
                format!("`{url}`: write the beginning of an https address, such as https://procure.example.com/punchout/"),
            );
        }
        let listed = [
            (
                "frame_ancestors",
                self.frame_ancestors.as_deref().unwrap_or_default(),
            ),
            ("form_targets", &self.form_targets),
        ];
        for (key, origins) in listed {
            for origin in origins {
                faults.check(
                    is_origin(origin) && (is_https(origin) || is_loopback(origin)),
                    key,
                    format!("`{origin}` is no origin: write https://procure.example.com, without path and without `*`"),
                );
            }
        }
    }
}

impl Validate for Cxml {
    fn validate(&self, faults: &mut Faults) {
        let release = self.version.strip_prefix("1.2.").and_then(|number| {
            let digits = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse::<u16>().ok().filter(|_| digits)
        });
        faults.check(
            release.is_some_and(|release| (14..=71).contains(&release)),
            "version",
            "give 1.2.014 to 1.2.071",
        );
        let named = |text: &str| (1..=255).contains(&text.len()) && text.trim() == text;
        faults.check(
            named(&self.us.domain) && named(&self.us.identity),
            "us",
            "name our domain and identity, as the partner's documents address us",
        );
        let mut theirs = self.theirs.iter();
        faults.check(
            !self.theirs.is_empty()
                && theirs.all(|party| named(&party.domain) && named(&party.identity)),
            "theirs",
            "name the partner's domain and identity (From) at least once",
        );
        faults.check(
            !self.senders.is_empty(),
            "senders",
            "name at least one Sender, with the hash of its secret",
        );
        let mut secrets: BTreeMap<(String, &str), usize> = BTreeMap::new();
        for (index, sender) in self.senders.iter().enumerate() {
            let key = format!("senders.{index}");
            faults.check(
                named(&sender.domain) && named(&sender.identity),
                &key,
                "name its domain and identity",
            );
            faults.check(is_hash(&sender.hash), &format!("{key}.hash"), AGREED);
            let name = (sender.domain.to_ascii_lowercase(), sender.identity.as_str());
            let count = secrets.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        faults.check(
            secrets.values().all(|count| *count <= COMPARED),
            "senders",
            "one identity has one secret, or two while one replaces the other",
        );
        let address = self.confirmation_url.as_deref();
        faults.check(
            address.is_none_or(|url| is_https(url) || is_loopback(url)),
            "confirmation_url",
            "give an https address",
        );
    }
}

impl Validate for Oci {
    fn validate(&self, faults: &mut Faults) {
        let field = |text: &str| {
            (1..=100).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte))
        };
        faults.check(field(&self.user_field), "user_field", "name a form field");
        faults.check(
            field(&self.password_field)
                && !self.password_field.eq_ignore_ascii_case(&self.user_field),
            "password_field",
            "name a form field other than `user_field`",
        );
        faults.check(!self.logins.is_empty(), "logins", "name at least one user");
        let mut passwords: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, login) in self.logins.iter().enumerate() {
            let key = format!("logins.{index}");
            faults.check(
                (1..=100).contains(&login.user.len()),
                &format!("{key}.user"),
                "give 1 to 100 characters",
            );
            faults.check(is_hash(&login.hash), &format!("{key}.hash"), AGREED);
            let count = passwords.entry(&login.user).or_default();
            *count = count.saturating_add(1);
        }
        faults.check(
            passwords.values().all(|count| *count <= COMPARED),
            "logins",
            "one user has one password, or two while one replaces the other",
        );
        faults.check(
            oci::is_charset(&self.charset),
            "charset",
            "give ISO-8859-1, windows-1252 or UTF-8",
        );
        let ten = |text: &String| (1..=10).contains(&text.chars().count()) && text.trim() == text;
        faults.check(
            self.vendor.as_ref().is_none_or(ten),
            "vendor",
            "give 1 to 10 characters",
        );
        faults.check(
            self.material_group.as_ref().is_none_or(ten),
            "material_group",
            "give 1 to 10 characters",
        );
        faults.check(
            self.price_decimals <= 9,
            "price_decimals",
            "give 0 to 9; the standard has 3",
        );
        let code = |text: &String| {
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        faults.check(
            self.units.values().all(code),
            "units",
            "a unit of OCI has one to three letters or digits",
        );
    }
}
