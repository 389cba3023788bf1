//! Which observations are one: what several sensors saw of one process, and what sudo told several logs of one run.
//!
//! Pure: the sets are a function of the day's observations, in whatever order they came. What sudo told is settled first:
//! a log server's record, which no other log of sudo shares a name with, takes of each other log the earliest record of
//! the same run that lies near enough, one of one. Processes are joined after that, and what is one by then goes
//! together. It must not read a row.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use epm_proto::sightings::{self, Group, Sensor, TOLD_AFTER_US, TOLD_BEFORE_US, Told};

use super::index::{Key, Member};

/// Records of one run are at most this far apart, from the earliest log to the log server and on to the latest.
const REACH_US: i64 = TOLD_BEFORE_US + TOLD_AFTER_US;

/// The sets of `now`, and of all others that these change. `was` are those of them that were something else before;
/// `members_of` gives what is in a group by now. A set's members are in the order of their time.
pub(super) fn sets(
    now: &[Member],
    was: &[Member],
    members_of: impl Fn(&Group) -> Vec<Member>,
) -> Vec<Vec<Member>> {
    let mut runs = Runs {
        members_of: &members_of,
        known: HashMap::new(),
    };
    let mut sets = Vec::new();
    let mut places: BTreeSet<Group> = now.iter().chain(was).filter_map(Member::group).collect();
    let mut done = HashSet::new();
    let touched = now.iter().map(|member| (member, true));
    for (member, is_now) in touched.chain(was.iter().map(|member| (member, false))) {
        let mut is_settled = member.place.is_some() || !is_now;
        if let Some((group, told)) = member.told {
            for (at, stretch) in runs.around(group, member.observed_at) {
                if !stretch.has_server && told != Told::Server {
                    continue;
                }
                is_settled = true;
                if done.insert((group, at)) {
                    places.extend(stretch.units().iter().filter_map(|unit| unit.place));
                    let apart = stretch.units().iter().filter(|unit| unit.place.is_none());
                    sets.extend(apart.map(|unit| unit.members.clone()));
                }
            }
        }
        if !is_settled {
            sets.push(vec![*member]);
        }
    }
    for place in places {
        sets.extend(of_process(&mut runs, place));
    }
    sets
}

/// The sets of one process: each unit of what sudo told counts as one observation.
fn of_process<F: Fn(&Group) -> Vec<Member>>(
    runs: &mut Runs<'_, F>,
    place: Group,
) -> Vec<Vec<Member>> {
    let (mut units, mut asked) = (Vec::new(), HashSet::new());
    for member in (runs.members_of)(&place) {
        let Some((group, _)) = member.told else {
            units.push(Unit::of(vec![member]));
            continue;
        };
        for (at, stretch) in runs.around(group, member.observed_at) {
            if asked.insert((group, at)) {
                let own = stretch.units().iter();
                units.extend(own.filter(|unit| unit.place == Some(place)).cloned());
            }
        }
    }
    let joined = sightings::join(&mut units, |unit| (unit.observed_at, unit.sensor));
    let members = |set: Vec<usize>| {
        let mut members: Vec<Member> = set
            .into_iter()
            .flat_map(|at| units[at].members.iter().copied())
            .collect();
        members.sort_unstable();
        members
    };
    joined.into_iter().map(members).collect()
}

/// What sudo told of one run, or one observation that is not of sudo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Unit {
    observed_at: i64,
    key: Key,
    sensor: Sensor,
    place: Option<Group>,
    members: Vec<Member>,
}

impl Unit {
    /// Of at least one member.
    fn of(mut members: Vec<Member>) -> Self {
        members.sort_unstable();
        let place = members.iter().find_map(|member| member.place);
        Self {
            observed_at: members[0].observed_at,
            key: members[0].key,
            sensor: place.map_or(Sensor::SudoLine, |(_, sensor)| sensor),
            place: place.map(|(group, _)| group),
            members,
        }
    }
}

/// Observations of runs that are told alike, so near to each other that each may be of the next one's run.
#[derive(Debug)]
struct Stretch {
    members: Vec<Member>,
    has_server: bool,
    units: OnceCell<Vec<Unit>>,
}

impl Stretch {
    fn of(members: &[Member]) -> Self {
        Self {
            members: members.to_vec(),
            has_server: members.iter().any(|member| is(member, Told::Server)),
            units: OnceCell::new(),
        }
    }

    fn units(&self) -> &[Unit] {
        self.units.get_or_init(|| match self.has_server {
            true => units(&self.members),
            false => self
                .members
                .iter()
                .map(|one| Unit::of(vec![*one]))
                .collect(),
        })
    }
}

/// What is known of the runs of each group.
struct Runs<'a, F> {
    members_of: &'a F,
    known: HashMap<Group, Rc<[Stretch]>>,
}

impl<F: Fn(&Group) -> Vec<Member>> Runs<'_, F> {
    /// The stretches that an observation at `time` is part of, or was, each with its place in the group.
    fn around(&mut self, group: Group, time: i64) -> Vec<(usize, &Stretch)> {
        let stretches = self.known.entry(group).or_insert_with(|| {
            let mut members = (self.members_of)(&group);
            members.sort_unstable();
            let is_near = |one: &Member, other: &Member| {
                other.observed_at.saturating_sub(one.observed_at) <= REACH_US
            };
            members.chunk_by(is_near).map(Stretch::of).collect()
        });
        let last = |stretch: &Stretch| stretch.members.last().map(|member| member.observed_at);
        let first = |stretch: &Stretch| stretch.members.first().map(|member| member.observed_at);
        let from = stretches
            .partition_point(|stretch| last(stretch) < Some(time.saturating_sub(REACH_US)));
        let reached = stretches[from..]
            .iter()
            .enumerate()
            .take_while(|(_, stretch)| first(stretch) <= Some(time.saturating_add(REACH_US)));
        reached.map(|(at, stretch)| (from + at, stretch)).collect()
    }
}

fn is(member: &Member, told: Told) -> bool {
    member.told.is_some_and(|(_, to)| to == told)
}

/// The units of `members`, which are sorted: those that name one process first, then those of which one names none.
fn units(members: &[Member]) -> Vec<Unit> {
    let servers = members.iter().filter(|member| is(member, Told::Server));
    let mut units: Vec<Vec<Member>> = servers.map(|server| vec![*server]).collect();
    let mut taken = HashSet::new();
    for told in [Told::Json, Told::Line, Told::File] {
        let others: Vec<&Member> = members.iter().filter(|member| is(member, told)).collect();
        let mut has_one = vec![false; units.len()];
        for by_process in [true, false] {
            for (unit, has_one) in units.iter_mut().zip(&mut has_one) {
                let server = unit[0];
                let from = server.observed_at.saturating_sub(TOLD_BEFORE_US);
                let to = server.observed_at.saturating_add(TOLD_AFTER_US);
                let begin = others.partition_point(|other| other.observed_at < from);
                let mut near = others[begin..]
                    .iter()
                    .take_while(|other| other.observed_at <= to);
                let fits = |other: &&&Member| {
                    !taken.contains(&other.key)
                        && match (server.group(), other.group()) {
                            (Some(one), Some(other)) => by_process && one == other,
                            _ => !by_process,
                        }
                };
                if !*has_one && let Some(other) = near.find(fits) {
                    taken.insert(other.key);
                    unit.push(**other);
                    *has_one = true;
                }
            }
        }
    }
    let apart = members
        .iter()
        .filter(|member| !is(member, Told::Server) && !taken.contains(&member.key));
    units.extend(apart.map(|member| vec![*member]));
    units.into_iter().map(Unit::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Group = (1, 1);
    const SECOND: i64 = 1_000_000;

    fn told(number: u8, told: Told, observed_at: i64, pid: Option<u64>) -> Member {
        let key = [number; 16];
        Member {
            observed_at,
            key,
            place: pid.map(|pid| ((2, pid), Sensor::SudoLine)),
            told: Some((TOLD, told)),
            row: key,
        }
    }

    fn asked(number: u8, observed_at: i64, pid: u64) -> Member {
        Member {
            place: Some(((2, pid), Sensor::SudoCommand)),
            told: None,
            ..told(number, Told::Line, observed_at, None)
        }
    }

    /// The first digits of the keys of each set of `all`, whichever of them is new.
    fn of(all: &[Member]) -> Vec<Vec<u8>> {
        let members_of = |group: &Group| {
            let is_in = |member: &&Member| {
                member.group() == Some(*group)
                    || member.told.is_some_and(|(told, _)| told == *group)
            };
            all.iter().filter(is_in).copied().collect()
        };
        let numbers = |sets: Vec<Vec<Member>>| {
            let numbers = |set: Vec<Member>| {
                let mut numbers: Vec<u8> = set.iter().map(|member| member.key[0]).collect();
                numbers.sort_unstable();
                numbers
            };
            let mut sets: Vec<_> = sets.into_iter().map(numbers).collect();
            sets.sort();
            sets
        };
        let whole = numbers(sets(all, &[], members_of));
        for one in all {
            // Each alone finds the sets that it is in, and none that there is not.
            let found = numbers(sets(&[*one], &[], members_of));
            assert!(found.iter().all(|set| whole.contains(set)), "{found:?}");
            assert!(found.iter().flatten().any(|number| *number == one.key[0]));
        }
        whole
    }

    #[test]
    fn a_server_and_each_log_of_the_same_run_are_one_and_n_runs_are_n() {
        let mut all = Vec::new();
        for run in 0..4 {
            let at = i64::from(run) * SECOND / 2;
            all.push(told(10 + run, Told::Server, at + 300, None));
            // Text knows whole seconds only.
            all.push(told(20 + run, Told::Line, at / SECOND * SECOND, None));
            all.push(told(30 + run, Told::File, at / SECOND * SECOND, None));
            all.push(told(40 + run, Told::Json, at + 300, None));
        }
        let runs = (0..4).map(|run| vec![10 + run, 20 + run, 30 + run, 40 + run]);
        assert_eq!(of(&all), runs.collect::<Vec<_>>());
    }

    #[test]
    fn logs_alone_and_runs_that_are_too_far_apart_are_apart() {
        let early = told(1, Told::Line, -TOLD_BEFORE_US - 1, None);
        let late = told(2, Told::Line, TOLD_AFTER_US + 1, None);
        let server = told(3, Told::Server, 0, None);
        assert_eq!(of(&[early, late, server]), [[1], [2], [3]]);
        let (line, file) = (told(1, Told::Line, 0, None), told(2, Told::File, 0, None));
        assert_eq!(of(&[line, file]), [[1], [2]]);
    }

    #[test]
    fn a_process_id_is_believed_before_the_order_of_time() {
        let all = [
            told(1, Told::Server, 0, Some(70)),
            told(2, Told::Server, 10, Some(71)),
            told(3, Told::Line, 20, Some(71)),
            told(4, Told::Line, 30, Some(70)),
            told(5, Told::Line, 40, Some(72)),
        ];
        assert_eq!(of(&all), [vec![1, 4], vec![2, 3], vec![5]]);
    }

    #[test]
    fn what_sudo_told_brings_a_line_without_a_process_to_the_audit_log_of_it() {
        let all = [
            asked(1, 0, 70),
            told(2, Told::Server, 10, Some(70)),
            told(3, Told::Line, 5, None),
            told(4, Told::File, 0, None),
            asked(5, 0, 71),
        ];
        assert_eq!(of(&all), [vec![1, 2, 3, 4], vec![5]]);
    }

    #[test]
    fn what_an_observation_was_before_is_settled_without_it() {
        let (server, line) = (told(1, Told::Server, 0, None), told(2, Told::Line, 5, None));
        let elsewhere = Member {
            told: Some(((9, 9), Told::Server)),
            ..server
        };
        let members_of = |group: &Group| match *group {
            TOLD => vec![line],
            (9, 9) => vec![elsewhere],
            _ => Vec::new(),
        };
        let found = sets(&[elsewhere], &[server], members_of);
        assert_eq!(found, [vec![elsewhere], vec![line]]);
    }
}
