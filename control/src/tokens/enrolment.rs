//! A token with which agents enrol: how many, until when, and with which tags.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret::{Token, TokenHash};
use crate::access::Tag;
use crate::aggregate::Aggregate;
use crate::event::TimeUs;
use crate::listing::Listed;

/// The longest life of a token: who rolls agents out for longer makes another one.
const MAX_LIFE_S: i64 = 366 * 24 * 60 * 60;
/// The most agents of one token. Each enrolment reads the token's whole stream, and that has an event for each agent.
const MAX_QUOTA: u32 = 10_000;

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How many different agents may enrol.
    pub quota: u32,
    /// First moment at which it no longer works.
    pub expires_at: TimeUs,
    /// Tags that an agent may ask for.
    pub tags: BTreeSet<Tag>,
}

/// A token as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrolmentToken {
    issued: Option<(TokenHash, Terms)>,
    agents: BTreeSet<Uuid>,
    revoked: bool,
}

/// A token in the list of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentRow {
    /// What it allows.
    pub terms: Terms,
    /// How many different agents have enrolled with it.
    pub enrolled: u32,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What can be wanted of a token.
#[derive(Clone, Debug)]
pub enum EnrolmentCommand {
    /// Somebody makes one.
    Issue {
        /// Of the token that is shown.
        hash: TokenHash,
        /// What it allows.
        terms: Terms,
    },
    /// An agent presents it.
    Enrol {
        /// As it was presented.
        token: Token,
        /// Who.
        agent: Uuid,
        /// Tags that the agent wants to carry.
        tags: BTreeSet<Tag>,
    },
    /// It must not work any more. Agents that are enrolled stay.
    Revoke,
}

/// What happened to a token. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum EnrolmentEvent {
    /// It was made.
    Issued {
        /// Its hash.
        hash: TokenHash,
        /// What it allows.
        terms: Terms,
    },
    /// An agent enrolled with it.
    AgentEnrolled {
        /// Who.
        agent: Uuid,
        /// Tags that the agent carries.
        tags: BTreeSet<Tag>,
    },
    /// The last agent that it allowed has enrolled.
    UsedUp {},
    /// It was taken back.
    Revoked {},
}

/// Why a token does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentRefusal {
    /// There is no such token, or its secret is another one; which of them is not told.
    #[error("the token is not valid")]
    NotValid,
    /// It was taken back.
    #[error("the token was revoked: ask for another one")]
    Revoked,
    /// Its time is over.
    #[error("the token has expired: ask for another one")]
    Expired,
    /// As many agents have enrolled as it allows.
    #[error("the token was for {quota} agents and is used up: ask for another one")]
    UsedUp {
        /// How many.
        quota: u32,
    },
    /// The agent wants a tag that the token does not allow.
    #[error("the token does not allow the tag {:?}", .0.0)]
    Tag(Tag),
    /// The id is taken.
    #[error("a token with this id exists")]
    Exists,
    /// Terms that cannot be.
    #[error("a token is for 1 to {quota} agents and lasts for {life_s} seconds at most")]
    Terms {
        /// The largest quota.
        quota: u32,
        /// The longest life.
        life_s: i64,
    },
}

impl EnrolmentToken {
    /// How many different agents have enrolled with it.
    #[must_use]
    pub fn enrolled(&self) -> usize {
        self.agents.len()
    }

    fn issue(
        &self,
        hash: TokenHash,
        terms: &Terms,
        at: TimeUs,
    ) -> Result<Vec<EnrolmentEvent>, EnrolmentRefusal> {
        if self.issued.is_some() {
            return Err(EnrolmentRefusal::Exists);
        }
        let lasts = terms.expires_at > at && terms.expires_at <= at.plus_s(MAX_LIFE_S);
        if !lasts || !(1..=MAX_QUOTA).contains(&terms.quota) {
            return Err(EnrolmentRefusal::Terms {
                quota: MAX_QUOTA,
                life_s: MAX_LIFE_S,
            });
        }
        Ok(vec![EnrolmentEvent::Issued {
            hash,
            terms: terms.clone(),
        }])
    }

    fn enrol(
        &self,
        token: &Token,
        agent: Uuid,
        tags: &BTreeSet<Tag>,
        at: TimeUs,
    ) -> Result<Vec<EnrolmentEvent>, EnrolmentRefusal> {
        // First, so that only who has the secret learns anything about the token.
        let (_, terms) = self
            .issued
            .as_ref()
            .filter(|(hash, _)| hash.is_of(token))
            .ok_or(EnrolmentRefusal::NotValid)?;
        if self.revoked {
            return Err(EnrolmentRefusal::Revoked);
        }
        if at >= terms.expires_at {
            return Err(EnrolmentRefusal::Expired);
        }
        if self.agents.contains(&agent) {
            // The agent did not hear the answer. Neither does it count twice, nor are its tags changed.
            return Ok(Vec::new());
        }
        let enrolled = self.agents.len() as u64 + 1;
        if enrolled > u64::from(terms.quota) {
            return Err(EnrolmentRefusal::UsedUp { quota: terms.quota });
        }
        if let Some(tag) = tags.difference(&terms.tags).next() {
            return Err(EnrolmentRefusal::Tag(tag.clone()));
        }
        let mut events = vec![EnrolmentEvent::AgentEnrolled {
            agent,
            tags: tags.clone(),
        }];
        if enrolled == u64::from(terms.quota) {
            events.push(EnrolmentEvent::UsedUp {});
        }
        Ok(events)
    }
}

impl Aggregate for EnrolmentToken {
    const KIND: &'static str = "enrolment_token";
    type Command = EnrolmentCommand;
    type Event = EnrolmentEvent;
    type Refusal = EnrolmentRefusal;

    fn decide(
        &self,
        command: &EnrolmentCommand,
        at: TimeUs,
    ) -> Result<Vec<EnrolmentEvent>, EnrolmentRefusal> {
        match command {
            EnrolmentCommand::Issue { hash, terms } => self.issue(*hash, terms, at),
            EnrolmentCommand::Enrol { token, agent, tags } => self.enrol(token, *agent, tags, at),
            EnrolmentCommand::Revoke if self.issued.is_none() => Err(EnrolmentRefusal::NotValid),
            EnrolmentCommand::Revoke if self.revoked => Ok(Vec::new()),
            EnrolmentCommand::Revoke => Ok(vec![EnrolmentEvent::Revoked {}]),
        }
    }

    fn apply(&mut self, event: &EnrolmentEvent) {
        match event {
            EnrolmentEvent::Issued { hash, terms } => self.issued = Some((*hash, terms.clone())),
            EnrolmentEvent::AgentEnrolled { agent, .. } => {
                self.agents.insert(*agent);
            }
            EnrolmentEvent::UsedUp {} => {}
            EnrolmentEvent::Revoked {} => self.revoked = true,
        }
    }
}

impl Listed for EnrolmentToken {
    type Row = EnrolmentRow;

    fn listed(before: Option<EnrolmentRow>, event: &EnrolmentEvent) -> Option<EnrolmentRow> {
        if let EnrolmentEvent::Issued { terms, .. } = event {
            return Some(EnrolmentRow {
                terms: terms.clone(),
                enrolled: 0,
                revoked: false,
            });
        }
        let mut row = before?;
        match event {
            EnrolmentEvent::AgentEnrolled { .. } => row.enrolled += 1,
            EnrolmentEvent::Revoked {} => row.revoked = true,
            EnrolmentEvent::Issued { .. } | EnrolmentEvent::UsedUp {} => {}
        }
        Some(row)
    }

    /// The one that ends first comes first. Its digits sort like the number.
    fn label(row: &EnrolmentRow) -> String {
        format!("{:020}", row.terms.expires_at.0)
    }
}
