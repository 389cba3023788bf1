//! What a source of elevations hands on: observations for the spool, and readings that are counted on the way.
//!
//! Every source speaks through [`Readings`], so that a live source and an imported file are the same to the rest.

use std::ops::ControlFlow;

use epm_proto::ids::SourceKey;
use epm_proto::v1;

/// One thing seen on the device, before it has a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Device wall clock, microseconds since 1970.
    pub observed_at_us: i64,
    /// Identity at the source.
    pub source_key: Option<SourceKey>,
    /// Eviction class.
    pub class: v1::RecordClass,
    /// What was seen.
    pub body: v1::record::Body,
}

impl Observation {
    /// `stretches` of a source that should hold records and cannot be read: a loss, because each may have been an
    /// elevation. `detail` names the source to a person.
    #[must_use]
    pub fn unreadable(
        source_key: SourceKey,
        stretches: u64,
        detail: String,
        observed_at_us: i64,
    ) -> Self {
        Self {
            observed_at_us,
            source_key: Some(source_key),
            class: v1::RecordClass::Health,
            body: v1::record::Body::Loss(v1::Loss {
                reason: v1::LossReason::SourceUnreadable.into(),
                counts: vec![v1::LossCount {
                    record_class: v1::RecordClass::Unmanaged.into(),
                    records: stretches,
                }],
                detail,
                ..v1::Loss::default()
            }),
        }
    }
}

/// How one record of a source counts, before processes that two sensors saw are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A process without administrator rights; it is counted and not stored.
    NotElevated,
    /// It ran with administrator rights.
    Elevated,
    /// It asked for them and was refused.
    Denied,
    /// The record does not say; it is stored as undecided and never guessed.
    Undecided,
    /// The end of an elevation that another record reported.
    Exit,
}

/// One process start as two sensors name it alike: what joins them when counting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    /// Short name of the device, lower case.
    pub device: String,
    /// Process id.
    pub pid: u64,
    /// Path of the program, lower case.
    pub image: String,
}

/// One record of a source, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who saw it.
    pub sensor: v1::SensorKind,
    /// How it counts.
    pub verdict: Verdict,
    /// Whose process it is, where that can be said.
    pub account: v1::AccountClass,
    /// The process, where the record starts one and its sensor is one of two that may see it.
    pub process: Option<ProcessKey>,
    /// What to store; absent where nothing is.
    pub observation: Option<Observation>,
}

/// Takes what a source reads. `Break` asks the source to stop reading.
pub trait Readings {
    /// One record that this source understands.
    fn reading(&mut self, reading: Reading) -> ControlFlow<()>;

    /// A stretch of the source that should hold a record and cannot be read; `detail` is for a person.
    fn unreadable(&mut self, detail: &str) -> ControlFlow<()>;

    /// A record that is of no interest here, by a fixed reason in snake case such as `other_event`.
    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()>;
}
