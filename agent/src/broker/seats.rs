//! How much may be asked, run and held at a time, in all and for each user, so that one user takes nothing from another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of seats, of which a user may hold some. What a seat stands for, its owner says: a thread, a process, a byte.
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
    count: usize,
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
        self.take_many(uid, 1)
    }

    /// So many seats for this user, where they are free.
    #[must_use]
    pub fn take_many(self: &Arc<Self>, uid: u32, count: usize) -> Option<Seat> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        // A user who gets none is not remembered: ids are many.
        let own = taken.get(&uid).copied().unwrap_or_default();
        let fits =
            |held: usize, most: usize| held.checked_add(count).is_some_and(|sum| sum <= most);
        if !fits(all, self.total) || !fits(own, self.each) {
            return None;
        }
        *taken.entry(uid).or_default() += count;
        Some(Seat {
            seats: Arc::clone(self),
            uid,
            count,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= self.count;
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
    fn seats_are_taken_many_at_a_time_or_not_at_all() {
        let seats = Seats::new(10, 6);
        assert!(seats.take_many(1, 7).is_none());
        assert!(seats.take_many(1, usize::MAX).is_none());
        let held = seats.take_many(1, 6).expect("six seats");
        assert!(seats.take_many(2, 5).is_none());
        drop(held);
        assert!(seats.take_many(2, 5).is_some());
        assert!(seats.taken().is_empty(), "nothing is remembered");
    }

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
