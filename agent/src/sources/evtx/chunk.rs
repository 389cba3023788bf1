//! One chunk of an event log: its records to readings. It must not read past what the file holds of the chunk.

use std::ops::ControlFlow;
use std::sync::Arc;

use evtx::err::EvtxError;
use evtx::{EvtxChunkData, EvtxRecord, ParserSettings};

use super::CHUNK_BYTES;
use crate::source::Readings;
use crate::sources::windows::fields::Fields;
use crate::sources::windows::{OTHER_EVENT, read_event};

/// First bytes of every chunk.
const CHUNK_MAGIC: &[u8; 8] = b"ElfChnk\0";

/// Bytes before a chunk's first record.
const CHUNK_HEADER_BYTES: u64 = 512;

/// Bytes behind a record's content: a copy of its size.
const RECORD_TRAILER_BYTES: u64 = 4;

#[derive(Debug)]
pub(super) struct ChunkParser {
    settings: Arc<ParserSettings>,
}

impl ChunkParser {
    pub(super) fn new() -> Self {
        // Checksums are not asked for: a chunk that was being written when it was copied has old ones and good records.
        let settings = ParserSettings::new()
            .indent(false)
            .validate_checksums(false);
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Hands on what `bytes`, found at `offset` of the file, hold. Returns the buffer for the next chunk.
    pub(super) fn parse(
        &mut self,
        offset: u64,
        mut bytes: Vec<u8>,
        into: &mut dyn Readings,
    ) -> (Vec<u8>, ControlFlow<()>) {
        if bytes.iter().all(|byte| *byte == 0) {
            return (bytes, ControlFlow::Continue(()));
        }
        if !bytes.starts_with(CHUNK_MAGIC) {
            let flow = into.unreadable(&format!("no chunk at byte {offset}, where one should be"));
            return (bytes, flow);
        }
        let held = bytes.len() as u64;
        bytes.resize(CHUNK_BYTES as usize, 0);
        match EvtxChunkData::new(bytes, false) {
            Ok(mut chunk) => {
                let flow = self.parse_records(offset, held, &mut chunk, into);
                (chunk.data, flow)
            }
            Err(error) => (
                Vec::new(),
                into.unreadable(&format!("chunk at byte {offset}: {error}")),
            ),
        }
    }

    fn parse_records(
        &self,
        offset: u64,
        held: u64,
        data: &mut EvtxChunkData,
        into: &mut dyn Readings,
    ) -> ControlFlow<()> {
        let used = u64::from(data.header.free_space_offset).max(CHUNK_HEADER_BYTES);
        let is_partial = held < CHUNK_BYTES;
        let mut is_cut = is_partial && held < used;
        let mut chunk = match data.parse(Arc::clone(&self.settings)) {
            Ok(chunk) => chunk,
            Err(error) => return into.unreadable(&format!("chunk at byte {offset}: {error}")),
        };
        for record in chunk.iter() {
            match record {
                Ok(record) if is_partial && end(&record) > held => {
                    is_cut = true;
                    break;
                }
                Ok(record) => hand_on(offset, record, into)?,
                // What fails in a cut chunk is its cut, which is reported below.
                Err(_) if is_cut => break,
                Err(error) => into.unreadable(&unreadable_record(offset, &error))?,
            }
        }
        if is_cut {
            into.unreadable(&format!(
                "the file ends at byte {}, inside a chunk",
                offset + held
            ))?;
        }
        ControlFlow::Continue(())
    }
}

/// Where in its chunk the record ends.
fn end(record: &EvtxRecord<'_>) -> u64 {
    record.binxml_offset + u64::from(record.binxml_size) + RECORD_TRAILER_BYTES
}

fn hand_on(offset: u64, record: EvtxRecord<'_>, into: &mut dyn Readings) -> ControlFlow<()> {
    let rendered = match record.into_json_value() {
        Ok(rendered) => rendered,
        Err(error) => return into.unreadable(&unreadable_record(offset, &error)),
    };
    let Some(fields) = Fields::from_rendered(&rendered.data) else {
        return into.unreadable(&format!(
            "chunk at byte {offset}: record {} is no event",
            rendered.event_record_id
        ));
    };
    // The record around an event repeats its number and time, which the event itself may have lost.
    let (number, time) = (
        rendered.event_record_id,
        rendered.timestamp.as_microsecond(),
    );
    let fields = {
        let (own_number, own_time) = (fields.record_id(), fields.created_at_us());
        fields.numbered(own_number.or(Some(number)), own_time.or(Some(time)))
    };
    match read_event(&fields) {
        Some(reading) => into.reading(reading),
        None => into.skipped(OTHER_EVENT),
    }
}

fn unreadable_record(offset: u64, error: &EvtxError) -> String {
    format!("chunk at byte {offset}: {error}")
}
