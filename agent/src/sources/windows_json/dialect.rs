//! The dialects: where each keeps what Windows put into an event's System part, and its event data.
//!
//! | dialect | written by |
//! |---|---|
//! | `EVTX` | evtx_dump, with attributes inside or beside their elements; XML turned into JSON |
//! | `WINLOGBEAT` | Winlogbeat and Elastic Agent from 7 on, also where fields were renamed to Elastic's common schema |
//! | `WINLOGBEAT_6` | Winlogbeat up to 6 |
//! | `OCSF` | whoever follows the Open Cybersecurity Schema Framework and keeps the event's own id |
//! | `AZURE` | Azure Monitor and Log Analytics: the tables Event, SecurityEvent and WindowsEvent |
//! | `FLAT` | nxlog and Logstash, which put everything into one object; EvtxECmd |

use std::borrow::Cow;

use super::event_data::{self, Damaged};
use super::node::{Node, Path};
use super::{ecs, ocsf, stated_time};
use crate::sources::TextTime;
use crate::sources::windows::fields::Fields;

/// Where a dialect keeps things. Of several places the first that says anything counts.
struct Dialect {
    /// What no object of a dialect below has.
    mark: &'static [Path],
    provider: &'static [Path],
    event_id: &'static [Path],
    computer: &'static [Path],
    channel: &'static [Path],
    record_id: &'static [Path],
    created_at: &'static [Path],
    data: for<'a> fn(&'a Node<'a>, u32, &mut Fields<'a>) -> Result<(), Damaged>,
}

const EVTX: Dialect = Dialect {
    mark: &[&["Event", "System"]],
    provider: &[
        &["Event", "System", "Provider", "#attributes", "Name"],
        &["Event", "System", "Provider_attributes", "Name"],
        &["Event", "System", "Provider", "@Name"],
    ],
    event_id: &[&["Event", "System", "EventID"]],
    computer: &[&["Event", "System", "Computer"]],
    channel: &[&["Event", "System", "Channel"]],
    record_id: &[&["Event", "System", "EventRecordID"]],
    created_at: &[
        &[
            "Event",
            "System",
            "TimeCreated",
            "#attributes",
            "SystemTime",
        ],
        &["Event", "System", "TimeCreated_attributes", "SystemTime"],
        &["Event", "System", "TimeCreated", "@SystemTime"],
    ],
    data: |node, _, fields| event_data::read(node, &["Event", "EventData"], fields),
};

const WINLOGBEAT: Dialect = Dialect {
    mark: &[&["winlog"]],
    provider: &[&["winlog", "provider_name"], &["event", "provider"]],
    event_id: &[&["winlog", "event_id"], &["event", "code"]],
    // The host is the collector's where events were forwarded to it.
    computer: &[
        &["winlog", "computer_name"],
        &["host", "name"],
        &["host", "hostname"],
    ],
    channel: &[&["winlog", "channel"]],
    record_id: &[&["winlog", "record_id"]],
    created_at: &[&["@timestamp"]],
    data: |node, event_id, fields| {
        event_data::read(node, &["winlog", "event_data"], fields)?;
        ecs::add_missing(node, event_id, fields);
        Ok(())
    },
};

const WINLOGBEAT_6: Dialect = Dialect {
    mark: &[&["event_data"]],
    provider: &[&["source_name"]],
    event_id: &[&["event_id"]],
    computer: &[&["computer_name"]],
    channel: &[&["log_name"]],
    record_id: &[&["record_number"]],
    created_at: &[&["@timestamp"]],
    data: |node, _, fields| event_data::read(node, &["event_data"], fields),
};

const OCSF: Dialect = Dialect {
    mark: &[&["class_uid"]],
    provider: &[&["unmapped", "SourceName"], &["metadata", "log_provider"]],
    event_id: &[&["unmapped", "EventCode"], &["metadata", "event_code"]],
    computer: &[&["device", "hostname"], &["device", "name"]],
    channel: &[
        &["metadata", "log_name"],
        &["metadata", "product", "feature", "name"],
    ],
    record_id: &[&["unmapped", "RecordNumber"]],
    created_at: &[&["time"], &["metadata", "original_time"]],
    data: |node, event_id, fields| {
        ocsf::add(node, event_id, fields);
        Ok(())
    },
};

const AZURE: Dialect = Dialect {
    mark: &[&["TimeGenerated"]],
    provider: &[&["EventSourceName"], &["Provider"], &["Source"]],
    event_id: &[&["EventID"]],
    computer: &[&["Computer"]],
    channel: &[&["Channel"], &["EventLog"]],
    record_id: &[&["EventRecordId"]],
    created_at: &[&["TimeCreated"], &["TimeGenerated"]],
    data: |node, _, fields| {
        event_data::read(node, &[], fields)?;
        event_data::read(node, &["EventData"], fields)
    },
};

const FLAT: Dialect = Dialect {
    mark: &[&["EventID"], &["EventId"]],
    provider: &[&["SourceName"], &["ProviderName"], &["Provider"]],
    event_id: &[&["EventID"], &["EventId"]],
    computer: &[&["Hostname"], &["Computer"], &["MachineName"]],
    channel: &[&["Channel"], &["LogName"]],
    // EvtxECmd numbers records by itself beside the event's own number.
    record_id: &[&["EventRecordID"], &["EventRecordId"], &["RecordNumber"]],
    // The last one is mostly when the event passed through.
    created_at: &[&["EventTime"], &["TimeCreated"], &["@timestamp"]],
    data: |node, _, fields| {
        event_data::read(node, &[], fields)?;
        event_data::read(node, &["EventData"], fields)?;
        event_data::read(node, &["Payload"], fields)
    },
};

static DIALECTS: [&Dialect; 6] = [&EVTX, &WINLOGBEAT, &WINLOGBEAT_6, &OCSF, &AZURE, &FLAT];

/// What Elasticsearch wraps a document in.
const DOCUMENT: Path = &["_source"];

/// One event.
pub(super) struct Event<'a> {
    node: &'a Node<'a>,
    dialect: &'static Dialect,
    /// The event's kind among its provider's.
    pub(super) id: u32,
}

/// The event that `node` is, in whichever dialect.
pub(super) fn event_in<'a>(node: &'a Node<'a>) -> Option<Event<'a>> {
    let node = node.at(DOCUMENT).unwrap_or(node);
    DIALECTS.iter().find_map(|dialect| {
        let is_marked = dialect.mark.iter().any(|path| node.at(path).is_some());
        let id = is_marked.then(|| node.text_at(dialect.event_id))??;
        let id = id.trim().parse().ok()?;
        Some(Event { node, dialect, id })
    })
}

impl<'a> Event<'a> {
    /// What the event says. A time without a zone is in that of `time`.
    pub(super) fn fields(&self, time: &TextTime) -> Result<Fields<'a>, Damaged> {
        let (node, dialect) = (self.node, self.dialect);
        let text = |paths: &[Path]| node.text_at(paths).unwrap_or_default();
        let record_id = text(dialect.record_id).trim().parse().ok();
        let places = dialect.created_at.iter();
        let created_at = places
            .filter_map(|path| node.at(path))
            .find_map(|stated| stated_time::read(stated, time));
        let computer: Cow<'a, str> = text(dialect.computer);
        let mut fields = Fields::new(text(dialect.provider), self.id)
            .logged_by(computer, text(dialect.channel))
            .numbered(record_id, created_at);
        (dialect.data)(node, self.id, &mut fields)?;
        Ok(fields)
    }
}
