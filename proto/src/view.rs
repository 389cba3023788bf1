//! A whole record as borrowed fields: decoded once, straight from the log's bytes, without a copy of any text.
//!
//! The fields mirror `proto/epm/v1/record.proto`, which documents them. It must not own text, judge a value, or fail on
//! a field or an enum value that it does not know.

use crate::wire::{Fields, WireError, zigzag};

/// Why bytes are not a record.
pub type DecodeError = WireError;

macro_rules! field_type {
    (text $l:lifetime) => { &$l str };
    (bytes $l:lifetime) => { &$l [u8] };
    (enumeration $l:lifetime) => { i32 };
    (u64 $l:lifetime) => { u64 };
    (u32 $l:lifetime) => { u32 };
    (flag $l:lifetime) => { bool };
    (sint $l:lifetime) => { i64 };
    (optional_sint $l:lifetime) => { Option<i64> };
    (optional_u64 $l:lifetime) => { Option<u64> };
    (optional_flag $l:lifetime) => { Option<bool> };
    (repeated_text $l:lifetime) => { Vec<&$l str> };
}

macro_rules! read_field {
    ($slot:expr, $value:expr, $number:expr, text) => {
        $slot = $value.text($number)?
    };
    ($slot:expr, $value:expr, $number:expr, bytes) => {
        $slot = $value.bytes($number)?
    };
    // Open enums: a value that this version does not know is kept as its number.
    ($slot:expr, $value:expr, $number:expr, enumeration) => {
        $slot = $value.varint($number)? as i32
    };
    ($slot:expr, $value:expr, $number:expr, u64) => {
        $slot = $value.varint($number)?
    };
    ($slot:expr, $value:expr, $number:expr, u32) => {
        $slot = $value.varint($number)? as u32
    };
    ($slot:expr, $value:expr, $number:expr, flag) => {
        $slot = $value.varint($number)? != 0
    };
    ($slot:expr, $value:expr, $number:expr, sint) => {
        $slot = zigzag($value.varint($number)?)
    };
    ($slot:expr, $value:expr, $number:expr, optional_sint) => {
        $slot = Some(zigzag($value.varint($number)?))
    };
    ($slot:expr, $value:expr, $number:expr, optional_u64) => {
        $slot = Some($value.varint($number)?)
    };
    ($slot:expr, $value:expr, $number:expr, optional_flag) => {
        $slot = Some($value.varint($number)? != 0)
    };
    ($slot:expr, $value:expr, $number:expr, repeated_text) => {
        $slot.push($value.text($number)?)
    };
}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident {
        $($number:literal => $field:ident: $kind:ident,)*
        ; $($message_number:literal => $message_field:ident: message $message:ident,)*
        ; $($list_number:literal => $list_field:ident: repeated $item:ident,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "the fields are documented in record.proto")]
        pub struct $name<'a> {
            $(pub $field: field_type!($kind 'a),)*
            $(pub $message_field: $message<'a>,)*
            $(pub $list_field: Vec<$item<'a>>,)*
            #[doc(hidden)]
            pub borrow: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $name<'a> {
            fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
                let mut fields = Fields::new(message);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        $($number => read_field!(self.$field, value, $number, $kind),)*
                        $($message_number => self.$message_field.merge(value.bytes($message_number)?)?,)*
                        $($list_number => {
                            let mut item = $item::default();
                            item.merge(value.bytes($list_number)?)?;
                            self.$list_field.push(item);
                        })*
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    )*};
}

views! {
    /// State of one sensor.
    SensorHealthView {
        1 => sensor: enumeration,
        2 => state: enumeration,
        3 => detail: text,
        ;
        ;
    }
    /// Records dropped for one reason.
    DropCountView {
        1 => reason: enumeration,
        2 => records: u64,
        ;
        ;
    }
    /// Lost records of one class.
    LossCountView {
        1 => record_class: enumeration,
        2 => records: u64,
        ;
        ;
    }
    /// Who.
    UserView {
        1 => user_id: text,
        2 => upn: text,
        3 => user_name_raw: text,
        4 => user_type: enumeration,
        5 => is_local_admin: optional_flag,
        6 => target_user_name: text,
        7 => target_user_id: text,
        ;
        ;
    }
    /// Where.
    DeviceView {
        1 => device_name: text,
        2 => join_type: text,
        3 => os_build: text,
        ;
        ;
    }
    /// Which file.
    FileView {
        1 => path: text,
        2 => file_name: text,
        3 => sha256: bytes,
        4 => size_bytes: u64,
        5 => publisher_subject: text,
        6 => certificate_thumbprint: text,
        7 => certificate_issuer: text,
        8 => certificate_not_after_us: sint,
        9 => signature_status: enumeration,
        10 => product_name: text,
        11 => internal_name: text,
        12 => file_description: text,
        13 => file_version: text,
        14 => company_name: text,
        15 => arguments: text,
        16 => path_writable_by_user: optional_flag,
        17 => is_network_path: optional_flag,
        18 => mark_of_the_web: optional_flag,
        19 => original_file_name: text,
        20 => other_hashes: text,
        ;
        ;
    }
    /// Which process.
    ProcessView {
        1 => pid: u64,
        2 => process_type: enumeration,
        3 => parent_path: text,
        4 => parent_sha256: bytes,
        5 => parent_event_id: bytes,
        6 => child_policy: text,
        7 => system_initiated: optional_flag,
        8 => background: optional_flag,
        9 => parent_pid: u64,
        10 => integrity_level: text,
        11 => token_elevation_type: u32,
        12 => logon_id: text,
        13 => working_directory: text,
        14 => terminal: text,
        15 => process_guid: text,
        16 => parent_arguments: text,
        ;
        ;
    }
    /// Which policy and rule.
    PolicyView {
        1 => policy_id: text,
        2 => policy_name: text,
        3 => policy_version: text,
        4 => rule_id: text,
        5 => rule_name: text,
        6 => rule_target: enumeration,
        7 => candidate_rule_ids: repeated_text,
        8 => deciding_step: text,
        9 => attribute_score: u32,
        ;
        ;
    }
    /// A process that ran, or asked to run, with administrator rights.
    ElevationView {
        1 => outcome: enumeration,
        2 => management: enumeration,
        3 => decision_source: enumeration,
        4 => elevation_type: enumeration,
        5 => trigger: enumeration,
        6 => run_as: enumeration,
        7 => sensor: enumeration,
        8 => account_class: enumeration,
        9 => result_code: optional_sint,
        10 => duration_ms: optional_u64,
        11 => reason: text,
        12 => validated_justification: flag,
        13 => validated_authentication: flag,
        21 => justification: text,
        22 => repeat_count: u32,
        ;
        16 => user: message UserView,
        17 => device: message DeviceView,
        18 => file: message FileView,
        19 => process: message ProcessView,
        20 => policy: message PolicyView,
        ;
    }
    /// The end of an elevation, learnt after its start.
    ElevationExitView {
        1 => start_key: bytes,
        2 => start_observed_at_us: sint,
        3 => result_code: optional_sint,
        4 => duration_ms: optional_u64,
        5 => signal: text,
        ;
        ;
    }
    /// Where the management of elevations stands.
    LifeCycleView {
        1 => state: enumeration,
        2 => since_us: sint,
        3 => removal_us: sint,
        4 => before: enumeration,
        ;
        ;
    }
    /// Whether elevations can be managed.
    ApplicabilityView {
        1 => applicable: flag,
        2 => reason: text,
        3 => join_type: text,
        4 => management_authority: text,
        5 => architecture: text,
        ;
        ;
    }
    /// The agent's own state.
    HeartbeatView {
        1 => spool_records: u64,
        2 => spool_bytes: u64,
        3 => oldest_unsent_us: sint,
        5 => clock_offset_ms: sint,
        6 => device_name: text,
        7 => os_version: text,
        8 => policy_revision: text,
        10 => effective_scope: enumeration,
        11 => started_at_us: u64,
        12 => interval_s: u32,
        ;
        13 => life_cycle: message LifeCycleView,
        14 => applicability: message ApplicabilityView,
        ;
        4 => drops: repeated DropCountView,
        9 => sensors: repeated SensorHealthView,
    }
    /// Records that will never arrive, and why.
    LossView {
        1 => reason: enumeration,
        2 => lost_epoch: u64,
        3 => first_sequence: u64,
        4 => last_sequence: u64,
        6 => detail: text,
        ;
        ;
        5 => counts: repeated LossCountView,
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack at a time, and boxing it would allocate for each record"
)]
pub enum BodyView<'a> {
    /// An elevation.
    Elevation(ElevationView<'a>),
    /// The end of one.
    ElevationExit(ElevationExitView<'a>),
    /// The agent's own state.
    Heartbeat(HeartbeatView<'a>),
    /// Records that will never arrive.
    Loss(LossView<'a>),
    /// No body, or one that a newer agent wrote.
    Unknown,
}

/// A record, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are documented in record.proto")]
pub struct RecordView<'a> {
    pub agent_id: &'a [u8],
    pub epoch: u64,
    pub sequence: u64,
    pub previous_hash: &'a [u8],
    pub event_id: &'a [u8],
    pub observed_at_us: i64,
    pub monotonic_us: u64,
    pub boot_id: &'a [u8],
    pub schema_version: u32,
    pub reporting_scope: i32,
    pub source_event_key: &'a [u8],
    pub tenant_id: &'a str,
    pub device_id: &'a str,
    pub agent_version: &'a str,
    pub body: BodyView<'a>,
}

impl<'a> RecordView<'a> {
    /// Decodes `record` whole.
    ///
    /// # Errors
    ///
    /// Where the bytes are not protobuf, or a known field is of another type. Unknown fields are skipped.
    pub fn decode(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut view = Self::empty();
        let mut fields = Fields::new(record);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => view.agent_id = value.bytes(1)?,
                2 => view.epoch = value.varint(2)?,
                3 => view.sequence = value.varint(3)?,
                4 => view.previous_hash = value.bytes(4)?,
                5 => view.event_id = value.bytes(5)?,
                6 => view.observed_at_us = zigzag(value.varint(6)?),
                7 => view.monotonic_us = value.varint(7)?,
                8 => view.boot_id = value.bytes(8)?,
                9 => view.schema_version = value.varint(9)? as u32,
                10 => view.reporting_scope = value.varint(10)? as i32,
                11 => view.source_event_key = value.bytes(11)?,
                12 => view.tenant_id = value.text(12)?,
                13 => view.device_id = value.text(13)?,
                14 => view.agent_version = value.text(14)?,
                32..=35 => view.merge_body(number, value.bytes(number)?)?,
                _ => {}
            }
        }
        Ok(view)
    }

    fn merge_body(&mut self, number: u32, message: &'a [u8]) -> Result<(), WireError> {
        macro_rules! merge_into {
            ($variant:ident) => {{
                // A member that comes again is merged; another member replaces it.
                if !matches!(self.body, BodyView::$variant(_)) {
                    self.body = BodyView::$variant(Default::default());
                }
                if let BodyView::$variant(body) = &mut self.body {
                    body.merge(message)?;
                }
            }};
        }
        match number {
            32 => merge_into!(Elevation),
            33 => merge_into!(ElevationExit),
            34 => merge_into!(Heartbeat),
            _ => merge_into!(Loss),
        }
        Ok(())
    }

    fn empty() -> Self {
        Self {
            agent_id: &[],
            epoch: 0,
            sequence: 0,
            previous_hash: &[],
            event_id: &[],
            observed_at_us: 0,
            monotonic_us: 0,
            boot_id: &[],
            schema_version: 0,
            reporting_scope: 0,
            source_event_key: &[],
            tenant_id: "",
            device_id: "",
            agent_version: "",
            body: BodyView::Unknown,
        }
    }
}
