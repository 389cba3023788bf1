//! The process that stands over one program: makes its terminal and its session, starts it, tells `elevate` of stops and
//! of the end, passes signals on, and writes the end to the journal. It lives on when the agent does not.
//!
//! It must not decide anything, and `elevate` can ask nothing of it but signals.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, setpgid, waitpid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::child::Confined;
use super::ending::Ending;
use super::journal;
use super::order::Order;
use super::protocol::{FromElevate, ToElevate};
use super::wire::{self, Inbox, ignore_interrupt};
use crate::platform::linux::child::{HIGH, Start, become_program};
use crate::platform::linux::fork::fork;
use crate::platform::linux::pty::Pty;
use crate::platform::linux::seccomp::Questions;
use crate::platform::linux::signals::{SignalSet, reset_all, waiting};

/// Signals that this process reads of itself. All but the first come from a terminal that hangs up or is typed at, and
/// are meant for the program.
const OWN: [i32; 8] = [
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];
/// Signals that `elevate` may pass on: those that it can receive itself.
const PASSED_ON: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// What came with the order.
struct Things {
    elevate: OwnedFd,
    journal: File,
    // Closed when this process ends, which is how the agent learns of it.
    agent: OwnedFd,
    given: Given,
}

/// What is for the program: this process must not keep it, or a pipe would stay open that the program closed.
struct Given {
    streams: [OwnedFd; 3],
    folder: OwnedFd,
    program: OwnedFd,
    terminal: Option<OwnedFd>,
}

/// Starts what is ordered and stands over it to its end.
pub(super) fn watch(order: &Order, descriptors: Vec<OwnedFd>) {
    let Some(things) = Things::of(descriptors) else {
        return;
    };
    let Things {
        elevate,
        journal,
        agent,
        given,
    } = things;
    let _ = rustix::thread::set_name(c"epm-monitor");
    reset_all();
    let begun = Instant::now();
    let ending = match start(order, (&elevate, &agent), &journal, given) {
        Ok(running) => running.until_the_end(&elevate),
        Err(error) => Ending::NotStarted(error.raw_os_error().unwrap_or(libc::EIO)),
    };
    // First the journal: when `elevate` returns, the end is known even if the agent is not there.
    let _ = journal::ended(&journal, ending, begun.elapsed());
    let message = match ending {
        Ending::Exited(code) => ToElevate::Exited(code),
        Ending::Killed { signal, core } => ToElevate::Killed { signal, core },
        Ending::NotStarted(error) => ToElevate::Refused(format!(
            "the program was allowed and could not be started: {}",
            io::Error::from_raw_os_error(error)
        )),
    };
    let _ = wire::send_at_once(&elevate, &message.encode());
}

impl Things {
    fn of(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut each = descriptors.into_iter();
        let elevate = each.next()?;
        let streams = [each.next()?, each.next()?, each.next()?];
        let (folder, program) = (each.next()?, each.next()?);
        Some(Self {
            elevate,
            journal: File::from(each.next()?),
            agent: each.next()?,
            given: Given {
                streams,
                folder,
                program,
                terminal: each.next(),
            },
        })
    }
}

struct Running<'a> {
    program: Pid,
    terminal: Option<OwnedFd>,
    signals: OwnedFd,
    /// Asks before it starts anything.
    confined: Option<Confined<'a>>,
}

fn start<'a>(
    order: &Order,
    (elevate, agent): (&OwnedFd, &'a OwnedFd),
    journal: &File,
    given: Given,
) -> io::Result<Running<'a>> {
    let signals = SignalSet::of(&OWN).as_descriptor()?;
    rustix::process::setsid()?;
    let pty = match &given.terminal {
        Some(terminal) => {
            let pty = Pty::like(terminal, order.identity.uid)?;
            pty.take_session()?;
            Some(pty)
        }
        None => None,
    };
    // First, so that `elevate` turns to the terminal while the program starts.
    let outer: Vec<BorrowedFd<'_>> = pty.iter().map(|pty| pty.outer.as_fd()).collect();
    let started = ToElevate::Started {
        terminal: pty.is_some(),
    };
    wire::send(elevate, &started.encode(), &outer)?;
    let (errors, error) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let error = rustix::io::fcntl_dupfd_cloexec(error, HIGH)?;
    let (asked, asks) = UnixStream::pair()?;
    let asks = rustix::io::fcntl_dupfd_cloexec(asks, HIGH)?;
    journal::starting(journal)?;
    let Some(program) = fork()? else {
        let failed = run(order, &given, pty.as_ref(), &asks);
        let number = failed.raw_os_error().unwrap_or(libc::EIO);
        let _ = rustix::io::write(&error, &number.to_ne_bytes());
        std::process::exit(1);
    };
    drop((error, asks, given));
    let _ = setpgid(Some(program), Some(program));
    let confined = match order.confined {
        true => confined(program, &asked, agent),
        false => None,
    };
    if let Some(confined) = &confined {
        while !has_begun(&errors, confined)? {
            confined.serve_start()?;
        }
    }
    let mut failed = [0; 4];
    match File::from(errors).read_exact(&mut failed) {
        Err(_) => Ok(Running {
            confined,
            program,
            // `elevate` alone holds the outer end, so that its going away is a hang-up.
            terminal: pty.map(|pty| pty.inner),
            signals,
        }),
        Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(failed))),
    }
}

/// The questions of the new process; none where it failed before it was confined, which it says itself.
fn confined<'a>(program: Pid, asked: &UnixStream, agent: &'a OwnedFd) -> Option<Confined<'a>> {
    let mut inbox = Inbox::default();
    inbox.wait(asked, None).ok()?;
    let questions = inbox.descriptors(1).ok()?.pop()?;
    Some(Confined {
        program,
        questions: Questions::of(questions),
        agent,
    })
}

/// Waits for the program to have begun or failed, or to ask.
fn has_begun(errors: &OwnedFd, confined: &Confined<'_>) -> io::Result<bool> {
    let mut ready = [
        PollFd::new(errors, PollFlags::IN),
        PollFd::new(confined.questions.descriptor(), PollFlags::IN),
    ];
    while ignore_interrupt(poll(&mut ready, None))? == 0 {}
    Ok(!ready[0].revents().is_empty())
}

/// In the new process: its own group, the terminal, and then the program.
fn run(order: &Order, given: &Given, pty: Option<&Pty>, asks: &OwnedFd) -> io::Error {
    let own = rustix::process::getpid();
    let _ = setpgid(Some(own), Some(own));
    if let Some(pty) = pty.filter(|_| order.foreground) {
        // Waits for nobody: the signal for writing from the background is blocked here.
        let _ = tcsetpgrp(&pty.inner, own);
    }
    let [input, output, error] = &given.streams;
    let streams = [input, output, error].map(|stream| match pty {
        Some(pty) if stream.is_terminal() => pty.inner.as_fd(),
        _ => stream.as_fd(),
    });
    become_program(&Start {
        program: &given.program,
        script: order.script,
        streams,
        folder: &given.folder,
        arguments: &order.arguments,
        environment: &order.environment,
        identity: &order.identity,
        inherited: &order.inherited,
        umask: order.umask,
        confined: order.confined.then(|| asks.as_fd()),
    })
}

impl Running<'_> {
    fn until_the_end(mut self, elevate: &OwnedFd) -> Ending {
        let mut inbox = Inbox::default();
        let mut connected = true;
        loop {
            let (spoken, asked) = self.wait_for_something(elevate, connected);
            let _ = waiting(&self.signals);
            if let Some(ending) = self.news(elevate) {
                return ending;
            }
            let served = self
                .confined
                .as_ref()
                .filter(|_| asked)
                .map(Confined::serve);
            if let Some(Err(_)) = served {
                // Nobody is left who could ask.
                self.confined = None;
            }
            if spoken && !self.hear(elevate, &mut inbox) {
                connected = false;
                // As when a terminal goes away.
                self.pass_on(libc::SIGHUP);
                self.pass_on(libc::SIGCONT);
            }
        }
    }

    /// Whether `elevate` spoke, and whether a confined process asks.
    fn wait_for_something(&self, elevate: &OwnedFd, connected: bool) -> (bool, bool) {
        let mut ready = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if connected {
            ready.push(PollFd::new(elevate, PollFlags::IN));
        }
        if let Some(confined) = &self.confined {
            ready.push(PollFd::new(confined.questions.descriptor(), PollFlags::IN));
        }
        let _ = ignore_interrupt(poll(&mut ready, None));
        let of = |at: usize| ready.get(at).is_some_and(|one| !one.revents().is_empty());
        let asked = self.confined.is_some() && of(1 + usize::from(connected));
        (connected && of(1), asked)
    }

    /// What became of the program since it was last looked at.
    fn news(&self, elevate: &OwnedFd) -> Option<Ending> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        loop {
            let status = match waitpid(Some(self.program), options) {
                Ok(Some((_, status))) => status,
                Ok(None) => return None,
                Err(rustix::io::Errno::INTR) => continue,
                // Nobody else waits for it, so this does not happen; and then nothing can be learnt any more.
                Err(error) => return Some(Ending::NotStarted(error.raw_os_error())),
            };
            if let Some(ending) = ending(status) {
                return Some(ending);
            }
            if let Some(signal) = status.stopping_signal() {
                let stopped = ToElevate::Stopped(signal);
                let _ = wire::send_at_once(elevate, &stopped.encode());
            }
        }
    }

    /// False where `elevate` is gone, or says what it may not.
    fn hear(&self, elevate: &OwnedFd, inbox: &mut Inbox) -> bool {
        if !inbox.fill(elevate, false).unwrap_or(false) || inbox.waiting_descriptors() > 0 {
            return false;
        }
        loop {
            match inbox
                .next_message()
                .map(|message| message.map(|m| FromElevate::decode(&m)))
            {
                Ok(None) => return true,
                Ok(Some(Ok(FromElevate::Signal(signal)))) if PASSED_ON.contains(&signal) => {
                    self.pass_on(signal);
                }
                Ok(Some(Ok(FromElevate::Continue { foreground }))) => self.go_on(foreground),
                _ => return false,
            }
        }
    }

    fn go_on(&self, foreground: bool) {
        if let Some(terminal) = &self.terminal {
            // A shell that gave its terminal to a job of its own keeps it so.
            let own = rustix::process::getpid();
            let holder = tcgetpgrp(terminal).ok();
            let nobody = holder.is_none_or(|group| group == own || group == self.program);
            if nobody {
                let _ = tcsetpgrp(terminal, if foreground { self.program } else { own });
            }
        }
        self.pass_on(libc::SIGCONT);
    }

    fn pass_on(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process_group(self.program, signal);
        }
    }
}

fn ending(status: WaitStatus) -> Option<Ending> {
    if let Some(code) = status.exit_status() {
        return Some(Ending::Exited(code));
    }
    let signal = status.terminating_signal()?;
    Some(Ending::Killed {
        signal,
        // The bit that says so has no name in rustix.
        core: status.as_raw() & 0x80 != 0,
    })
}
