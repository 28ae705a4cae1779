//! What a sound profile is, beyond its shape.

use edi::x12::{OutboundEnvelope, Usage, Writer};
use service_runtime::{
    config::{Faults, Validate},
    secret_hash::is_hash,
};

use super::{Party, Profile};

impl Validate for Profile {
    fn validate(&self, faults: &mut Faults) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        faults.check(
            (1..=40).contains(&self.id.len()) && self.id.bytes().all(plain),
            "id",
            "give 1 to 40 lower-case letters, digits and hyphens",
        );
        self.check_credentials(faults);
        party("us", &self.us, faults);
        faults.check(
            !self.theirs.is_empty(),
            "theirs",
            "name the sender's qualifier and id (ISA05, ISA06) at least once",
        );
        for (index, theirs) in self.theirs.iter().enumerate() {
            party(&format!("theirs.{index}"), theirs, faults);
            self.check_envelope(index, theirs, faults);
        }
        let release = |version: &String| {
            (3..=12).contains(&version.len())
                && version.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        faults.check(
            !self.versions.is_empty() && self.versions.iter().all(release),
            "versions",
            "name the agreed beginnings of GS08, such as \"004010\"",
        );
        faults.check(
            self.sets == ["850"],
            "sets",
            "850 is the set that is taken: sets = [\"850\"]",
        );
        self.check_products(faults);
        let codes = |code: &String| code.len() == 2;
        faults.check(
            self.units.keys().all(codes),
            "units",
            "X12 units (element 355) have two characters",
        );
        faults.check(
            self.price_bases
                .iter()
                .all(|(code, basis)| codes(code) && (1..=1_000_000).contains(basis)),
            "price_bases",
            "price bases (element 639) have two characters, and stand for 1 to 1000000 units",
        );
        faults.check(
            self.refused_order_types.iter().all(codes),
            "refused_order_types",
            "order types (element 92) have two characters",
        );
    }
}

impl Profile {
    fn check_credentials(&self, faults: &mut Faults) {
        faults.check(
            (1..=2).contains(&self.credentials.len()),
            "credentials",
            "give one, or two while one replaces the other",
        );
        for (index, credential) in self.credentials.iter().enumerate() {
            faults.check(
                is_hash(&credential.hash),
                &format!("credentials.{index}.hash"),
                "this is no hash: docs/edi.md says how one is made of a secret",
            );
        }
    }

    fn check_products(&self, faults: &mut Faults) {
        faults.check(
            !self.products.is_empty(),
            "products",
            "name at least one qualifier of product numbers",
        );
        for (index, rule) in self.products.iter().enumerate() {
            let before = self.products.iter().take(index);
            let sound = rule.qualifier.len() == 2
                && !before
                    .into_iter()
                    .any(|other| other.qualifier == rule.qualifier);
            faults.check(
                sound,
                &format!("products.{index}.qualifier"),
                "qualifiers have two characters and stand here once",
            );
        }
    }

    /// Whether an interchange could be written under these ids and delimiters.
    fn check_envelope(&self, index: usize, theirs: &Party, faults: &mut Faults) {
        let envelope = OutboundEnvelope {
            sender: self.us.party_id(),
            receiver: theirs.party_id(),
            application_sender: self.us.application.as_str().into(),
            application_receiver: theirs.application.as_str().into(),
            usage: Usage::Test,
            interchange_version: "00401".into(),
            version: "004010".into(),
            interchange_control_number: 1,
            group_control_number: 1,
            set_control_number: 1,
            acknowledgment_requested: false,
            date_time: jiff::civil::DateTime::default(),
            delimiters: self.delimiters.bytes(),
        };
        let written = Writer::new(&envelope).and_then(|mut writer| writer.begin_group("PR", None));
        if let Err(error) = written {
            faults.add(&format!("theirs.{index}"), error.to_string());
        }
    }
}

fn party(key: &str, party: &Party, faults: &mut Faults) {
    let visible = |text: &str, most: usize| {
        (1..=most).contains(&text.len())
            && text.trim() == text
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    faults.check(
        visible(&party.qualifier, 2) && party.qualifier.len() == 2,
        &format!("{key}.qualifier"),
        "give two characters, such as ZZ",
    );
    faults.check(
        visible(&party.id, 15),
        &format!("{key}.id"),
        "give 1 to 15 visible ASCII characters",
    );
    faults.check(
        visible(&party.application, 15),
        &format!("{key}.application"),
        "give 1 to 15 visible ASCII characters",
    );
}
