//! What a source of elevations hands to the spool.

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
