//! Which person a process descends from, as far as a log tells: by the processes that were seen before it. Bounded, so
//! that a log of any length needs the same memory.

use std::collections::{HashMap, VecDeque};

use epm_proto::v1::Trigger;

/// Processes that are remembered; the oldest go first. A Mac runs some thousand at once.
const MAX_PROCESSES: usize = 65_536;

/// The least user id of a person on macOS; those below are services, and negative ones nobody.
const FIRST_PERSON: i64 = 500;

/// Longest name that is kept of a user.
const MAX_NAME_BYTES: usize = 256;

/// A process: where, and its id there.
pub(super) type Process = (u64, i64);

/// Who is behind a process, and by which way a process of theirs became root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) uid: i64,
    pub(super) name: String,
    pub(super) way: Trigger,
}

/// The persons behind the processes that were seen.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    persons: HashMap<Process, (u64, Person)>,
    order: VecDeque<(u64, Process)>,
    seen: u64,
}

impl Lineage {
    /// The person behind a process that runs `path`, where its real user is one or an earlier process of this id or its
    /// parent was a person's.
    pub(super) fn started(
        &mut self,
        process: Process,
        parent: Option<Process>,
        user: Option<(i64, &str)>,
        path: &str,
    ) -> Option<Person> {
        let itself = user.filter(|(uid, _)| *uid >= FIRST_PERSON);
        let mut person = match itself {
            Some((uid, name)) => Person {
                uid,
                name: cut(name).to_owned(),
                way: Trigger::Unspecified,
            },
            None => {
                let known = self.persons.get(&process);
                let of_parent = || self.persons.get(&parent?);
                let found = known.or_else(of_parent).map(|(_, person)| person.clone());
                let Some(person) = found else {
                    self.persons.remove(&process);
                    return None;
                };
                person
            }
        };
        if let Some(way) = way_of(path) {
            person.way = way;
        }
        self.remember(process, person.clone());
        Some(person)
    }

    /// A process that is a copy of its parent.
    pub(super) fn forked(&mut self, process: Process, parent: Process) {
        match self.persons.get(&parent).map(|(_, person)| person.clone()) {
            Some(person) => self.remember(process, person),
            None => drop(self.persons.remove(&process)),
        }
    }

    /// Its id may be another's from here on.
    pub(super) fn ended(&mut self, process: Process) {
        self.persons.remove(&process);
    }

    fn remember(&mut self, process: Process, person: Person) {
        self.seen += 1;
        if self.order.len() >= MAX_PROCESSES
            && let Some((seen, oldest)) = self.order.pop_front()
            && self.persons.get(&oldest).is_some_and(|(at, _)| *at == seen)
        {
            self.persons.remove(&oldest);
        }
        self.order.push_back((self.seen, process));
        self.persons.insert(process, (self.seen, person));
    }
}

/// The way to root that a program is.
pub(super) fn way_of(path: &str) -> Option<Trigger> {
    match path.rsplit('/').next().unwrap_or(path) {
        "sudo" => Some(Trigger::Sudo),
        "su" => Some(Trigger::Su),
        "doas" => Some(Trigger::Doas),
        _ => None,
    }
}

fn cut(name: &str) -> &str {
    let end = name.floor_char_boundary(MAX_NAME_BYTES);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Option<(i64, &str)> = Some((501, "anna"));
    const ROOT: Option<(i64, &str)> = Some((0, "root"));

    #[test]
    fn what_sudo_starts_is_the_persons_and_so_are_its_children() {
        let mut lineage = Lineage::default();
        lineage.started((1, 10), Some((1, 9)), ANNA, "/usr/bin/sudo");
        let shell = lineage.started((1, 11), Some((1, 10)), ROOT, "/bin/sh");
        let shell = shell.expect("a person");
        assert_eq!(
            (shell.uid, shell.name.as_str(), shell.way),
            (501, "anna", Trigger::Sudo)
        );
        lineage.forked((1, 12), (1, 11));
        assert_eq!(
            lineage.started((1, 12), None, ROOT, "/bin/ls"),
            Some(shell.clone())
        );
        // In its place, without a process of its own.
        assert_eq!(
            lineage.started((1, 10), Some((1, 9)), ROOT, "/bin/ls"),
            Some(shell)
        );
    }

    #[test]
    fn a_daemon_has_no_person_and_an_id_that_ended_is_forgotten() {
        let mut lineage = Lineage::default();
        assert_eq!(
            lineage.started((1, 5), Some((1, 1)), ROOT, "/usr/libexec/x"),
            None
        );
        assert_eq!(
            lineage.started((1, 6), None, Some((88, "_windowserver")), "/x"),
            None
        );
        lineage.started((1, 10), None, ANNA, "/usr/bin/sudo");
        // The same id on another device.
        assert_eq!(
            lineage.started((2, 11), Some((2, 10)), ROOT, "/bin/sh"),
            None
        );
        lineage.ended((1, 10));
        assert_eq!(
            lineage.started((1, 11), Some((1, 10)), ROOT, "/bin/sh"),
            None
        );
    }

    #[test]
    fn any_number_of_processes_stays_within_the_bound() {
        let mut lineage = Lineage::default();
        for pid in 0..3 * MAX_PROCESSES as i64 {
            lineage.started((1, pid % 100_000), None, ANNA, "/bin/sh");
        }
        assert!(lineage.persons.len() <= MAX_PROCESSES);
        assert_eq!(lineage.order.len(), MAX_PROCESSES);
    }
}
