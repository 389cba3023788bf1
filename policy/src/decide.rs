//! A launch's way from the first question to the outcome. Which of several rules wins is in [`crate::precedence`]; whether
//! a rule knows the launch in `matching.rs`.
//!
//! 0. Not active on this device: the operating system does what it does.
//! 1. The user is a local administrator: likewise, whatever rules match. They are listed, so that the record can tell.
//! 2. The parent was elevated: *allow all* elevates without looking at a rule, deny included; *deny all* runs the child
//!    without elevation; *require rule* goes on, without a default response.
//! 3. An ordinary launch: precedence is asked as always, but only an automatic rule acts. Were the others left out before,
//!    an automatic rule would pass by the deny, or the prompt, that beats it.
//! 4. The file cannot be elevated: it fails, or, as a child, runs without elevation.
//! 5. Candidates are the rules whose every attribute matches.
//! 6. One of them denies: denied.
//! 7. One of them wins.
//! 8. It lists arguments, and another was given: denied. No other rule is tried.
//! 9. There is none: the default response where the user asked for elevated access.
//! 10. The winner's type says what happens.

mod action;
mod gate;

use crate::decision::{Candidate, Decision, Loser, LossReason, Monitored, NearMiss, NearMisses};
use crate::effective::EffectiveSettings;
use crate::index::Found;
use crate::limits::MAX_NEAR_MISSES;
use crate::matching::{Action, Subject};
use crate::precedence::{Standing, Step};
use crate::request::Request;
use crate::set::{PolicySet, RuleView};
use action::{Verdict, act};
use gate::{before_any_rule, unusable, usable};

/// Decides about one launch.
pub(crate) fn decide<'s>(set: &'s PolicySet, request: &Request<'_>) -> Decision<'s> {
    let settings = set.settings_for(request);
    let version = set.policies().version;
    let settled = |verdict: Verdict| Decision {
        outcome: verdict.outcome,
        source: verdict.source,
        step: verdict.step,
        winner: None,
        losers: Vec::new(),
        near_misses: NearMisses::default(),
        monitored: None,
        tie_break: None,
        policy_version: version,
    };
    if let Some(verdict) = before_any_rule(&settings, request) {
        return settled(verdict);
    }
    let path = match usable(request) {
        Ok(path) => path,
        Err(failure) => return settled(unusable(request, failure)),
    };
    let found = set.find(&Subject::new(request, path));
    let ranked = rank(set, &found);
    let judged = judge(&ranked, &settings, request);
    Decision {
        winner: judged.winner,
        monitored: monitored(&ranked, &judged, &settings, request),
        tie_break: judged.winner.and(judged.against).and_then(Step::tie_break),
        losers: judged.losers,
        near_misses: near_misses(set, &found),
        ..settled(judged.verdict)
    }
}

/// Question 7: candidates, strongest first.
fn rank<'s>(set: &'s PolicySet, found: &Found) -> Vec<Ranked<'s>> {
    let ranked = found.matches.iter().map(|(number, target)| {
        let RuleView {
            policy,
            rule,
            matcher,
        } = set.rule(*number);
        let standing = matcher.standing(rule, *target);
        Ranked {
            candidate: Candidate {
                policy,
                rule,
                target: *target,
                attribute_score: standing.attributes,
            },
            standing,
            action: matcher.action,
            report_only: matcher.report_only,
        }
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by(|one, other| one.standing.against(&other.standing).0);
    ranked
}

struct Ranked<'s> {
    candidate: Candidate<'s>,
    standing: Standing<'s>,
    action: Action,
    report_only: bool,
}

struct Judged<'s> {
    verdict: Verdict,
    winner: Option<Candidate<'s>>,
    losers: Vec<Loser<'s>>,
    /// The question by which the first rule that acts beat the second.
    against: Option<Step>,
}

/// Questions 1, 3 and 6 to 10, for candidates of which some only report.
fn judge<'s>(
    ranked: &[Ranked<'s>],
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Judged<'s> {
    let mut acting = ranked.iter().filter(|ranked| !ranked.report_only);
    let leader = acting.next();
    let against = leader.zip(acting.next()).map(|(leader, next)| {
        let (_, step) = leader.standing.against(&next.standing);
        step
    });
    let said = leader.map(|leader| (leader.candidate.rule, leader.action));
    let acted = act(said, against, settings, request);
    let losers = ranked.iter().filter_map(|ranked| {
        let reason = match leader {
            _ if ranked.report_only => LossReason::ReportOnly,
            Some(leader) if std::ptr::eq(leader, ranked) => acted.held_back?,
            Some(leader) => leader.standing.against(&ranked.standing).1.loss(),
            None => return None,
        };
        Some(Loser {
            candidate: ranked.candidate,
            reason,
        })
    });
    Judged {
        verdict: acted.verdict,
        winner: leader
            .filter(|_| acted.held_back.is_none())
            .map(|leader| leader.candidate),
        losers: losers.collect(),
        against,
    }
}

/// What would have come out, had every rule acted; `None` where that is the same.
fn monitored<'s>(
    ranked: &[Ranked<'s>],
    judged: &Judged<'s>,
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Option<Monitored<'s>> {
    let leader = ranked.first().filter(|leader| leader.report_only)?;
    let against = ranked
        .get(1)
        .map(|next| leader.standing.against(&next.standing).1);
    let acted = act(
        Some((leader.candidate.rule, leader.action)),
        against,
        settings,
        request,
    );
    // Neither this rule nor another would have acted.
    let nothing_new = acted.held_back.is_some() && judged.winner.is_none();
    (!nothing_new).then_some(Monitored {
        candidate: leader.candidate,
        outcome: acted.verdict.outcome,
    })
}

fn near_misses<'s>(set: &'s PolicySet, found: &Found) -> NearMisses<'s> {
    let near = found.near.iter().take(MAX_NEAR_MISSES);
    let rules = near.map(|(number, attribute, reason)| {
        let RuleView { policy, rule, .. } = set.rule(*number);
        NearMiss {
            policy,
            rule,
            attribute: *attribute,
            reason: *reason,
        }
    });
    NearMisses {
        rules: rules.collect(),
        more: found.cut || found.near.len() > MAX_NEAR_MISSES,
    }
}
