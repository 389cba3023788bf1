//! Windows events as JSON, in the dialect of whatever exported them (`windows_json/dialect.rs`).
//!
//! What an event says is the same in every dialect, so that it is read by `windows.rs` alone. Here nothing is decided
//! about processes.

mod clocks;
mod dialect;
mod ecs;
mod event_data;
mod node;
mod ocsf;
mod stated_time;

use super::TextTime;
use super::format::{Flow, Format, Head, Reading};
use super::objects::{ObjectReader, Objects, objects_in};
use super::windows::{OTHER_EVENT, read_event, sysmon_time_us};
use crate::source::Readings;
use clocks::Clocks;

/// Windows events in any of the dialects.
pub static FORMAT: Format = Format {
    name: "Windows events as JSON",
    recognises,
    reading: Reading::Pieces(|| Box::new(Objects::new(Events::default()))),
};

/// Objects of a head that are looked at: the first may be of something else, such as the line that a bulk export puts
/// before each event.
const OBJECTS_LOOKED_AT: usize = 8;

/// Why an object that is no event is skipped.
const NO_EVENT: &str = "no_event";

/// Takes the objects of a file of events.
#[derive(Debug, Default)]
struct Events {
    clocks: Clocks,
}

impl ObjectReader for Events {
    fn object(&mut self, object: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(object);
        let Ok(node) = node::parse(&text) else {
            return into.unreadable("an object that is not valid JSON");
        };
        let Some(event) = dialect::event_in(&node) else {
            return into.skipped(NO_EVENT);
        };
        let Ok(fields) = event.fields(time) else {
            return into.unreadable("an event whose data is neither XML nor JSON all through");
        };
        let happened_us = sysmon_time_us(&fields);
        if let (Some(written_us), Some(happened_us)) = (fields.created_at_us(), happened_us) {
            self.clocks
                .learn(fields.computer(), written_us, happened_us, into)?;
        }
        match read_event(&fields) {
            None => into.skipped(OTHER_EVENT),
            Some(_) if fields.created_at_us().or(happened_us).is_none() => {
                into.unreadable("a process start without a time")
            }
            Some(reading) if happened_us.is_some() => into.reading(reading),
            Some(reading) => self
                .clocks
                .set_right(fields.computer(), reading, object.len(), into),
        }
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.clocks.settle(into)
    }
}

fn recognises(head: &Head<'_>) -> bool {
    objects_in(head, OBJECTS_LOOKED_AT).iter().any(|object| {
        let text = String::from_utf8_lossy(object);
        node::parse(&text).is_ok_and(|node| dialect::event_in(&node).is_some())
    })
}
