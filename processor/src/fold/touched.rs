//! The observations of one day that one transaction brings or changes, and the sets that are other rows by that. It must
//! not read a row.

use std::collections::HashMap;

use epm_proto::sightings::Group;

use super::index::{DayIndex, Key, Member};
use super::sets::sets;

/// Observations of one day whose sets have to be settled.
#[derive(Debug, Default)]
pub(super) struct Touched {
    // As they are now.
    now: HashMap<Key, Member>,
    // As those that another record speaks for by now were before.
    was: Vec<Member>,
}

impl Touched {
    /// An observation that is in no row yet.
    pub(super) fn add(&mut self, member: Member) {
        self.now.insert(member.key, member);
    }

    /// Another record speaks for the observation `key`, which was `held`.
    pub(super) fn replace(&mut self, key: Key, held: Option<Member>, now: Option<Member>) {
        if held.is_none() && now.is_none() {
            self.now.remove(&key);
            return;
        }
        self.was.extend(held);
        let lone = held.map(|held| Member {
            place: None,
            told: None,
            ..held
        });
        let row = held.map_or(key, |held| held.row);
        let now = now.map(|now| Member { row, ..now }).or(lone);
        self.now.extend(now.map(|now| (key, now)));
    }

    /// The sets that are not rows yet, and which row each of their members is in.
    pub(super) fn sets(&self, stored: Option<&DayIndex>) -> (Vec<Vec<Key>>, HashMap<Key, Key>) {
        let mut fresh: HashMap<Group, Vec<Member>> = HashMap::new();
        for member in self.now.values() {
            for group in member.groups() {
                fresh.entry(group).or_default().push(*member);
            }
        }
        let members_of = |group: &Group| {
            let stored = stored.into_iter().flat_map(|stored| stored.members(group));
            let stored = stored.filter(|member| !self.now.contains_key(&member.key));
            let fresh = fresh.get(group).into_iter().flatten().copied();
            stored.chain(fresh).collect()
        };
        let now: Vec<Member> = self.now.values().copied().collect();
        let sets = sets(&now, &self.was, members_of);
        let row_of: HashMap<Key, Key> = sets
            .iter()
            .flatten()
            .map(|member| (member.key, member.row))
            .collect();
        let mut size_of: HashMap<Key, usize> = HashMap::new();
        for row in row_of.values() {
            *size_of.entry(*row).or_default() += 1;
        }
        let is_as_it_was = |set: &Vec<Member>| {
            let row = set[0].row;
            set.iter().all(|member| member.row == row) && size_of[&row] == set.len()
        };
        let keys = |set: Vec<Member>| set.into_iter().map(|member| member.key).collect();
        let changed = sets.into_iter().filter(|set| !is_as_it_was(set)).map(keys);
        (changed.collect(), row_of)
    }
}
