//! The answer to an interchange: TA1 for its envelope, a 997 for each of its groups.
//!
//! A [`Verdict`] starts from what reading found; the caller adds what only it can know (unknown sender, duplicate
//! control number, set not agreed, segment faults of the document) and sends [`Verdict::reply`].

use jiff::civil::DateTime;
use smol_str::SmolStr;

use super::delimiters::Delimiters;
use super::fault::{
    GroupError, GroupFault, InterchangeFault, SegmentError, SegmentFault, SetError, SetFault,
    Severity, Status, beginning,
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
    functional_id: SmolStr,
    control_number: SmolStr,
    application_sender: SmolStr,
    application_receiver: SmolStr,
    version: SmolStr,
    included: Option<u64>,
    pub faults: Vec<GroupFault>,
    pub sets: Vec<SetVerdict>,
}

/// The verdict over one transaction set.
#[derive(Debug, Clone)]
pub struct SetVerdict {
    set_id: SmolStr,
    control_number: SmolStr,
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
        let envelope = self.envelope(reply, &groups);
        let mut writer = Writer::new(&envelope)?;
        if ta1 {
            self.interchange_acknowledgment(&mut writer, reply.delimiters)?;
        }
        let applications = |group: &GroupVerdict| {
            let clean = |text: &SmolStr| SmolStr::new(reply.delimiters.clean(text));
            (
                clean(&group.application_receiver),
                clean(&group.application_sender),
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
            application_sender: SmolStr::default(),
            application_receiver: SmolStr::default(),
            usage: self.header.usage,
            interchange_version: if known(received) {
                received.clone()
            } else {
                SmolStr::new_static("00401")
            },
            version: if value::is_digits(version) && version.len() == 6 {
                version
            } else {
                "004010"
            }
            .into(),
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
        writer: &mut Writer<'_>,
        delimiters: Delimiters,
    ) -> Result<(), WriteError> {
        let gravest = self
            .faults
            .iter()
            .find(|fault| fault.severity == Severity::Reject)
            .or_else(|| self.faults.first());
        let note = gravest.map_or("000", |fault| fault.code.code());
        let header = &self.header;
        writer
            .service("TA1")
            .text(&delimiters.clean(&header.control_number))
            .text(&delimiters.clean(&header.date))
            .text(&delimiters.clean(&header.time))
            .text(self.status().code())
            .text(note)
            .end()
    }
}

/// One 997 (AK1 to AK9) for one group.
fn functional_acknowledgment(
    writer: &mut Writer<'_>,
    group: &GroupVerdict,
    delimiters: Delimiters,
) -> Result<(), WriteError> {
    writer.begin_set("997")?;
    writer
        .open("AK1")
        .text(&delimiters.clean(&group.functional_id))
        .text(&delimiters.clean(&group.control_number))
        .end()?;
    for set in &group.sets {
        writer
            .open("AK2")
            .text(&delimiters.clean(&set.set_id))
            .text(&delimiters.clean(&set.control_number))
            .end()?;
        for fault in &set.segments {
            segment_in_error(writer, fault, delimiters)?;
        }
        let mut verdict = writer.open("AK5");
        verdict.text(set.status().code());
        for code in set.codes() {
            verdict.text(code);
        }
        verdict.end()?;
    }
    let received = u64::try_from(group.sets.len()).unwrap_or(u64::MAX);
    let mut totals = writer.open("AK9");
    totals
        .text(group.code())
        .number(group.included.unwrap_or(received))
        .number(received)
        .count(group.accepted());
    for code in group.codes() {
        totals.text(code);
    }
    totals.end()?;
    writer.end_set()
}

fn segment_in_error(
    writer: &mut Writer<'_>,
    fault: &SegmentFault,
    delimiters: Delimiters,
) -> Result<(), WriteError> {
    writer
        .open("AK3")
        .text(beginning(&delimiters.clean(&fault.segment_id), 3))
        .count(fault.number)
        .text(fault.loop_id.unwrap_or_default())
        .text(fault.code.code())
        .end()?;
    if fault.code != SegmentError::ElementErrors {
        return Ok(());
    }
    for element in &fault.elements {
        let mut open = writer.open("AK4");
        open.count(element.at);
        match element.reference {
            Some(reference) => open.number(reference.into()),
            None => open.text(""),
        };
        // element 724 holds 99 characters
        let value = delimiters.clean(&element.value);
        open.text(element.code.code())
            .text(beginning(&value, 99).trim())
            .end()?;
    }
    Ok(())
}
