//! Objects of an export as records: each names its columns itself. It keeps only what it knows, however large an object
//! is, and must not know what a value means.

use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::source::Readings;

use super::super::TextTime;
use super::super::format::{Flow, Head};
use super::super::objects::{ObjectReader, first_object};
use super::columns::{Column, Record};
use super::export::Records;
use super::report::{NoReport, Report};
use super::unknown_column;

/// Unknown names that are told once each; with more of them a name may be told twice.
const MAX_UNKNOWN: usize = 256;

/// What only requests have.
const REQUEST_KEYS: [&str; 2] = ["applicationDetail", "requestedOnDeviceId"];

/// Makes records of objects.
#[derive(Debug)]
pub(super) struct JsonRecords<'r> {
    records: &'r mut dyn Records,
    unknown: HashSet<String>,
    has_begun: bool,
    problem: Option<NoReport>,
}

impl<'r> JsonRecords<'r> {
    pub(super) fn new(records: &'r mut dyn Records) -> Self {
        Self {
            records,
            unknown: HashSet::new(),
            has_begun: false,
            problem: None,
        }
    }

    /// The file ended, or reading was stopped.
    pub(super) fn end(self, flow: Flow) -> Result<(), NoReport> {
        match self.problem {
            Some(why) => Err(why),
            None if !self.has_begun && flow.is_continue() => Err(NoReport::Other),
            None => Ok(()),
        }
    }

    fn unknown(&mut self, names: Vec<String>, into: &mut dyn Readings) -> Flow {
        for name in names {
            if self.unknown.len() >= MAX_UNKNOWN {
                self.unknown.clear();
            }
            let reason = unknown_column(&name);
            if self.unknown.insert(name) {
                into.skipped(reason)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl ObjectReader for JsonRecords<'_> {
    fn object(&mut self, object: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(object);
        let Ok(object) = serde_json::from_str::<Object>(&text) else {
            return into.unreadable("an object that is no JSON");
        };
        match object.report() {
            Ok(report) => {
                self.has_begun = true;
                self.unknown(object.unknown, into)?;
                self.records.record(report, &object.record, into)
            }
            // The first one speaks for the export.
            Err(why) if !self.has_begun => {
                self.problem = Some(why);
                ControlFlow::Break(())
            }
            Err(NoReport::Lacks(_)) => into.unreadable("an object without a column that it needs"),
            Err(NoReport::Other | NoReport::Counts) => into.skipped("other_object"),
        }
    }
}

/// The report whose objects begin like this.
pub(super) fn report_of(head: &Head<'_>) -> Result<Report, NoReport> {
    let first = first_object(head).ok_or(NoReport::Other)?;
    let object = Object::deserialize(first).map_err(|_| NoReport::Other)?;
    object.report()
}

#[derive(Debug, Default)]
struct Object {
    record: Record<'static>,
    unknown: Vec<String>,
    is_request: bool,
}

impl Object {
    fn report(&self) -> Result<Report, NoReport> {
        Report::of(self.record.columns(), self.is_request)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(name) = map.next_key::<String>()? {
            object.is_request |= REQUEST_KEYS
                .iter()
                .any(|key| key.eq_ignore_ascii_case(&name));
            if name.eq_ignore_ascii_case("applicationDetail") {
                // What a request asks for stands one level deeper, under names of its own.
                match map.next_value::<Value>()? {
                    Value::Object(detail) => object.take(detail),
                    Value::Text(_) | Value::Nothing => {}
                }
                continue;
            }
            match (Column::named(&name), map.next_value::<Value>()?) {
                (Some(column), Value::Text(text)) => object.record.set(column, text.into()),
                (Some(column), _) => object.record.set(column, "".into()),
                // Annotations of the protocol, such as @odata.type.
                (None, _) if name.contains('@') => {}
                (None, _) if object.unknown.len() < MAX_UNKNOWN => object.unknown.push(name),
                (None, _) => {}
            }
        }
        Ok(object)
    }
}

impl Object {
    fn take(&mut self, detail: Box<Object>) {
        self.record.fill(detail.record);
        let room = MAX_UNKNOWN.saturating_sub(self.unknown.len());
        self.unknown.extend(detail.unknown.into_iter().take(room));
    }
}

/// A value as text, whatever it was.
enum Value {
    Text(String),
    Object(Box<Object>),
    Nothing,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Text(flag.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        ObjectVisitor
            .visit_map(map)
            .map(|object| Value::Object(Box::new(object)))
    }
}
