//! From a grant to a program that runs: it can no longer change, the journal knows of it, its record is durable, and then
//! it is ordered. Whatever fails on the way, a recorded grant gets its end.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use epm_policy::{ChildBehaviour, Grant, RunAs};
use epm_proto::ids::SourceKey;
use epm_proto::v1;
use uuid::Uuid;

use super::{Conversation, Given, Refusal, observation, said};
use crate::broker::caller::Caller;
use crate::broker::ending::Ending;
use crate::broker::environment::{Identities, environment};
use crate::broker::family::Family;
use crate::broker::journal;
use crate::broker::limits::GOVERN_TIMEOUT;
use crate::broker::order::Order;
use crate::broker::program::{Held, Program, ProgramError};
use crate::broker::record::{self, Settled};
use crate::broker::seats::Seat;
use crate::broker::steps::{Step, reached};
use crate::broker::{Began, Watched};
use crate::platform::linux::accounts::account;
use crate::platform::linux::child::Identity;

/// Bits that are taken from every file that an elevated program makes: nobody but root may write it.
const LEAST_UMASK: u32 = 0o022;

impl Conversation<'_> {
    pub(super) fn start(
        &self,
        caller: &Arc<Caller>,
        settled: &Settled<'_>,
        grant: Grant,
        (program, given): (&Program, &Given),
    ) -> Result<(), Refusal> {
        // Policies that were just switched on would have it run while its record is still withheld.
        let version = &settled.verdict.policy.policy_version;
        let governed = self.broker.agent.wait_governed(version, GOVERN_TIMEOUT);
        if !self.broker.runtime.block_on(governed) {
            let words =
                "the policies have just changed and are not in force everywhere yet: try again";
            return Err(self.failed(settled, "policy_changed", words));
        }
        let uid = settled.caller.peer.uid;
        let Some(running) = self.broker.running.take(uid) else {
            let words = "too many elevated programs of yours are running: end one first";
            return Err(self.failed(settled, "too_many_running", words));
        };
        let (held, copied) = self.hold(settled, program)?;
        if settled.verdict.source == v1::DecisionSource::Approval {
            let taken = self.broker.approvals.take_use(settled.launch);
            if !taken.map_err(|error| said(&error))? {
                let words = "the approval was used in the meantime: ask your support for another";
                return Err(self.failed(settled, "approval_used", words));
            }
            reached(Step::Approved);
        }
        let order = order(settled, grant, program, &held)?;
        let key = SourceKey::from(Uuid::new_v4());
        let elevation = record::elevation(settled, v1::Outcome::Elevated, "", Some(grant));
        let start = observation(elevation, key);
        let failed = |error: std::io::Error| said(&error);
        let watch = UnixStream::pair().map_err(failed)?;
        let (path, journal) = self.broker.journal.begin(key, &start).map_err(failed)?;
        reached(Step::Journaled);
        // From here on the journal sees to it that the elevation gets an end, whatever happens.
        let recorded = self.broker.observe(vec![start]);
        reached(Step::Recorded);
        let began = match &recorded {
            Ok(()) => Began::Recorded,
            Err(_) => Began::Unknown,
        };
        let family = (grant.children != ChildBehaviour::AllowAll).then(|| {
            let (broker, caller) = (Arc::clone(self.broker), Arc::clone(caller));
            let begun = (grant, settled.terminal.to_owned());
            Family::new(broker, caller, settled.launch.clone(), begun)
        });
        let watched = Watched {
            journal: path,
            began,
            seats: [running, copied],
            family,
        };
        // Before the start, so that whoever heard of a program's end finds it watched.
        self.broker.watch(watch.0, watched);
        let started = recorded.map_err(|error| said(&error)).and_then(|()| {
            let descriptors = self.descriptors(given, &held, &journal, &watch.1);
            let ordered = self.broker.spawner.order(&order, &descriptors);
            ordered.map_err(|error| said(&error))
        });
        reached(Step::Ordered);
        if started.is_err() {
            let _ = journal::ended(&journal, Ending::NotStarted(libc::EIO), Duration::ZERO);
        }
        drop((journal, watch.1));
        started
    }

    fn failed(&self, settled: &Settled<'_>, reason: &str, words: &str) -> Refusal {
        self.refuse(settled, v1::Outcome::Failed, reason, words)
    }

    /// The program as it was judged, for good, and the memory that this takes.
    fn hold(&self, settled: &Settled<'_>, program: &Program) -> Result<(Held, Seat), Refusal> {
        let uid = settled.caller.peer.uid;
        let Some(memory) = self.broker.held.take_many(uid, program.copied_bytes()) else {
            let words = "programs of yours that run elevated and could be changed hold too much memory: end one first, \
                         or let root own the file";
            return Err(self.failed(settled, "too_much_held", words));
        };
        let judged = settled.launch.file.as_policy().sha256.map(|hash| hash.0);
        let held = program.hold(judged).map_err(|error| {
            let reason = match &error {
                ProgramError::Changed(_) => "file_changed",
                ProgramError::TooLarge(_) => "file_too_large",
                _ => "file_unreadable",
            };
            let words = crate::cli::failure::with_causes(&error);
            self.failed(settled, reason, &words)
        })?;
        Ok((held, memory))
    }

    fn descriptors<'d>(
        &'d self,
        given: &'d Given,
        held: &'d Held,
        journal: &'d File,
        watch: &'d UnixStream,
    ) -> Vec<BorrowedFd<'d>> {
        let [input, output, error] = &given.streams;
        let mut all = vec![
            self.socket.as_fd(),
            input.as_fd(),
            output.as_fd(),
            error.as_fd(),
            given.folder.as_fd(),
            held.runs.as_fd(),
            journal.as_fd(),
            watch.as_fd(),
        ];
        all.extend(given.terminal.as_ref().map(|terminal| terminal.as_fd()));
        all
    }
}

/// The account that a program runs as. Root for every grant but one: *elevate as current user* keeps the user's own
/// account, with every capability of root.
fn order(
    settled: &Settled<'_>,
    grant: Grant,
    program: &Program,
    held: &Held,
) -> Result<Order, Refusal> {
    let Settled { ask, caller, .. } = settled;
    let (identity, runs_as) = match grant.run_as {
        RunAs::CurrentUser => {
            let identity = Identity {
                uid: caller.peer.uid,
                gid: caller.peer.gid,
                groups: caller.peer.groups.clone(),
                capabilities: true,
            };
            (identity, caller.account.clone())
        }
        RunAs::VirtualAccount => {
            let root = account(0).ok().flatten();
            let root = root.ok_or_else(|| Refusal::Said("this device has no root".to_owned()))?;
            let identity = Identity {
                groups: vec![0],
                ..Identity::default()
            };
            (identity, root)
        }
    };
    let identities = Identities {
        name: &runs_as.name,
        home: &runs_as.home,
        shell: &runs_as.shell,
        by: &caller.account.name,
        by_uid: caller.peer.uid,
        by_gid: caller.peer.gid,
    };
    Ok(Order {
        arguments: arguments(&ask.arguments, program),
        environment: environment(&ask.variables, &identities),
        identity,
        inherited: caller.inherited.clone(),
        umask: ask.umask | LEAST_UMASK,
        script: held.script,
        terminal: ask.terminal,
        foreground: ask.foreground,
        confined: grant.children != ChildBehaviour::AllowAll,
    })
}

/// What the program is told. Programs that are several in one go by their name: one that was looked for in the system's
/// folders keeps it, and one that was reached by a path, through links that its user may have made, is told where it is.
fn arguments(asked: &[Vec<u8>], program: &Program) -> Vec<Vec<u8>> {
    let mut arguments = asked.to_vec();
    if let Some(name) = arguments.first_mut().filter(|name| name.contains(&b'/')) {
        *name = program.path.as_os_str().as_bytes().to_vec();
    }
    arguments
}
