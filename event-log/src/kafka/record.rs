//! How an entry stands in a topic, and what a record of a topic is to us. It must not fail: whatever another program wrote
//! there is an entry too.
//!
//! ```text
//! key        the agent's id, 16 bytes
//! value      the payload as sent
//! timestamp  when the collector received it (CreateTime)
//! epm-kind   header: the number of the entry's kind, in decimal digits
//! ```

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::util::IntoOpaque;

use crate::entry::{Entry, EntryKind, Foreign, NewEntry, Offset};

/// Largest payload: twice the collector's largest record. A batch of one such entry still fits the least that a topic
/// must take.
pub const MAX_PAYLOAD_BYTES: usize = 512 << 10;
/// Name of the header that holds the kind.
const KIND_HEADER: &str = "epm-kind";

/// `entry` for partition `partition` of `topic`.
pub(super) fn record_of<'a, O: IntoOpaque>(
    topic: &'a str,
    partition: i32,
    entry: &'a NewEntry,
    opaque: O,
) -> BaseRecord<'a, [u8; 16], [u8], O> {
    let kind = entry.kind.number().to_string();
    let header = Header {
        key: KIND_HEADER,
        value: Some(&kind),
    };
    BaseRecord::with_opaque_to(topic, opaque)
        .partition(partition)
        .key(&entry.key)
        .payload(&entry.payload[..])
        .timestamp(entry.received_at_ms)
        .headers(OwnedHeaders::new_with_capacity(1).insert(header))
}

/// What a record is as an entry.
pub(super) fn entry_of(message: &BorrowedMessage<'_>) -> Entry {
    let payload = message.payload();
    let (kind, key) = match judge(message) {
        Ok((kind, key)) => (kind, key),
        Err(reason) => (EntryKind::Foreign(reason), [0; 16]),
    };
    Entry {
        offset: Offset(u64::try_from(message.offset()).unwrap_or(0)),
        kind,
        received_at_ms: message.timestamp().to_millis().unwrap_or(0).max(0),
        key,
        payload: payload.map(Bytes::copy_from_slice).unwrap_or_default(),
    }
}

fn judge(message: &BorrowedMessage<'_>) -> Result<(EntryKind, [u8; 16]), Foreign> {
    let key = message.key().ok_or(Foreign::NoKey)?;
    let key = key.try_into().map_err(|_| Foreign::WrongKey)?;
    let payload = message.payload().ok_or(Foreign::NoPayload)?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Foreign::TooLarge);
    }
    let headers = message.headers().ok_or(Foreign::NoKind)?;
    let number = headers
        .iter()
        .find(|header| header.key == KIND_HEADER)
        .and_then(|header| header.value)
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
        .ok_or(Foreign::NoKind)?;
    Ok((EntryKind::from_number(number), key))
}
