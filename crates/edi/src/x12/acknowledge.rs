//! The answer to an interchange: TA1 for its envelope, a 997 for each of its groups.
//!
//! A [`Verdict`] starts from what reading found; the caller adds what only it can know (unknown sender, duplicate
//! control number, set not agreed, segment faults of the document) and sends [`Verdict::reply`].

use jiff::civil::DateTime;

use super::delimiters::Delimiters;
use super::fault::{
    GroupError, GroupFault, InterchangeFault, SegmentError, SegmentFault, SetError, SetFault,
    Severity, Status,
};
use super::interchange::{FunctionalGroup, Interchange, InterchangeHeader, TransactionSet};
use super::value;
use super::writer::{OutboundEnvelope, WriteError, Writer};

/// The verdict over one interchange and all in it.
#[derive(Debug, Clone)]
pub struct Verdict {
    header: InterchangeHeader,
    pub faults: Vec<InterchangeFault>,
    pub groups: Vec<GroupVerdict>,
}

/// The verdict over one functional group.
#[derive(Debug, Clone)]
pub struct GroupVerdict {
    functional_id: String,
    control_number: String,
    application_sender: String,
    application_receiver: String,
    version: String,
    included: Option<u64>,
    pub faults: Vec<GroupFault>,
    pub sets: Vec<SetVerdict>,
}

/// The verdict over one transaction set.
#[derive(Debug, Clone)]
pub struct SetVerdict {
    set_id: String,
    control_number: String,
    pub faults: Vec<SetFault>,
    pub segments: Vec<SegmentFault>,
}

/// What the answer is sent under: our own control numbers and the time. Parties are those of the interchange,
/// swapped.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    pub interchange_control_number: u32,
    pub group_control_number: u32,
    pub set_control_number: u32,
    pub date_time: DateTime,
    pub delimiters: Delimiters,
}

impl SetVerdict {
    fn of(set: &TransactionSet<'_>) -> Self {
        Self {
            set_id: set.set_id.clone(),
            control_number: set.control_number.clone(),
            faults: set.faults.clone(),
            segments: Vec::new(),
        }
    }

    /// AK501.
    #[must_use]
    pub fn status(&self) -> Status {
        let envelope = self.faults.iter().map(|fault| fault.severity);
        Status::of(envelope.chain(self.segments.iter().map(|fault| fault.severity)))
    }

    /// AK502 to AK506: at most five codes, the gravest first.
    fn codes(&self) -> Vec<&'static str> {
        let mut codes: Vec<SetError> = Vec::new();
        for severity in [Severity::Reject, Severity::Error] {
            let faults = self
                .faults
                .iter()
                .filter(|fault| fault.severity == severity)
                .map(|fault| fault.code);
            let segments = self
                .segments
                .iter()
                .filter(|fault| fault.severity == severity);
            for code in faults.chain(segments.map(|_| SetError::SegmentsInError)) {
                if !codes.contains(&code) {
                    codes.push(code);
                }
            }
        }
        codes.into_iter().take(5).map(SetError::code).collect()
    }
}

impl GroupVerdict {
    fn of(group: &FunctionalGroup<'_>) -> Self {
        Self {
            functional_id: group.functional_id.clone(),
            control_number: group.control_number.clone(),
            application_sender: group.application_sender.clone(),
            application_receiver: group.application_receiver.clone(),
            version: group.version.clone(),
            included: group.included,
            faults: group.faults.clone(),
            sets: group.sets.iter().map(SetVerdict::of).collect(),
        }
    }

    /// What the envelope alone says of the group (its sets aside).
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.faults.iter().map(|fault| fault.severity))
    }

    /// Whether this is an acknowledgement itself, which is never acknowledged.
    fn is_acknowledgment(&self) -> bool {
        self.functional_id == "FA"
            || self
                .sets
                .iter()
                .any(|set| matches!(set.set_id.as_str(), "997" | "999"))
    }

    /// AK904: sets that may be processed.
    #[must_use]
    pub fn accepted(&self) -> usize {
        match self.status() {
            Status::Rejected => 0,
            Status::Accepted | Status::AcceptedWithErrors => self
                .sets
                .iter()
                .filter(|set| set.status() != Status::Rejected)
                .count(),
        }
    }

    /// AK901: A, E, P or R.
    #[must_use]
    pub fn code(&self) -> &'static str {
        let accepted = self.accepted();
        let flawed = self
            .sets
            .iter()
            .any(|set| set.status() == Status::AcceptedWithErrors);
        match self.status() {
            Status::Rejected => "R",
            _ if accepted == 0 && !self.sets.is_empty() => "R",
            _ if accepted < self.sets.len() => "P",
            Status::AcceptedWithErrors => "E",
            Status::Accepted if flawed => "E",
            Status::Accepted => "A",
        }
    }

    /// AK905 to AK909.
    fn codes(&self) -> Vec<&'static str> {
        let mut codes: Vec<GroupError> = Vec::new();
        for fault in &self.faults {
            if !codes.contains(&fault.code) {
                codes.push(fault.code);
            }
        }
        codes.into_iter().take(5).map(GroupError::code).collect()
    }
}

impl Verdict {
    /// What reading found, with groups and sets in the order of the interchange.
    #[must_use]
    pub fn of(interchange: &Interchange<'_>) -> Self {
        Self {
            header: interchange.header.clone(),
            faults: interchange.faults.clone(),
            groups: interchange.groups.iter().map(GroupVerdict::of).collect(),
        }
    }

    /// TA104.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.faults.iter().map(|fault| fault.severity))
    }

    /// One interchange with all there is to answer: a TA1 when it was asked for or something is wrong with the
    /// envelope, and a 997 for every group unless the interchange is rejected. `None` when nothing is due, as for
    /// an interchange that only brings acknowledgements: they are never acknowledged.
    ///
    /// # Errors
    /// When the partner's ids cannot be sent back under these delimiters.
    pub fn reply(&self, reply: &Reply) -> Result<Option<Vec<u8>>, WriteError> {
        let only_acknowledgments = !self.groups.iter().any(|group| !group.is_acknowledgment());
        let rejected = self.status() == Status::Rejected;
        let flawed = self.status() != Status::Accepted;
        // TA1 answers FA groups too (it speaks of the envelope), but an interchange of bare TA1s has no groups
        let ta1 = flawed || (self.header.acknowledgment_requested && !self.groups.is_empty());
        let groups: Vec<&GroupVerdict> = if rejected {
            Vec::new()
        } else {
            self.groups
                .iter()
                .filter(|group| !group.is_acknowledgment())
                .collect()
        };
        if groups.is_empty()
            && (!ta1
                || (only_acknowledgments && !rejected && !self.header.acknowledgment_requested))
        {
            return Ok(None);
        }
        let mut writer = Writer::new(&self.envelope(reply, &groups))?;
        if ta1 {
            self.interchange_acknowledgment(&mut writer, reply.delimiters)?;
        }
        let applications = |group: &GroupVerdict| {
            (
                reply.delimiters.clean(&group.application_receiver),
                reply.delimiters.clean(&group.application_sender),
            )
        };
        for same in groups.chunk_by(|one, other| applications(one) == applications(other)) {
            let Some((sender, receiver)) = same.first().map(|group| applications(group)) else {
                continue;
            };
            writer.begin_group("FA", Some((&sender, &receiver)))?;
            for group in same {
                functional_acknowledgment(&mut writer, group, reply.delimiters)?;
            }
            writer.end_group()?;
        }
        writer.finish().map(Some)
    }

    fn envelope(&self, reply: &Reply, groups: &[&GroupVerdict]) -> OutboundEnvelope {
        let known = |version: &str| value::is_digits(version) && version.len() == 5;
        let version = groups
            .first()
            .map_or("", |group| value::release(&group.version));
        let received = &self.header.version;
        OutboundEnvelope {
            sender: self.header.receiver.clone(),
            receiver: self.header.sender.clone(),
            application_sender: String::new(),
            application_receiver: String::new(),
            usage: self.header.usage,
            interchange_version: if known(received) {
                received.clone()
            } else {
                "00401".to_owned()
            },
            version: if value::is_digits(version) && version.len() == 6 {
                version
            } else {
                "004010"
            }
            .to_owned(),
            interchange_control_number: reply.interchange_control_number,
            group_control_number: reply.group_control_number,
            set_control_number: reply.set_control_number,
            acknowledgment_requested: false,
            date_time: reply.date_time,
            delimiters: reply.delimiters,
        }
    }

    /// TA1 (X12.5): ISA13, ISA09, ISA10, status and the gravest note.
    fn interchange_acknowledgment(
        &self,
        writer: &mut Writer,
        delimiters: Delimiters,
    ) -> Result<(), WriteError> {
        let gravest = self
            .faults
            .iter()
            .find(|fault| fault.severity == Severity::Reject)
            .or_else(|| self.faults.first());
        let note = gravest.map_or("000", |fault| fault.code.code());
        let header = &self.header;
        let text = |value: &str| delimiters.clean(value);
        writer.service(&[
            "TA1",
            &text(&header.control_number),
            &text(&header.date),
            &text(&header.time),
            self.status().code(),
            note,
        ])
    }
}

/// One 997 (AK1 to AK9) for one group.
fn functional_acknowledgment(
    writer: &mut Writer,
    group: &GroupVerdict,
    delimiters: Delimiters,
) -> Result<(), WriteError> {
    let text = |value: &str| delimiters.clean(value);
    writer.begin_set("997")?;
    writer.segment(&[
        "AK1",
        &text(&group.functional_id),
        &text(&group.control_number),
    ])?;
    for set in &group.sets {
        writer.segment(&["AK2", &text(&set.set_id), &text(&set.control_number)])?;
        for fault in &set.segments {
            segment_in_error(writer, fault, delimiters)?;
        }
        let codes = set.codes();
        let verdict: Vec<&str> = ["AK5", set.status().code()]
            .into_iter()
            .chain(codes)
            .collect();
        writer.segment(&verdict)?;
    }
    let received = group.sets.len().to_string();
    let included = group
        .included
        .map_or_else(|| received.clone(), |included| included.to_string());
    let accepted = group.accepted().to_string();
    let codes = group.codes();
    let totals: Vec<&str> = ["AK9", group.code(), &included, &received, &accepted]
        .into_iter()
        .chain(codes)
        .collect();
    writer.segment(&totals)?;
    writer.end_set()
}

fn segment_in_error(
    writer: &mut Writer,
    fault: &SegmentFault,
    delimiters: Delimiters,
) -> Result<(), WriteError> {
    let id: String = delimiters
        .clean(&fault.segment_id)
        .chars()
        .take(3)
        .collect();
    let (number, loop_id) = (fault.number.to_string(), fault.loop_id.unwrap_or_default());
    writer.segment(&["AK3", &id, &number, loop_id, fault.code.code()])?;
    if fault.code != SegmentError::ElementErrors {
        return Ok(());
    }
    for element in &fault.elements {
        let at = element.at.to_string();
        let reference = element
            .reference
            .map(|reference| reference.to_string())
            .unwrap_or_default();
        // element 724 holds 99 characters
        let value: String = delimiters.clean(&element.value).chars().take(99).collect();
        writer.segment(&["AK4", &at, &reference, element.code.code(), value.trim()])?;
    }
    Ok(())
}
