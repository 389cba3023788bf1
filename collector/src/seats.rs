//! One stream for each agent: a newer one takes the seat, and gets it only when the older one has finished its appends.
//!
//! Without this a record whose append is under way could be admitted a second time by the agent's next stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use epm_proto::ids::AgentId;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Seat {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Ends the stream that has the seat, or waits for it.
    leave: CancellationToken,
}

/// The seats that are taken or waited for: never more than there are streams.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<HashMap<AgentId, Seat>>,
}

/// A place in the order of an agent's streams. Dropping it gives the seat back.
#[derive(Debug)]
pub(crate) struct Claim {
    seats: Arc<Seats>,
    agent: AgentId,
    turn: Arc<tokio::sync::Mutex<()>>,
    seated: Option<OwnedMutexGuard<()>>,
}

impl Seats {
    /// Asks the agent's older stream to leave, by its token, and takes the next place.
    pub(crate) fn claim(self: &Arc<Self>, agent: AgentId, leave: CancellationToken) -> Claim {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = match taken.get_mut(&agent) {
            Some(seat) => {
                std::mem::replace(&mut seat.leave, leave).cancel();
                Arc::clone(&seat.turn)
            }
            None => {
                let turn = Arc::default();
                let seat = Seat {
                    turn: Arc::clone(&turn),
                    leave,
                };
                taken.insert(agent, seat);
                turn
            }
        };
        Claim {
            seats: Arc::clone(self),
            agent,
            turn,
            seated: None,
        }
    }
}

impl Claim {
    /// Waits until the older stream has finished.
    pub(crate) async fn wait(&mut self) {
        self.seated = Some(Arc::clone(&self.turn).lock_owned().await);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.seated = None;
        let mut taken = self
            .seats
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The map's and this one: nobody waits for the seat or has it.
        if Arc::strong_count(&self.turn) == 2 {
            taken.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const AGENT: AgentId = AgentId([7; 16]);

    #[tokio::test]
    async fn a_newer_claim_ends_the_older_and_waits_for_it() {
        let seats = Arc::new(Seats::default());
        let leave = CancellationToken::new();
        let mut older = seats.claim(AGENT, leave.clone());
        older.wait().await;
        let mut newer = seats.claim(AGENT, CancellationToken::new());
        assert!(leave.is_cancelled());
        assert!(newer.wait().now_or_never().is_none());
        drop(older);
        newer.wait().await;
        drop(newer);
        assert!(seats.taken.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_claim_that_gives_up_does_not_open_a_second_seat() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.claim(AGENT, CancellationToken::new());
        first.wait().await;
        drop(seats.claim(AGENT, CancellationToken::new()));
        let mut third = seats.claim(AGENT, CancellationToken::new());
        assert!(third.wait().now_or_never().is_none());
        drop(first);
        assert!(third.wait().now_or_never().is_some());
    }
}
