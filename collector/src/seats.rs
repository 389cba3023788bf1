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
    leave: Leave,
    /// The boot whose stream that is, and the one before it.
    boot: Vec<u8>,
    boot_before: Vec<u8>,
}

/// How a stream is asked to end.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    /// The device is not one of ours any more. Ends `any` too.
    pub(crate) expelled: CancellationToken,
    /// For any reason.
    pub(crate) any: CancellationToken,
}

impl Leave {
    /// One that also ends with `abort`.
    pub(crate) fn under(abort: &CancellationToken) -> Self {
        let expelled = abort.child_token();
        let any = expelled.child_token();
        Self { expelled, any }
    }
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
    is_second_boot: bool,
}

impl Seats {
    /// Asks the agent's older stream to leave, and takes the next place, for a stream of `boot` (empty where it is not
    /// known).
    pub(crate) fn claim(self: &Arc<Self>, agent: AgentId, boot: &[u8], leave: Leave) -> Claim {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_second_boot = false;
        let turn = match taken.get_mut(&agent) {
            Some(seat) => {
                std::mem::replace(&mut seat.leave, leave).any.cancel();
                if seat.boot != boot {
                    // One that another had followed is back while that other has the seat. A device that was started
                    // anew never comes back as what it was before.
                    is_second_boot = !boot.is_empty() && seat.boot_before == boot;
                    seat.boot_before = std::mem::replace(&mut seat.boot, boot.to_vec());
                }
                Arc::clone(&seat.turn)
            }
            None => {
                let turn = Arc::default();
                let seat = Seat {
                    turn: Arc::clone(&turn),
                    leave,
                    boot: boot.to_vec(),
                    boot_before: Vec::new(),
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
            is_second_boot,
        }
    }

    /// Ends the agent's stream: it is not one of ours any more.
    pub(crate) fn expel(&self, agent: AgentId) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = taken.get(&agent) {
            seat.leave.expelled.cancel();
        }
    }
}

impl Claim {
    /// Whether two boots of the agent take the seat from each other: two devices are this agent.
    pub(crate) fn is_second_boot(&self) -> bool {
        self.is_second_boot
    }

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

    fn leave_anew() -> Leave {
        Leave::under(&CancellationToken::new())
    }

    #[tokio::test]
    async fn a_boot_that_comes_back_while_another_has_the_seat_is_a_second_device() {
        let seats = Arc::new(Seats::default());
        let claim = |boot: &[u8]| seats.claim(AGENT, boot, leave_anew());
        let first = claim(b"a");
        let again = claim(b"a");
        let restarted = claim(b"b");
        assert!(
            ![&first, &again, &restarted]
                .map(Claim::is_second_boot)
                .contains(&true)
        );
        let back = claim(b"a");
        assert!(back.is_second_boot());
        assert!(claim(b"b").is_second_boot());
        drop((first, again, restarted, back));
        assert!(seats.taken.lock().expect("lock").is_empty());
        assert!(!claim(b"a").is_second_boot());
    }

    #[tokio::test]
    async fn who_is_expelled_leaves() {
        let seats = Arc::new(Seats::default());
        let leave = leave_anew();
        let _claim = seats.claim(AGENT, &[], leave.clone());
        seats.expel(AgentId([8; 16]));
        assert!(!leave.any.is_cancelled());
        seats.expel(AGENT);
        assert!(leave.any.is_cancelled() && leave.expelled.is_cancelled());
    }

    #[tokio::test]
    async fn a_newer_claim_ends_the_older_and_waits_for_it() {
        let seats = Arc::new(Seats::default());
        let leave = leave_anew();
        let mut older = seats.claim(AGENT, &[], leave.clone());
        older.wait().await;
        let mut newer = seats.claim(AGENT, &[], leave_anew());
        assert!(leave.any.is_cancelled());
        assert!(!leave.expelled.is_cancelled());
        assert!(newer.wait().now_or_never().is_none());
        drop(older);
        newer.wait().await;
        drop(newer);
        assert!(seats.taken.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_claim_that_gives_up_does_not_open_a_second_seat() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.claim(AGENT, &[], leave_anew());
        first.wait().await;
        drop(seats.claim(AGENT, &[], leave_anew()));
        let mut third = seats.claim(AGENT, &[], leave_anew());
        assert!(third.wait().now_or_never().is_none());
        drop(first);
        assert!(third.wait().now_or_never().is_some());
    }
}
