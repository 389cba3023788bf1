//! The answer to a launch, as a value: what happens, which step and rule decided, and why every other rule did not. It
//! must not do anything: acting on it is the agent's part.

mod answer;
mod outcome;
mod reasons;

pub use answer::{Candidate, Decision, Loser, Monitored, NearMiss, NearMisses};
pub use outcome::{Denial, Failure, Grant, Outcome, RunAs, Unelevated, Unmanaged};
pub use reasons::{DecidingStep, DecisionSource, LossReason, MissReason, RuleAttribute, TieBreak};
