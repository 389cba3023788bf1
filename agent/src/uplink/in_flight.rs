//! Batches that were sent and are not settled yet, and how many bytes they are. It must not know a connection.

use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
struct Sent {
    first: u64,
    last: u64,
    bytes: usize,
}

/// What is on its way, oldest first.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    batches: VecDeque<Sent>,
    bytes: usize,
}

impl InFlight {
    pub(super) fn push(&mut self, first: u64, last: u64, bytes: usize) {
        self.bytes += bytes;
        self.batches.push_back(Sent { first, last, bytes });
    }

    /// Forgets the batches of which nothing waits any more.
    pub(super) fn settle(&mut self, waits_between: impl Fn(u64, u64) -> bool) {
        self.batches
            .retain(|sent| waits_between(sent.first, sent.last));
        self.bytes = self.batches.iter().map(|sent| sent.bytes).sum();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether `bytes` more may be sent under `limit`. One batch always may, or nothing would ever move.
    pub(super) fn has_room(&self, bytes: usize, limit: usize) -> bool {
        self.batches.is_empty() || self.bytes + bytes <= limit
    }
}
