//! Finds the rules that know a launch without looking at the others.
//!
//! Each rule lies in one bucket, under the attribute that fewest rules share with it: its hash, its name, its folder, its
//! certificate, and so on. A launch asks for the buckets of its own hash, name, folder and its ancestors, … and compares
//! the rules in them in full, so a bucket only decides how many are compared, never whether a rule matches. The cost
//! grows with the rules that share everything selective with the launch, not with the rules there are.
//!
//! For near misses a rule lies in a second bucket under another attribute: one that fails on a single attribute matches
//! on the other. That search is bounded; the search for matches is not.

mod filter;
mod key;
mod probes;
mod rule_keys;

use rustc_hash::FxHashMap;

use crate::decision::{MissReason, RuleAttribute};
use crate::limits::MAX_NEAR_MISS_SEARCH;
use crate::matching::{Subject, Verdict};
use crate::precedence::Target;
use crate::set::RuleView;
use filter::Filter;
use key::{Key, Kinds};
use probes::Probes;
use rule_keys::{KeyOption, options};

/// What lies under one key.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Rules that are found by this key.
    first: Span,
    /// Rules that are found by it when their own key fails.
    second: Span,
}

/// The rules under a key. Most keys have one, which then stands here and not in the list.
#[derive(Clone, Copy, Debug, Default)]
enum Span {
    #[default]
    None,
    One([u32; 1]),
    /// From and up to a place in the list.
    Many(u32, u32),
}

/// Buckets of rules by key.
#[derive(Debug, Default)]
pub(crate) struct Index {
    buckets: FxHashMap<u64, Bucket>,
    rules: Vec<u32>,
    probes: Probes,
    filter: Filter,
}

/// Keys of a launch that some rule may lie under: a few; more only cost a larger list.
const EXPECTED_KEYS: usize = 16;

/// What a search came upon. Rules are known by their number in the set.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<(u32, Target)>,
    pub(crate) near: Vec<(u32, RuleAttribute, MissReason)>,
    /// The search for near misses was cut.
    pub(crate) cut: bool,
}

impl Found {
    /// Whether a rule was come upon before, as far as that is told at once. A rule that matched is found by both of its
    /// keys as a rule.
    fn has(&self, rule: u32) -> bool {
        const LOOKED_AT: usize = 8;
        let mut matches = self.matches.iter().take(LOOKED_AT);
        matches.any(|(known, _)| *known == rule)
    }
}

impl Index {
    /// `rules` are numbered in the order in which near misses are shown.
    pub(crate) fn build(rules: &[RuleView<'_>]) -> Self {
        let options: Vec<Vec<KeyOption>> = rules.iter().map(options).collect();
        let mut shared: FxHashMap<u64, u32> = FxHashMap::default();
        for key in options.iter().flatten().flat_map(|option| &option.keys) {
            *shared.entry(key.number).or_default() += 1;
        }
        let mut first = Vec::with_capacity(rules.len());
        let mut second = Vec::with_capacity(rules.len());
        for (rule, options) in (0_u32..).zip(options) {
            let hashed = rules[rule as usize].rule.detection.file_hash.is_some();
            let (one, other) = choose(options, &shared);
            let by_name_alone = one.attribute == RuleAttribute::FileName && !hashed;
            // Without a hash, a rule whose name fails is never a near miss.
            if !by_name_alone && let Some(other) = other {
                second.extend(other.keys.iter().map(|key| (*key, rule)));
            }
            first.extend(one.keys.iter().map(|key| (*key, rule)));
        }
        let mut kinds = Kinds::default();
        for (key, _) in first.iter().chain(&second) {
            kinds.add(key.kind);
        }
        let mut index = Self {
            probes: Probes::of(rules, kinds),
            ..Self::default()
        };
        index.lay_out(first, |bucket| &mut bucket.first);
        index.lay_out(second, |bucket| &mut bucket.second);
        index.filter = Filter::of(index.buckets.keys().copied(), index.buckets.len());
        index
    }

    fn lay_out(&mut self, entries: Vec<(Key, u32)>, of: impl Fn(&mut Bucket) -> &mut Span) {
        let entries = entries.into_iter().map(|(key, rule)| (key.number, rule));
        let mut entries: Vec<(u64, u32)> = entries.collect();
        entries.sort_unstable();
        for bucket in entries.chunk_by(|one, next| one.0 == next.0) {
            let span = match bucket {
                [(_, rule)] => Span::One([*rule]),
                _ => {
                    let start = position(self.rules.len());
                    self.rules.extend(bucket.iter().map(|(_, rule)| *rule));
                    Span::Many(start, position(self.rules.len()))
                }
            };
            *of(self.buckets.entry(bucket[0].0).or_default()) = span;
        }
    }

    /// Compares the rules that may know the launch.
    pub(crate) fn find(
        &self,
        subject: &Subject<'_>,
        judge: impl Fn(u32, &Subject<'_>) -> Verdict,
    ) -> Found {
        let mut found = Found::default();
        // First which keys are worth looking for, then what lies under them: the processor fetches from many places of
        // the filter at once, as long as no comparison stands between.
        let mut keys = Vec::with_capacity(EXPECTED_KEYS);
        self.probes.of_launch(subject, |key| {
            if self.filter.may_have(key) {
                keys.push(key);
            }
        });
        for bucket in keys.iter().filter_map(|key| self.buckets.get(key)) {
            for rule in self.rules_in(&bucket.first) {
                match judge(*rule, subject) {
                    Verdict::Match(target) => found.matches.push((*rule, target)),
                    Verdict::Near(attribute, reason) => found.near.push((*rule, attribute, reason)),
                    Verdict::Far => {}
                }
            }
            let second = self.rules_in(&bucket.second);
            found.cut |= second.len() > MAX_NEAR_MISS_SEARCH;
            for rule in second.iter().take(MAX_NEAR_MISS_SEARCH) {
                if found.has(*rule) {
                    continue;
                }
                if let Verdict::Near(attribute, reason) = judge(*rule, subject) {
                    found.near.push((*rule, attribute, reason));
                }
            }
        }
        found.matches.sort_unstable();
        found.matches.dedup();
        found.near.sort_unstable();
        found.near.dedup();
        found
    }

    fn rules_in<'i>(&'i self, span: &'i Span) -> &'i [u32] {
        match span {
            Span::None => &[],
            Span::One(rule) => rule,
            Span::Many(start, end) => &self.rules[*start as usize..*end as usize],
        }
    }
}

/// The two options that fewest rules share, of different attributes. A rule always has the option of its name.
fn choose(
    mut options: Vec<KeyOption>,
    shared: &FxHashMap<u64, u32>,
) -> (KeyOption, Option<KeyOption>) {
    let crowd = |option: &KeyOption| {
        let count = |key: &Key| shared.get(&key.number).copied().unwrap_or(0);
        option.keys.iter().map(count).max().unwrap_or(0)
    };
    options.sort_by_key(crowd);
    let mut options = options.into_iter();
    (options.next().unwrap_or_default(), options.next())
}

/// A set has at most a million rules, and each a bounded number of keys.
fn position(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
