//! The journal of systemd as `journalctl` prints it in JSON: an object a line (`-o json`), printed over several lines
//! (`-o json-pretty`), or with a separator in front (`-o json-seq`). What a message means is for the reader of the
//! program that wrote it.
//!
//! A program that speaks to syslog gives its own stamp, which the journal keeps (`SYSLOG_TIMESTAMP`) and a syslog daemon
//! writes: so the same message read here and in a text log with such stamps has one source key. A text log with ISO
//! stamps holds another moment, the daemon's, and its keys differ.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::source::Readings;

use super::TextTime;
use super::format::{self, Flow, Format};
use super::objects::{ObjectReader, Objects, first_object};
use super::programs::{Entry, Log, Program, Programs};

/// A journal in JSON.
pub static FORMAT: Format = Format {
    name: "journal as JSON (journalctl -o json)",
    recognises: |head| {
        first_object(head).is_some_and(|object| {
            object.get("__REALTIME_TIMESTAMP").is_some() || object.get("__CURSOR").is_some()
        })
    },
    reading: format::Reading::Pieces(|| {
        Box::new(Objects::new(Journal {
            programs: Programs::new(Log::Syslog),
        }))
    }),
};

/// The bytes of a field. The journal holds bytes: what is no text comes as a list of numbers, a field that stands
/// several times as a list of its values, and one that is too long as null.
#[derive(Debug, Default)]
struct Field(Vec<u8>);

/// What is read of an entry; everything else in it is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "SCREAMING_SNAKE_CASE")]
struct Fields {
    message: Option<Field>,
    syslog_identifier: Option<Field>,
    syslog_pid: Option<Field>,
    syslog_timestamp: Option<Field>,
    #[serde(rename = "_COMM")]
    comm: Option<Field>,
    #[serde(rename = "_PID")]
    pid: Option<Field>,
    #[serde(rename = "_HOSTNAME")]
    hostname: Option<Field>,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP")]
    source_realtime: Option<Field>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    realtime: Option<Field>,
    #[serde(rename = "_AUDIT_TYPE_NAME")]
    audit_type: Option<Field>,
    #[serde(rename = "_AUDIT_ID")]
    audit_id: Option<Field>,
}

#[derive(Debug)]
struct Journal {
    programs: Programs,
}

impl ObjectReader for Journal {
    fn object(&mut self, object: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        let Ok(fields) = serde_json::from_slice::<Fields>(object) else {
            return into.unreadable("an entry of the journal whose fields cannot be read");
        };
        self.entry(&fields, into)
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.programs.settle(into)
    }
}

impl Journal {
    fn entry(&mut self, fields: &Fields, into: &mut dyn Readings) -> Flow {
        let name = match bytes(&fields.syslog_identifier) {
            b"" => bytes(&fields.comm),
            name => name,
        };
        let Some(realtime) = number(&fields.realtime) else {
            return into.unreadable("an entry of the journal without its time");
        };
        let observed_at_us = number(&fields.source_realtime).unwrap_or(realtime);
        let host = String::from_utf8_lossy(bytes(&fields.hostname));
        if let Some(record) = audit_record(fields, observed_at_us) {
            return self.programs.audit_record(&host, &record, into);
        }
        let Some(program) = Program::of(name) else {
            return into.skipped("other_program");
        };
        let Some(message) = &fields.message else {
            return into.unreadable("an entry of the journal without its message");
        };
        let stamp = match bytes(&fields.syslog_timestamp).trim_ascii() {
            b"" => bytes(&fields.realtime),
            stamp => stamp,
        };
        let pid = number(&fields.pid).or(number(&fields.syslog_pid));
        let entry = Entry {
            host: &host,
            stamp,
            observed_at_us: Some(observed_at_us),
            tag: &tag(name, bytes(&fields.syslog_pid)),
            pid: pid.and_then(|pid| u64::try_from(pid).ok()).unwrap_or(0),
            message: message.0.trim_ascii(),
            repeat_count: 1,
        };
        self.programs.entry(program, entry, into)
    }
}

// The record as audit.log has it: journald keeps the event's parts in fields, and the type in front of the message.
fn audit_record(fields: &Fields, observed_at_us: i64) -> Option<Vec<u8>> {
    let (kind, serial) = (bytes(&fields.audit_type), bytes(&fields.audit_id));
    if kind.is_empty() || serial.is_empty() {
        return None;
    }
    let message = bytes(&fields.message);
    let body = message.strip_prefix(kind).unwrap_or(message);
    let event = format!(
        "audit({}.{:03}:{}):",
        observed_at_us / 1_000_000,
        observed_at_us / 1_000 % 1_000,
        String::from_utf8_lossy(serial)
    );
    Some([b"type=", kind, b" msg=", event.as_bytes(), body].concat())
}

// As a syslog daemon writes it: with the process id where the program gave it.
fn tag<'a>(name: &'a [u8], pid: &[u8]) -> Cow<'a, [u8]> {
    match pid {
        b"" => Cow::Borrowed(name),
        pid => Cow::Owned([name, b"[", pid, b"]"].concat()),
    }
}

fn bytes(field: &Option<Field>) -> &[u8] {
    field.as_ref().map_or(&[], |field| &field.0)
}

fn number(field: &Option<Field>) -> Option<i64> {
    std::str::from_utf8(bytes(field)).ok()?.parse().ok()
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor).map(Field)
    }
}

struct FieldVisitor;

// One element of a list: a byte of the field, or one of several values of which the first counts.
enum Element {
    Byte(u8),
    Value(Vec<u8>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte or a value of the field")
    }

    fn visit_u64<E: serde::de::Error>(self, byte: u64) -> Result<Element, E> {
        let byte = u8::try_from(byte).map_err(|_| E::custom("a number that is no byte"))?;
        Ok(Element::Byte(byte))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Element, E> {
        Ok(Element::Value(text.into()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Element, E> {
        Ok(Element::Value(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Element::Value(bytes))
    }
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of the journal")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<u8>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        let mut value = None;
        while let Some(element) = list.next_element()? {
            match element {
                Element::Byte(byte) => bytes.push(byte),
                Element::Value(first) => {
                    value.get_or_insert(first);
                }
            }
        }
        Ok(value.unwrap_or(bytes))
    }
}

#[cfg(test)]
mod tests;
