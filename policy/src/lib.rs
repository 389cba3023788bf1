//! Decides what happens to a launch: settings, rules, matching, precedence, and the decision as a value.
//!
//! The agent enforces with it, `explain` and what-if replay with it, and the rest of the house only writes down what it
//! says. It must not do IO, read a clock, wait, or know a stage: every fact is passed in.
//!
//! Where to read: [`precedence`] says which rule wins, in the order in which it is documented; `decide.rs` is a launch's
//! way from the first question to the outcome; [`mod@reference`] is the same again, slow and obvious; [`bundle`] is how
//! policies reach a device, signed.

mod approval;
pub mod bundle;
mod decide;
mod decision;
mod effective;
mod explanation;
pub mod file;
pub mod import;
mod index;
mod life_cycle;
pub mod limits;
pub mod lint;
mod matching;
mod model;
mod paths;
mod pattern;
pub mod precedence;
pub mod reference;
mod request;
mod set;
mod strength;
pub mod validate;

pub use approval::{Approval, RequestState};
pub use decision::{
    Candidate, DecidingStep, Decision, DecisionSource, Denial, Failure, Grant, Loser, LossReason,
    MissReason, Monitored, NearMiss, NearMisses, Outcome, RuleAttribute, RunAs, TieBreak,
    Unelevated, Unmanaged,
};
pub use effective::{ConflictingSetting, EffectiveSettings, ReportedClass};
pub use explanation::{
    ExplainedCandidate, ExplainedNearMiss, ExplainedOutcome, ExplainedRule, Explanation,
};
pub use life_cycle::{LifeCycle, LifeCycleInput};
pub use model::*;
pub use request::{
    CertificateFacts, DeviceFacts, FileFacts, PackageFacts, Request, SignatureFacts,
    SignatureStatus, Trigger, UserFacts, Variables,
};
pub use set::PolicySet;
pub use strength::Strength;
pub use validate::{Field, Place, PolicyError, Problem, Violation};
