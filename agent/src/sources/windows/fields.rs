//! One Windows event as flat text fields, whatever dialect it came in. It must not know what any field means.

use std::borrow::Cow;

use serde_json::Value;

use super::time;

/// What the System part and the event data of one event say, borrowed from the record where it can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'a> {
    provider: Cow<'a, str>,
    event_id: u32,
    computer: Cow<'a, str>,
    channel: Cow<'a, str>,
    record_id: Option<u64>,
    created_at_us: Option<i64>,
    // Some forty at most: looking through them is faster than hashing them.
    data: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Fields<'a> {
    /// An event of `provider` with nothing else said yet.
    #[must_use]
    pub fn new(provider: impl Into<Cow<'a, str>>, event_id: u32) -> Self {
        Self {
            provider: provider.into(),
            event_id,
            ..Self::default()
        }
    }

    /// Sets where the event was logged: the computer as written there and the channel.
    #[must_use]
    pub fn logged_by(
        mut self,
        computer: impl Into<Cow<'a, str>>,
        channel: impl Into<Cow<'a, str>>,
    ) -> Self {
        self.computer = computer.into();
        self.channel = channel.into();
        self
    }

    /// Sets the event's number in its log and its creation time, microseconds since 1970 in UTC.
    #[must_use]
    pub fn numbered(mut self, record_id: Option<u64>, created_at_us: Option<i64>) -> Self {
        self.record_id = record_id;
        self.created_at_us = created_at_us;
        self
    }

    /// Adds one field of the event data.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.add(name.into(), value.into());
        self
    }

    /// Adds one field of the event data. Of several with one name the last counts.
    pub fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        self.data.push((name, value));
    }

    /// Adds a copy of all fields of `other`.
    pub(in crate::sources) fn add_all(&mut self, other: &Fields<'_>) {
        let owned = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        let data = other.data.iter();
        self.data
            .extend(data.map(|(name, value)| (owned(name), owned(value))));
    }

    /// The fields of an event in the form that the `evtx` crate renders (`{"Event": {"System": …, "EventData": …}}`);
    /// nothing where `event` has another form or no event id.
    #[must_use]
    pub fn from_rendered(event: &'a Value) -> Option<Self> {
        let event = event.get("Event")?;
        let system = event.get("System")?;
        let text = |name: &str| system.get(name).and_then(scalar).unwrap_or_default();
        let mut fields = Self {
            provider: attribute(system, "Provider", "Name").unwrap_or_default(),
            event_id: scalar(system.get("EventID")?)?.parse().ok()?,
            computer: text("Computer"),
            channel: text("Channel"),
            record_id: text("EventRecordID").parse().ok(),
            created_at_us: attribute(system, "TimeCreated", "SystemTime")
                .and_then(|text| time::utc_us(&text)),
            data: Vec::new(),
        };
        if let Some(Value::Object(data)) = event.get("EventData") {
            for (name, value) in data {
                if let Some(text) = scalar(value) {
                    fields.add(name.into(), text);
                }
            }
        }
        Some(fields)
    }

    /// Name of the provider.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The event's kind among its provider's.
    #[must_use]
    pub fn event_id(&self) -> u32 {
        self.event_id
    }

    /// The computer as it named itself.
    #[must_use]
    pub fn computer(&self) -> &str {
        &self.computer
    }

    /// The log that the event was written to.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Number of the event in its log.
    #[must_use]
    pub fn record_id(&self) -> Option<u64> {
        self.record_id
    }

    /// When the event was created: microseconds since 1970, UTC.
    #[must_use]
    pub fn created_at_us(&self) -> Option<i64> {
        self.created_at_us
    }

    /// The field called `name`, where it says anything: Windows writes `-` for nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut newest_first = self.data.iter().rev();
        newest_first
            .find(|(known, _)| known == name)
            .map(|(_, text)| text.as_ref())
            .filter(|text| !matches!(text.trim(), "" | "-"))
    }

    /// The field called `name`, or an empty text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// A field that holds a number, decimal or hexadecimal after `0x`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        let text = self.get(name)?.trim();
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }
}

fn attribute<'a>(system: &'a Value, element: &str, name: &str) -> Option<Cow<'a, str>> {
    scalar(system.get(element)?.get("#attributes")?.get(name)?)
}

/// The text of a value; an element that also has attributes keeps its text aside.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        Value::Object(element) => element.get("#text").and_then(scalar),
        Value::Null | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rendered_event_gives_its_fields() {
        let event = json!({"Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "P", "Guid": "G"}},
                "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 7},
                "TimeCreated": {"#attributes": {"SystemTime": "1970-01-01T00:00:01.000002Z"}},
                "EventRecordID": 42, "Channel": "C", "Computer": "HOST.lan"
            },
            "EventData": {"A": "0x1a", "B": 26, "C": "-", "D": null, "E": ""}
        }});
        let fields = Fields::from_rendered(&event).expect("an event");
        assert_eq!((fields.provider(), fields.event_id()), ("P", 7));
        assert_eq!((fields.computer(), fields.channel()), ("HOST.lan", "C"));
        assert_eq!(
            (fields.record_id(), fields.created_at_us()),
            (Some(42), Some(1_000_002))
        );
        assert_eq!(
            (fields.number("A"), fields.number("B")),
            (Some(26), Some(26))
        );
        assert_eq!(
            (
                fields.get("C"),
                fields.get("D"),
                fields.get("E"),
                fields.get("F")
            ),
            (None, None, None, None)
        );
    }

    #[test]
    fn what_is_no_event_gives_nothing() {
        for event in [
            json!(null),
            json!([]),
            json!({"Event": {}}),
            json!({"Event": {"System": {"EventID": "x"}}}),
        ] {
            assert_eq!(Fields::from_rendered(&event), None);
        }
    }
}
