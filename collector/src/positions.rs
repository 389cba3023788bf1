//! What is durable or finally rejected of each agent's epochs. It only holds what the log confirmed; it must not be told
//! of an append that is still under way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use epm_proto::ids::{AgentId, Epoch};

use crate::ranges::RangeSet;

/// Epochs remembered for an agent: a new one begins only when its spool is made anew.
const MAX_EPOCHS: usize = 4;

/// Positions of all agents. Bounded: agents by the caller, epochs and ranges here.
#[derive(Debug)]
pub(crate) struct Positions {
    max_agents: usize,
    agents: Mutex<HashMap<AgentId, Vec<(Epoch, RangeSet)>>>,
}

impl Positions {
    pub(crate) fn new(max_agents: usize) -> Self {
        Self {
            max_agents,
            agents: Mutex::new(HashMap::new()),
        }
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<AgentId, Vec<(Epoch, RangeSet)>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for `agent`.
    pub(crate) fn admits(&self, agent: AgentId) -> bool {
        let agents = self.agents();
        agents.len() < self.max_agents || agents.contains_key(&agent)
    }

    /// What is settled of an epoch.
    pub(crate) fn settled(&self, agent: AgentId, epoch: Epoch) -> RangeSet {
        self.agents()
            .get(&agent)
            .and_then(|epochs| epochs.iter().find(|known| known.0 == epoch))
            .map(|known| known.1.clone())
            .unwrap_or_default()
    }

    /// Adds what became settled; returns the sequence below which all is.
    pub(crate) fn settle(&self, agent: AgentId, epoch: Epoch, sequences: &RangeSet) -> u64 {
        let mut agents = self.agents();
        let known = epoch_of(agents.entry(agent).or_default(), epoch);
        known.extend(sequences);
        known.durable_before()
    }

    /// As [`Positions::settle`] for one sequence, while the log is read at the start.
    pub(crate) fn recover(&self, agent: AgentId, epoch: Epoch, sequence: u64) {
        let mut agents = self.agents();
        // The newest agents of a log that holds more than are remembered are refused, not the oldest forgotten.
        if agents.len() >= self.max_agents && !agents.contains_key(&agent) {
            return;
        }
        epoch_of(agents.entry(agent).or_default(), epoch).insert(sequence);
    }

    /// Agents remembered.
    pub(crate) fn len(&self) -> usize {
        self.agents().len()
    }
}

fn epoch_of(epochs: &mut Vec<(Epoch, RangeSet)>, epoch: Epoch) -> &mut RangeSet {
    let at = match epochs.iter().position(|known| known.0 == epoch) {
        Some(at) => at,
        None => {
            if epochs.len() >= MAX_EPOCHS {
                let oldest = epochs.iter().map(|known| known.0).min();
                epochs.retain(|known| Some(known.0) != oldest);
            }
            epochs.push((epoch, RangeSet::default()));
            epochs.len() - 1
        }
    };
    &mut epochs[at].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_too_many_epochs_is_forgotten() {
        let positions = Positions::new(10);
        let agent = AgentId([1; 16]);
        for epoch in 1..=5 {
            positions.recover(agent, Epoch(epoch), 1);
        }
        assert_eq!(positions.settled(agent, Epoch(1)), RangeSet::default());
        assert_eq!(positions.settled(agent, Epoch(2)).durable_before(), 2);
    }

    #[test]
    fn an_agent_beyond_the_bound_is_not_admitted() {
        let positions = Positions::new(1);
        positions.recover(AgentId([1; 16]), Epoch(1), 1);
        assert!(positions.admits(AgentId([1; 16])));
        assert!(!positions.admits(AgentId([2; 16])));
    }
}
