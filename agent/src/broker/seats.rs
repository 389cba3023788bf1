//! How many may ask and run at a time, in all and for each user, so that one user takes nothing from another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of seats, of which a user may hold some.
#[derive(Debug)]
pub struct Seats {
    total: usize,
    each: usize,
    taken: Mutex<HashMap<u32, usize>>,
}

/// Held while it exists.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    uid: u32,
}

impl Seats {
    /// `total` seats, `each` for a user.
    #[must_use]
    pub fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            taken: Mutex::default(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for this user, where one is free.
    #[must_use]
    pub fn take(self: &Arc<Self>, uid: u32) -> Option<Seat> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        // A user who gets none is not remembered: ids are many.
        if all >= self.total || taken.get(&uid).is_some_and(|own| *own >= self.each) {
            return None;
        }
        *taken.entry(uid).or_default() += 1;
        Some(Seat {
            seats: Arc::clone(self),
            uid,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_seats_to_the_others_and_gives_back() {
        let seats = Seats::new(3, 2);
        let held: Vec<_> = (0..2).map(|_| seats.take(1).expect("a seat")).collect();
        assert!(seats.take(1).is_none());
        let other = seats.take(2).expect("a seat");
        assert!(seats.take(3).is_none(), "all are taken");
        drop(held);
        assert!(seats.take(1).is_some());
        drop(other);
        assert!(seats.taken().is_empty(), "nothing is remembered");
    }
}
