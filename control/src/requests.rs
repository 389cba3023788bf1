//! A request for support's approval: who may decide it, and how it ends. Pure: no IO, no clock.
//!
//! States and moves are [`RequestState`]'s; each move is an event, and every state that ends a request is reached by one.
//! A request that its user takes back ends as expired while nobody decided, and as revoked once it was approved: the
//! event `withdrawn` says that it was the user.

mod command;
mod event;
mod row;
pub(crate) mod rows;

use std::collections::BTreeSet;

use epm_policy::RequestState;
use epm_policy::limits::APPROVAL_S;
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::event::TimeUs;

pub use command::{FileAsked, RequestCommand, RequestRefusal, Reviewer, Submission, Terms};
pub use event::{ExpiryReason, RequestEvent, name_of as request_state_name};
pub use row::RequestRow;

/// How long a request lives at most, whatever is decided: 30 days, as long as reviewers are shown it.
pub const REQUEST_LIFE_S: i64 = 30 * 24 * 60 * 60;
/// Reasons that people type. Longer ones are pasted documents.
const MAX_REASON_CHARS: usize = 4_096;
/// Two people are four eyes; more reviewers than this would never agree in time.
const MAX_REVIEWERS: u8 = 8;

/// A request as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElevationRequest {
    submission: Option<Submission>,
    state: Option<RequestState>,
    /// Who approved while more reviewers were needed, and the narrowest of what they granted.
    approvers: BTreeSet<Uuid>,
    terms: Option<Terms>,
    uses_left: Option<u32>,
    due: Option<TimeUs>,
}

impl ElevationRequest {
    /// Where it stands; nothing before it was submitted.
    #[must_use]
    pub fn state(&self) -> Option<RequestState> {
        self.state
    }

    /// What was asked for.
    #[must_use]
    pub fn submission(&self) -> Option<&Submission> {
        self.submission.as_ref()
    }

    /// When it expires, while it is pending or approved.
    #[must_use]
    pub fn due(&self) -> Option<TimeUs> {
        self.due
    }

    /// How many launches the approval still covers; nothing means any number.
    #[must_use]
    pub fn uses_left(&self) -> Option<u32> {
        self.uses_left
    }

    fn submit(&self, asked: &Submission, at: TimeUs) -> Result<Vec<RequestEvent>, RequestRefusal> {
        if let Some(known) = &self.submission {
            // The agent did not hear the answer and says it again.
            return if known == asked {
                Ok(Vec::new())
            } else {
                Err(RequestRefusal::OtherRequest)
            };
        }
        reason_fits(&asked.justification)?;
        if asked.justification.trim().is_empty() {
            return Err(RequestRefusal::NoJustification);
        }
        if !(1..=MAX_REVIEWERS).contains(&asked.reviewers_needed) {
            return Err(RequestRefusal::ReviewersNeeded {
                found: asked.reviewers_needed,
                limit: MAX_REVIEWERS,
            });
        }
        Ok(vec![RequestEvent::Submitted {
            submission: asked.clone(),
            expires_at: at.plus_s(REQUEST_LIFE_S),
        }])
    }

    fn approve(
        &self,
        asked: &Submission,
        reviewer: &Reviewer,
        terms: Terms,
        reason: &str,
        at: TimeUs,
    ) -> Result<Vec<RequestEvent>, RequestRefusal> {
        may_review(asked, reviewer)?;
        terms_fit(terms)?;
        if self.approvers.contains(&reviewer.principal) {
            return Err(RequestRefusal::AlreadyApproved);
        }
        let narrowest = self.terms.map_or(terms, |before| before.narrowest(terms));
        let given = RequestEvent::ReviewerApproved {
            reviewer: reviewer.principal,
            terms,
            reason: reason.to_owned(),
        };
        if self.approvers.len() + 1 < usize::from(asked.reviewers_needed) {
            return Ok(vec![given]);
        }
        // Whichever comes first: the approval's time, or the request's.
        let ends_at = at.plus_s(narrowest.duration_s);
        let ends_at = self.due.map_or(ends_at, |due| due.min(ends_at));
        Ok(vec![
            given,
            RequestEvent::Approved {
                ends_at,
                uses: narrowest.uses,
            },
        ])
    }

    fn use_once(&self) -> Vec<RequestEvent> {
        let uses_left = self.uses_left.map(|left| left.saturating_sub(1));
        let mut events = vec![RequestEvent::Used { uses_left }];
        if uses_left == Some(0) {
            events.push(RequestEvent::Completed {});
        }
        events
    }

    fn expire(&self, state: RequestState, at: TimeUs) -> Result<Vec<RequestEvent>, RequestRefusal> {
        if self.due.is_none_or(|due| at < due) {
            return Err(RequestRefusal::NotDue);
        }
        let reason = match state {
            RequestState::Pending => ExpiryReason::NobodyDecided,
            _ => ExpiryReason::ApprovalOver,
        };
        Ok(vec![RequestEvent::Expired { reason }])
    }

    fn end(&mut self, state: RequestState) {
        self.state = Some(state);
        self.due = None;
    }
}

impl Aggregate for ElevationRequest {
    const KIND: &'static str = "elevation_request";
    type Command = RequestCommand;
    type Event = RequestEvent;
    type Refusal = RequestRefusal;

    fn decide(
        &self,
        command: &RequestCommand,
        at: TimeUs,
    ) -> Result<Vec<RequestEvent>, RequestRefusal> {
        if let RequestCommand::Submit(asked) = command {
            return self.submit(asked, at);
        }
        let (Some(asked), Some(state)) = (&self.submission, self.state) else {
            return Err(RequestRefusal::Unknown);
        };
        let target = command.target(state);
        if !target.is_some_and(|target| target == state || state.may_become(target)) {
            return Err(RequestRefusal::Move { state });
        }
        // What is over is over, also before anybody has written it down.
        let over = self.due.is_some_and(|due| at >= due);
        if over && !matches!(command, RequestCommand::Expire) {
            return Err(RequestRefusal::Over);
        }
        match command {
            RequestCommand::Submit(_) => Err(RequestRefusal::OtherRequest),
            RequestCommand::Approve {
                reviewer,
                terms,
                reason,
            } => {
                reason_fits(reason)?;
                self.approve(asked, reviewer, *terms, reason, at)
            }
            RequestCommand::Deny { reviewer, reason } => {
                reason_fits(reason)?;
                may_review(asked, reviewer)?;
                Ok(vec![RequestEvent::Denied {
                    reviewer: reviewer.principal,
                    reason: reason.clone(),
                }])
            }
            RequestCommand::Revoke { reviewer, reason } => {
                reason_fits(reason)?;
                Ok(vec![RequestEvent::Revoked {
                    reviewer: *reviewer,
                    reason: reason.clone(),
                }])
            }
            RequestCommand::Withdraw { user } if *user == asked.requester => {
                Ok(vec![RequestEvent::Withdrawn {}])
            }
            RequestCommand::Withdraw { .. } => Err(RequestRefusal::NotTheRequester),
            RequestCommand::Use => Ok(self.use_once()),
            RequestCommand::Expire => self.expire(state, at),
        }
    }

    fn apply(&mut self, event: &RequestEvent) {
        match event {
            RequestEvent::Submitted {
                submission,
                expires_at,
            } => {
                self.submission = Some(submission.clone());
                self.state = Some(RequestState::Pending);
                self.due = Some(*expires_at);
            }
            RequestEvent::ReviewerApproved {
                reviewer, terms, ..
            } => {
                self.approvers.insert(*reviewer);
                self.terms = Some(self.terms.map_or(*terms, |before| before.narrowest(*terms)));
            }
            RequestEvent::Approved { ends_at, uses } => {
                self.state = Some(RequestState::Approved);
                self.due = Some(*ends_at);
                self.uses_left = *uses;
            }
            RequestEvent::Used { uses_left } => self.uses_left = *uses_left,
            RequestEvent::Denied { .. }
            | RequestEvent::Completed {}
            | RequestEvent::Revoked { .. }
            | RequestEvent::Withdrawn {}
            | RequestEvent::Expired { .. } => {
                if let Some(state) = event.leads_to(self.state) {
                    self.end(state);
                }
            }
        }
    }
}

/// Nobody decides on an own request, or on one that an own rule gave rise to.
fn may_review(asked: &Submission, reviewer: &Reviewer) -> Result<(), RequestRefusal> {
    if reviewer.users.contains(&asked.requester)
        || asked.requester_principal == Some(reviewer.principal)
    {
        return Err(RequestRefusal::OwnRequest);
    }
    if asked.rule_authors.contains(&reviewer.principal) {
        return Err(RequestRefusal::OwnRule);
    }
    Ok(())
}

fn terms_fit(terms: Terms) -> Result<(), RequestRefusal> {
    if !(1..=REQUEST_LIFE_S).contains(&terms.duration_s) || terms.uses == Some(0) {
        return Err(RequestRefusal::Terms {
            longest_s: REQUEST_LIFE_S,
        });
    }
    Ok(())
}

fn reason_fits(reason: &str) -> Result<(), RequestRefusal> {
    let found = reason.chars().count();
    if found > MAX_REASON_CHARS {
        return Err(RequestRefusal::ReasonTooLong {
            found,
            limit: MAX_REASON_CHARS,
        });
    }
    Ok(())
}

impl Default for Terms {
    /// As support grants them where nothing else is said: 24 hours, any number of launches.
    fn default() -> Self {
        Self {
            duration_s: APPROVAL_S,
            uses: None,
        }
    }
}
