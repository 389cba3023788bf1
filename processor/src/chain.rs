//! Follows each agent's hash chain through the log. A record that carries another hash than that of the record before it
//! was not sent as it was spooled. It must not judge gaps: the table `devices` does.

use std::collections::HashMap;

use epm_event_log::{Entry, EntryKind};
use epm_proto::chain::{HASH_BYTES, record_hash};
use epm_proto::head::RecordHead;
use epm_proto::ids::{AgentId, Epoch};

/// What following the chains found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainFigures {
    /// Records whose link to the one before was checked and holds.
    pub linked: u64,
    /// Records whose predecessor is not in the log just before them, so that the link cannot be checked.
    pub unlinked: u64,
    /// Records that carry another hash than their predecessor has.
    pub broken: u64,
}

/// The last record of each epoch.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    last: HashMap<(AgentId, Epoch), (u64, [u8; HASH_BYTES])>,
    figures: ChainFigures,
}

impl Chain {
    pub(crate) fn entry(&mut self, entry: &Entry) {
        if entry.kind != EntryKind::Record {
            return;
        }
        let Ok(head) = RecordHead::scan(&entry.payload) else {
            return;
        };
        let (key, sequence) = ((head.name.agent_id, head.name.epoch), head.name.sequence.0);
        let last = self.last.get(&key);
        if last.is_some_and(|(held, _)| sequence <= *held) {
            return;
        }
        match last {
            Some((held, hash)) if held + 1 == sequence => {
                let is_linked = head.previous_hash == hash;
                self.figures.linked += u64::from(is_linked);
                self.figures.broken += u64::from(!is_linked);
            }
            None if sequence == 1 && head.previous_hash.is_empty() => self.figures.linked += 1,
            _ => self.figures.unlinked += 1,
        }
        self.last
            .insert(key, (sequence, record_hash(&entry.payload)));
    }

    pub(crate) fn figures(&self) -> ChainFigures {
        self.figures
    }
}
