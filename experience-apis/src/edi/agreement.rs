//! The verdict over an interchange: its syntax, and what was agreed with the partner. Pure, and always from the stored
//! bytes, so that every rendering of an acknowledgement says the same.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use canonical_model::document::Document;
use edi::x12::{
    Delimiters, FunctionalGroup, GroupError, GroupFault, GroupVerdict, Interchange,
    InterchangeError, InterchangeFault, InterchangeHeader, Limits, PartyId, ReadOptions, Reply,
    SetError, SetFault, Status, Usage, Verdict, WriteError,
    purchase_order::{self, PurchaseOrder, Warning},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    failure::Failure,
    owed::{Acknowledge, kept},
    profile::{Party, Profile},
};

/// What was agreed when an interchange came. It is kept with the interchange, which is judged by it ever after: what
/// was accepted once stays accepted, whatever is agreed later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreement {
    us: Party,
    theirs: Vec<Party>,
    versions: Vec<String>,
    sets: Vec<String>,
    allow_unpadded_isa: bool,
    test_mode: bool,
}

impl Agreement {
    /// What is agreed now.
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            us: profile.us.clone(),
            theirs: profile.theirs.clone(),
            versions: profile.versions.clone(),
            sets: profile.sets.clone(),
            allow_unpadded_isa: profile.allow_unpadded_isa,
            test_mode: profile.test_mode,
        }
    }

    /// How it is read.
    pub(super) fn read_options(&self, limits: &Limits) -> ReadOptions {
        ReadOptions {
            limits: limits.clone(),
            allow_unpadded_isa: self.allow_unpadded_isa,
        }
    }
}

/// A judged interchange.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    verdict: Verdict,
    /// As received.
    pub(super) header: InterchangeHeader,
    delimiters: Delimiters,
    /// The purchase orders in sets that are accepted.
    pub(super) orders: Vec<ReceivedOrder>,
}

/// A purchase order in an accepted set.
#[derive(Debug, Clone)]
pub(super) struct ReceivedOrder {
    /// GS06 and ST02: which transaction of the interchange.
    pub(super) transaction: String,
    /// GS02.
    pub(super) application_sender: SmolStr,
    /// GS08.
    pub(super) version: SmolStr,
    /// What it says.
    pub(super) order: PurchaseOrder,
    /// Where it contradicts itself.
    pub(super) warnings: Vec<Warning>,
}

/// Judges the first interchange in the bytes; `None` = there is none.
pub(super) fn judge(agreement: &Agreement, bytes: &[u8], limits: &Limits) -> Option<Judged> {
    let mut outcome = edi::x12::read(bytes, &agreement.read_options(limits));
    let interchange = outcome.interchanges.first_mut()?;
    let header = interchange.header.clone();
    let disagreed = disagreements(agreement, interchange);
    // What cannot be written into an ISA cannot be answered by that name.
    let addressed = |party: &PartyId, ours: PartyId| {
        if is_writable(party) {
            party.clone()
        } else {
            ours
        }
    };
    let theirs = agreement
        .theirs
        .first()
        .map(|party| party.party_id())
        .unwrap_or_default();
    interchange.header.sender = addressed(&header.sender, theirs);
    interchange.header.receiver = addressed(&header.receiver, agreement.us.party_id());
    let mut verdict = Verdict::of(interchange);
    verdict.faults.extend(disagreed);
    let mut orders = Vec::new();
    let rejected = verdict.status() == Status::Rejected;
    for (group, judged) in interchange.groups.iter().zip(&mut verdict.groups) {
        let found = judge_group(agreement, group, judged, limits.faults);
        if !rejected && judged.status() != Status::Rejected {
            orders.extend(found);
        }
    }
    Some(Judged {
        verdict,
        header,
        delimiters: interchange.delimiters,
        orders,
    })
}

fn is_writable(party: &PartyId) -> bool {
    let plain = |text: &str, most: usize| {
        text.len() <= most && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    plain(&party.qualifier, 2) && plain(&party.id, 15)
}

/// Who sends to whom, and whether it may.
fn disagreements(agreement: &Agreement, interchange: &Interchange<'_>) -> Vec<InterchangeFault> {
    let header = &interchange.header;
    let mut faults = Vec::new();
    let mut reject = |code, message: String| {
        faults.push(InterchangeFault::reject(
            code,
            interchange.position,
            message,
        ));
    };
    let theirs: Vec<PartyId> = agreement
        .theirs
        .iter()
        .map(|party| party.party_id())
        .collect();
    if !theirs.contains(&header.sender) {
        let known = theirs.iter().any(|party| party.id == header.sender.id);
        let code = if known {
            InterchangeError::InvalidSenderQualifier
        } else {
            InterchangeError::InvalidSender
        };
        reject(code, "ISA05 and ISA06 are not what was agreed.".to_owned());
    }
    let us = agreement.us.party_id();
    if us != header.receiver {
        let known = us.id == header.receiver.id;
        let code = if known {
            InterchangeError::InvalidReceiverQualifier
        } else {
            InterchangeError::InvalidReceiver
        };
        reject(
            code,
            format!("ISA07 and ISA08 must be {} and {}.", us.qualifier, us.id),
        );
    }
    if agreement.test_mode && header.usage == Usage::Production {
        reject(
            InterchangeError::InvalidUsage,
            "The partner is being set up: send ISA15 T.".to_owned(),
        );
    }
    faults
}

fn judge_group(
    agreement: &Agreement,
    group: &FunctionalGroup<'_>,
    judged: &mut GroupVerdict,
    fault_limit: usize,
) -> Vec<ReceivedOrder> {
    // Acknowledgements of ours: read, never acknowledged.
    if group.functional_id == "FA" {
        return Vec::new();
    }
    if !agreement
        .versions
        .iter()
        .any(|version| group.version.starts_with(version.as_str()))
    {
        let message = format!("GS08 must begin with {}.", agreement.versions.join(" or "));
        judged.faults.push(GroupFault::reject(
            GroupError::VersionNotSupported,
            group.position,
            message,
        ));
    }
    let mut orders = Vec::new();
    for (set, judged) in group.sets.iter().zip(&mut judged.sets) {
        if !agreement.sets.iter().any(|agreed| set.set_id == *agreed) {
            let message = format!("{} was not agreed.", agreement.sets.join(", "));
            judged.faults.push(SetFault::reject(
                SetError::NotSupported,
                set.position,
                message,
            ));
            continue;
        }
        let reading = purchase_order::read(set, &group.version, fault_limit);
        judged.segments = reading.faults;
        if let (Some(order), true) = (reading.order, judged.status() != Status::Rejected) {
            orders.push(ReceivedOrder {
                transaction: format!("{}/{}", group.control_number, set.control_number),
                application_sender: group.application_sender.clone(),
                version: group.version.clone(),
                order,
                warnings: reading.warnings,
            });
        }
    }
    orders
}

impl Judged {
    /// As the acknowledgement that is owed says of it.
    pub(super) fn into_owed(self, owed: &Document) -> Result<Self, Failure> {
        let Acknowledge { duplicate } = kept(owed)?;
        Ok(if duplicate {
            self.into_duplicate()
        } else {
            self
        })
    }

    /// The same interchange under a control number that another one had.
    pub(super) fn into_duplicate(mut self) -> Self {
        let message = format!(
            "Another interchange had ISA13 {}.",
            self.header.control_number
        );
        let fault = InterchangeFault::reject(
            InterchangeError::DuplicateControlNumber,
            edi::x12::Position::default(),
            message,
        );
        self.verdict.faults.insert(0, fault);
        self.orders.clear();
        self
    }

    /// Whether it is not surely production: it then books nothing.
    pub(super) fn is_test(&self) -> bool {
        self.header.usage != Usage::Production
    }

    /// Whether there is anything to do after it is acknowledged.
    pub(super) fn books(&self) -> bool {
        !self.is_test() && !self.orders.is_empty()
    }

    /// Whether all of it was refused: it had no effect, and its control number may be used again.
    pub(super) fn is_rejected(&self) -> bool {
        self.verdict.status() == Status::Rejected
    }

    /// What makes another interchange a duplicate of it: sender, receiver and ISA13, for tests apart. One that was
    /// refused has its bytes in the key too.
    pub(super) fn duplicate_key(&self, bytes: &[u8]) -> String {
        let header = &self.header;
        let number = header.control_number.as_str();
        let number = if edi::x12::value::is_digits(number) {
            number.trim_start_matches('0')
        } else {
            number
        };
        let mut hash = digest::Context::new(&digest::SHA256);
        let parts = [
            header.sender.qualifier.as_str(),
            &header.sender.id,
            &header.receiver.qualifier,
            &header.receiver.id,
            header.usage.code(),
            number,
        ];
        for part in parts {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        let kind = if self.is_rejected() { "refused" } else { "isa" };
        if self.is_rejected() {
            hash.update(bytes);
        }
        format!("{kind}/{}", URL_SAFE_NO_PAD.encode(hash.finish()))
    }

    /// The name of one of its transactions among all of the partner's: what makes its order the same order.
    pub(super) fn transaction_key(&self, transaction: &str) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let header = &self.header;
        for part in [
            header.sender.qualifier.as_str(),
            &header.sender.id,
            &header.control_number,
            transaction,
        ] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        URL_SAFE_NO_PAD.encode(hash.finish())
    }

    /// The order of a transaction.
    pub(super) fn order(&self, transaction: &str) -> Option<&ReceivedOrder> {
        self.orders
            .iter()
            .find(|order| order.transaction == transaction)
    }

    /// Delimiters to write an answer with: the agreed ones, else those of the interchange itself (its data cannot hold
    /// them), else control characters.
    pub(super) fn delimiters(&self, profile: &Profile) -> [Delimiters; 3] {
        let last = Delimiters {
            element: 0x1D,
            component: 0x1F,
            segment: 0x1E,
            repetition: None,
        };
        [profile.delimiters.bytes(), self.delimiters, last]
    }

    /// The TA1 and 997 owed for it; `None` = nothing is, as for acknowledgements.
    pub(super) fn reply(
        &self,
        profile: &Profile,
        control_number: u32,
        at: Timestamp,
    ) -> Result<Option<Vec<u8>>, WriteError> {
        first_writable(self.delimiters(profile), |delimiters| {
            self.verdict.reply(&Reply {
                interchange_control_number: control_number,
                group_control_number: control_number,
                set_control_number: 1,
                date_time: TimeZone::UTC.to_datetime(at),
                delimiters,
            })
        })
    }
}

/// Writes with the first delimiters under which it can be written.
pub(super) fn first_writable<T>(
    delimiters: [Delimiters; 3],
    write: impl Fn(Delimiters) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    let [agreed, received, last] = delimiters;
    write(agreed)
        .or_else(|_held| write(received))
        .or_else(|_held| write(last))
}

/// A document's number as X12 writes it: nine digits, and after 999999999 comes 1.
pub(super) fn control_number(number: u64) -> u32 {
    let below = number
        .saturating_sub(1)
        .checked_rem(999_999_999)
        .unwrap_or_default();
    u32::try_from(below).map_or(1, |below| below.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_numbers_wrap_past_nine_digits_and_are_never_zero() {
        for (number, written) in [
            (1, 1),
            (999_999_999, 999_999_999),
            (1_000_000_000, 1),
            (0, 1),
        ] {
            assert_eq!(control_number(number), written);
        }
    }
}
