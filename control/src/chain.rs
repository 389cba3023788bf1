//! The hash chain over all events: what a hash covers, and the walk that finds the first broken place. It must not
//! repair anything.

use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::event::{RecordedEvent, Sequence, Version};
use crate::store::ControlStore;

/// Names what is hashed, so that no other hash of the same bytes is ever taken for one of these.
const DOMAIN: &[u8] = b"epm-control-event-v1\0";
/// Hash before the first event.
pub(crate) const ORIGIN: [u8; 32] = [0; 32];
/// Events read at a time: a few hundred kilobytes, and the database is not asked often.
const STEP: u32 = 1_000;

/// The last event that a chain holds. Kept elsewhere, it proves later that the chain was only added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Place of the last event, 0 where there is none.
    pub sequence: Sequence,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What a walk over the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Every event is the one that was appended.
    Whole(Head),
    /// The first place that is not as it was written.
    Broken {
        /// Where.
        sequence: Sequence,
        /// How.
        what: Break,
    },
}

/// In which way a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The event's hash does not follow from its contents and the hash before it.
    Contents,
    /// A row cannot even be read as an event.
    Unreadable,
    /// There is no event at this place though there are later ones, or the head says so.
    Missing,
    /// There is an event behind the head.
    BeyondHead,
    /// The head has another hash than the last event.
    Head,
    /// The chain is whole in itself and is not the one that the caller kept the head of.
    Anchor,
}

impl ControlStore {
    /// Walks over every event up to the head that stands now. `anchor` is a head that was kept elsewhere: without one, a
    /// chain that somebody wrote anew from some place on cannot be told from the true one.
    ///
    /// # Errors
    ///
    /// The database's. A broken chain is no error but the answer.
    pub async fn verify(&self, anchor: Option<Head>) -> Result<Verification, StoreError> {
        let head = match self.head().await {
            Ok(head) => head,
            Err(StoreError::Damaged(_)) => {
                return Ok(broken(Sequence(0), Break::Head));
            }
            Err(error) => return Err(error),
        };
        if anchor.is_some_and(|anchor| anchor.sequence > head.sequence) {
            return Ok(broken(Sequence(head.sequence.0 + 1), Break::Missing));
        }
        let mut last = Head {
            sequence: Sequence(0),
            hash: ORIGIN,
        };
        let mut step = STEP;
        while last.sequence < head.sequence {
            let found = match self.rows_after(last.sequence, step).await {
                // Bytes that are no text: one row at a time finds which.
                Err(error) if error.is_undecodable() && step > 1 => {
                    step = 1;
                    continue;
                }
                Err(error) if error.is_undecodable() => {
                    return Ok(broken(Sequence(last.sequence.0 + 1), Break::Unreadable));
                }
                found => found?,
            };
            if found.is_empty() {
                return Ok(broken(Sequence(last.sequence.0 + 1), Break::Missing));
            }
            for row in found {
                let place = Sequence(last.sequence.0 + 1);
                if place > head.sequence {
                    break;
                }
                let Ok(event) = row else {
                    return Ok(broken(place, Break::Unreadable));
                };
                if event.sequence != place {
                    return Ok(broken(place, Break::Missing));
                }
                if event.hash != hash_of(&last.hash, &event) {
                    return Ok(broken(place, Break::Contents));
                }
                last = Head {
                    sequence: place,
                    hash: event.hash,
                };
                if anchor.is_some_and(|anchor| anchor.sequence == place && anchor != last) {
                    return Ok(broken(place, Break::Anchor));
                }
            }
        }
        self.end(head, last).await
    }

    /// Compares the last event with the head, and looks behind it.
    async fn end(&self, head: Head, last: Head) -> Result<Verification, StoreError> {
        if head.hash != last.hash {
            return Ok(broken(head.sequence, Break::Head));
        }
        // An event behind the head may have been appended since; then the head has moved too.
        let beyond = self.rows_after(head.sequence, 1).await?;
        if !beyond.is_empty() && self.head().await?.sequence == head.sequence {
            return Ok(broken(Sequence(head.sequence.0 + 1), Break::BeyondHead));
        }
        Ok(Verification::Whole(head))
    }
}

fn broken(sequence: Sequence, what: Break) -> Verification {
    Verification::Broken { sequence, what }
}

/// The hash of an event: over the hash before it and everything that is stored of it. Each part is preceded by its
/// length, so that no byte can move from one part into its neighbour.
pub(crate) fn hash_of(before: &[u8; 32], event: &RecordedEvent) -> [u8; 32] {
    let Version(version) = event.version;
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(before);
    hash.update(event.sequence.0.to_be_bytes());
    hash.update(version.to_be_bytes());
    hash.update(event.at.0.to_be_bytes());
    for part in [
        event.stream.kind.as_bytes(),
        event.stream.id.as_bytes(),
        event.name.as_bytes(),
        event.actor.to_string().as_bytes(),
        &event.body,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
