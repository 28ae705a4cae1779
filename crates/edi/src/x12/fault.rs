//! What can be wrong, with the standard's own codes, so that an acknowledgement can say it.

use super::segment::Position;

macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = $text] $variant,)* }

        impl $name {
            /// The code as it is sent.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the code means.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// TA105, element I18: what is wrong with an interchange.
    InterchangeError {
        ControlNumberMismatch = "001" "control numbers of header and trailer differ",
        VersionNotSupported = "003" "version of the controls not supported",
        InvalidSegmentTerminator = "004" "invalid segment terminator",
        InvalidSenderQualifier = "005" "invalid sender id qualifier",
        InvalidSender = "006" "invalid or unknown sender id",
        InvalidReceiverQualifier = "007" "invalid receiver id qualifier",
        InvalidReceiver = "008" "invalid receiver id",
        UnknownReceiver = "009" "unknown receiver id",
        InvalidDate = "014" "invalid interchange date",
        InvalidTime = "015" "invalid interchange time",
        InvalidStandardsId = "016" "invalid standards id or repetition separator",
        InvalidVersion = "017" "invalid interchange version id",
        InvalidControlNumber = "018" "invalid interchange control number",
        InvalidAcknowledgmentRequested = "019" "invalid acknowledgement requested value",
        InvalidUsage = "020" "invalid test indicator",
        GroupCount = "021" "invalid number of included groups",
        ControlStructure = "022" "invalid control structure",
        PrematureEnd = "023" "improper (premature) end of file",
        InvalidContent = "024" "invalid interchange content",
        DuplicateControlNumber = "025" "duplicate interchange control number",
        InvalidElementSeparator = "026" "invalid data element separator",
        InvalidComponentSeparator = "027" "invalid component element separator",
    }
}

codes! {
    /// AK905-09, element 716: what is wrong with a functional group.
    GroupError {
        NotSupported = "1" "functional group not supported",
        VersionNotSupported = "2" "functional group version not supported",
        TrailerMissing = "3" "functional group trailer missing",
        ControlNumberMismatch = "4" "group control numbers of header and trailer differ",
        SetCount = "5" "number of included transaction sets differs",
        InvalidControlNumber = "6" "group control number violates syntax",
        DuplicateControlNumber = "19" "group control number not unique within the interchange",
    }
}

codes! {
    /// AK502-06, element 718: what is wrong with a transaction set.
    SetError {
        NotSupported = "1" "transaction set not supported",
        TrailerMissing = "2" "transaction set trailer missing",
        ControlNumberMismatch = "3" "control numbers of header and trailer differ",
        SegmentCount = "4" "number of included segments differs",
        SegmentsInError = "5" "one or more segments in error",
        InvalidIdentifier = "6" "missing or invalid transaction set identifier",
        InvalidControlNumber = "7" "missing or invalid transaction set control number",
        DuplicateControlNumber = "23" "transaction set control number not unique within the group",
    }
}

codes! {
    /// AK304, element 720: what is wrong with a segment.
    SegmentError {
        Unrecognized = "1" "unrecognized segment id",
        Unexpected = "2" "unexpected segment",
        Missing = "3" "mandatory segment missing",
        LoopOverMaximum = "4" "loop occurs over maximum times",
        OverMaximumUse = "5" "segment exceeds maximum use",
        NotInSet = "6" "segment not in defined transaction set",
        OutOfSequence = "7" "segment not in proper sequence",
        ElementErrors = "8" "segment has data element errors",
    }
}

codes! {
    /// AK403, element 723: what is wrong with an element.
    ElementError {
        Missing = "1" "mandatory data element missing",
        ConditionalMissing = "2" "conditional required data element missing",
        TooMany = "3" "too many data elements",
        TooShort = "4" "data element too short",
        TooLong = "5" "data element too long",
        InvalidCharacter = "6" "invalid character in data element",
        InvalidCode = "7" "invalid code value",
        InvalidDate = "8" "invalid date",
        InvalidTime = "9" "invalid time",
        Exclusion = "10" "exclusion condition violated",
    }
}

/// Whether a fault stops the thing it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Named in the acknowledgement; the thing is accepted (E).
    Error,
    /// The thing is refused (R).
    Reject,
}

/// AK501, AK901 and TA104 as far as one thing is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Accepted,
    AcceptedWithErrors,
    Rejected,
}

impl Status {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Accepted => "A",
            Self::AcceptedWithErrors => "E",
            Self::Rejected => "R",
        }
    }

    pub(crate) fn of(faults: impl Iterator<Item = Severity>) -> Self {
        match faults.max() {
            None => Self::Accepted,
            Some(Severity::Error) => Self::AcceptedWithErrors,
            Some(Severity::Reject) => Self::Rejected,
        }
    }
}

/// Something wrong with an envelope, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault<C> {
    pub code: C,
    pub severity: Severity,
    pub position: Position,
    /// Plain English for the sender: what is wrong and what would be right.
    pub message: String,
}

pub type InterchangeFault = Fault<InterchangeError>;
pub type GroupFault = Fault<GroupError>;
pub type SetFault = Fault<SetError>;

impl<C> Fault<C> {
    pub fn reject(code: C, position: Position, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Reject,
            position,
            message: message.into(),
        }
    }

    pub fn error(code: C, position: Position, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            position,
            message: message.into(),
        }
    }
}

/// AK3: a segment in error, with its elements in error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFault {
    pub segment_id: String,
    /// AK302: number within the set, the ST is 1. For a missing segment, where its absence showed.
    pub number: usize,
    /// AK303.
    pub loop_id: Option<&'static str>,
    pub code: SegmentError,
    pub severity: Severity,
    pub position: Position,
    pub message: String,
    pub elements: Vec<ElementFault>,
}

impl SegmentFault {
    /// An AK3 with code 8 for one element, as a caller adds who finds fault with a value.
    #[must_use]
    pub fn of_element(
        segment_id: &str,
        number: usize,
        position: Position,
        loop_id: Option<&'static str>,
        element: ElementFault,
    ) -> Self {
        Self {
            segment_id: segment_id.to_owned(),
            number,
            loop_id,
            code: SegmentError::ElementErrors,
            severity: element.severity,
            position,
            message: element.message.clone(),
            elements: vec![element],
        }
    }
}

/// AK4: an element in error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementFault {
    /// AK401: its place in the segment, 1 is the first.
    pub at: usize,
    /// AK402: its number in the X12 dictionary.
    pub reference: Option<u16>,
    pub code: ElementError,
    pub severity: Severity,
    /// AK404: what stood there.
    pub value: String,
    pub message: String,
}

/// Something odd that was put right or passed over; it changes no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub position: Position,
    pub message: String,
}

/// What the bounded lists below need to know of an entry.
pub(crate) trait Weighed {
    fn severity(&self) -> Severity;
}

impl<C> Weighed for Fault<C> {
    fn severity(&self) -> Severity {
        self.severity
    }
}

impl Weighed for SegmentFault {
    fn severity(&self) -> Severity {
        self.severity
    }
}

/// Adds within a limit, but never lets a full list hide that something was rejected.
pub(crate) fn push_bounded<T: Weighed>(list: &mut Vec<T>, fault: T, limit: usize) {
    if list.len() < limit.max(1) {
        list.push(fault);
    } else if fault.severity() == Severity::Reject
        && let Some(last) = list.last_mut()
    {
        *last = fault;
    }
}

/// A value fit for a message: hostile input must not flood it.
pub(crate) fn shown(text: &str) -> &str {
    beginning(text, 40)
}

/// So many characters of it.
pub(crate) fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices()
        .nth(characters)
        .map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}
