//! Objects of Privileges' webhook, and entries of the unified log that hold its messages. It takes them apart; what a
//! change means is told elsewhere.

use serde::Deserialize;
use serde_json::Value;

use crate::source::Readings;

use super::super::TextTime;
use super::super::format::Flow;
use super::super::objects::ObjectReader;
use super::OTHER_ENTRY;
use super::change::Changes;
use super::line::moment;
use super::message::{self, Change, Message};

/// Names that an object of the webhook has beside each other.
const WEBHOOK_KEYS: [&str; 4] = ["admin", "machine", "timestamp", "user"];

/// Reads the objects.
#[derive(Debug, Default)]
pub(super) struct PrivilegesObjects {
    changes: Changes,
}

/// Whether `object` is one of the webhook's, or an entry of the unified log that Privileges wrote.
pub(super) fn is_one(object: &Value) -> bool {
    let is_webhook = WEBHOOK_KEYS.iter().all(|key| object.get(key).is_some());
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_entry = message::is_in(text("eventMessage").as_bytes())
        || text("subsystem").starts_with("corp.sap.privileges");
    is_webhook || is_entry
}

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Object {
    user: Option<String>,
    admin: Option<bool>,
    reason: String,
    machine: String,
    timestamp: String,
    #[serde(rename = "eventMessage")]
    message: Option<String>,
}

impl ObjectReader for PrivilegesObjects {
    fn object(&mut self, object: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(object);
        let Ok(object) = serde_json::from_str::<Object>(&text) else {
            return into.unreadable("an object of Privileges whose fields cannot be read");
        };
        let told = match (&object.user, object.admin, &object.message) {
            (Some(user), Some(is_admin), _) => Some(Message {
                user,
                change: if is_admin {
                    Change::Granted
                } else {
                    Change::GivenBack
                },
                reason: object.reason.trim(),
            }),
            (.., Some(message)) => {
                let words = message::split(message).map(|(_, words)| words);
                words.and_then(message::parse)
            }
            _ => return into.unreadable("an object that Privileges did not write"),
        };
        let Some(told) = told else {
            return into.skipped(OTHER_ENTRY);
        };
        match moment(&object.timestamp, time) {
            Some(at) if !told.user.is_empty() => self.changes.tell(told, &object.machine, at, into),
            _ => into.unreadable("a change of privileges without its time or user"),
        }
    }
}
