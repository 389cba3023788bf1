//! While the program runs: what is typed goes to it, what it writes comes back, signals go on to it, a stop stops this job
//! as well, and its end is this process's end.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::terminal::Terminal;
use super::{End, complain, prompt};
use crate::broker::protocol::{FromElevate, ToElevate};
use crate::broker::wire::{self, Inbox, ignore_interrupt};
use crate::platform::linux::signals::{SignalSet, stop_job, waiting};

/// Signals that are passed on, and those that this process must see for itself.
const SIGNALS: [i32; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGWINCH,
];
/// What is moved at a time.
const CHUNK: usize = 16 * 1024;

struct Session<'a> {
    socket: &'a UnixStream,
    inbox: Inbox,
    signals: OwnedFd,
    terminal: Option<Terminal>,
    /// The other end of the program's terminal.
    other: Option<OwnedFd>,
    /// What was typed and not taken yet.
    typed: Vec<u8>,
    /// The program has the terminal, or will as soon as it asks.
    foreground: bool,
}

/// Talks to the broker until the program ends or is refused.
pub(super) fn run(
    socket: &UnixStream,
    terminal: Option<Terminal>,
    foreground: bool,
) -> Result<End, String> {
    let signals = SignalSet::of(&SIGNALS).as_descriptor();
    let mut session = Session {
        socket,
        inbox: Inbox::default(),
        signals: signals.map_err(|error| format!("signals: {error}"))?,
        terminal,
        other: None,
        typed: Vec::new(),
        foreground,
    };
    let end = session.until_the_end();
    session.drain();
    if let Some(terminal) = &mut session.terminal {
        terminal.put_back();
    }
    end
}

impl Session<'_> {
    fn until_the_end(&mut self) -> Result<End, String> {
        loop {
            let (signals, spoken, typed, written) = self.wait_for_something()?;
            if signals {
                self.hear_signals()?;
            }
            if written {
                self.show();
            }
            if typed {
                self.take_typed();
            }
            self.give_typed();
            if spoken {
                let open = self.inbox.fill(self.socket, false);
                let open = open.map_err(|error| format!("the agent: {error}"))?;
                while let Some(message) = self.inbox.next_message().map_err(|e| e.to_string())? {
                    let message = ToElevate::decode(&message).map_err(|e| e.to_string())?;
                    if let Some(end) = self.hear(message)? {
                        return Ok(end);
                    }
                }
                if !open {
                    return Err(
                        "the agent closed the connection; what ran may still run".to_owned()
                    );
                }
            }
        }
    }

    /// Whether signals came, the broker spoke, something was typed, and the program wrote.
    fn wait_for_something(&self) -> Result<(bool, bool, bool, bool), String> {
        let mut watched = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(self.socket, PollFlags::IN),
        ];
        if let Some(other) = &self.other {
            let mut flags = PollFlags::IN;
            if !self.typed.is_empty() {
                flags |= PollFlags::OUT;
            }
            watched.push(PollFd::new(other, flags));
            let terminal = self
                .terminal
                .as_ref()
                .filter(|terminal| terminal.is_transparent());
            if let Some(terminal) = terminal.filter(|_| self.typed.len() < CHUNK) {
                watched.push(PollFd::from_borrowed_fd(
                    terminal.descriptor(),
                    PollFlags::IN,
                ));
            }
        }
        let polled = ignore_interrupt(poll(&mut watched, None));
        polled.map_err(|error| format!("poll: {error}"))?;
        let ready = |at: usize, what: PollFlags| {
            watched
                .get(at)
                .is_some_and(|watched| watched.revents().intersects(what))
        };
        let some = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ok((
            ready(0, some),
            ready(1, some),
            ready(3, some),
            ready(2, some),
        ))
    }

    fn hear(&mut self, message: ToElevate) -> Result<Option<End>, String> {
        match message {
            ToElevate::Prompt { kind, text } => {
                // A person who interrupts the prompt ends this process, as at any other prompt.
                let answer = SignalSet::of(&SIGNALS)
                    .let_through(|| prompt::ask(self.terminal.as_ref(), kind, &text));
                self.tell(&FromElevate::Answer(answer))?;
            }
            ToElevate::Notice(text) => complain(&text),
            ToElevate::Refused(text) => return Err(text),
            ToElevate::Started { terminal } => self.started(terminal)?,
            ToElevate::Stopped(signal) => self.stopped(signal)?,
            ToElevate::Exited(code) => return Ok(Some(End::Code(code as u8))),
            ToElevate::Killed { signal, .. } => return Ok(Some(End::Signal(signal))),
        }
        Ok(None)
    }

    fn started(&mut self, terminal: bool) -> Result<(), String> {
        let count = usize::from(terminal);
        let mut other = self.inbox.descriptors(count).map_err(|e| e.to_string())?;
        self.other = other.pop();
        if let Some(other) = &self.other {
            let failed = |error: io::Error| format!("the program's terminal: {error}");
            rustix::io::ioctl_fionbio(other, true).map_err(|e| failed(e.into()))?;
        }
        self.take_foreground();
        Ok(())
    }

    fn take_foreground(&mut self) {
        let wanted = self.foreground && self.other.is_some();
        if let Some(terminal) = self.terminal.as_mut().filter(|_| wanted) {
            // A terminal that hung up says so by a signal.
            let _ = terminal.make_transparent();
        }
    }

    /// The program stopped: this job stops too, and both go on together.
    fn stopped(&mut self, signal: i32) -> Result<(), String> {
        let asks_for_terminal = [libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
        let ours = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        if !(asks_for_terminal && ours) {
            self.drain();
            if let Some(terminal) = &mut self.terminal {
                terminal.put_back();
            }
            stop_job(signal);
        }
        self.go_on()
    }

    fn go_on(&mut self) -> Result<(), String> {
        self.foreground = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        if let (Some(terminal), Some(other)) = (&self.terminal, &self.other) {
            terminal.pass_on_size(other);
        }
        self.take_foreground();
        self.tell(&FromElevate::Continue {
            foreground: self.foreground,
        })
    }

    fn hear_signals(&mut self) -> Result<(), String> {
        for signal in waiting(&self.signals) {
            match signal {
                libc::SIGWINCH => {
                    if let (Some(terminal), Some(other)) = (&self.terminal, &self.other) {
                        terminal.pass_on_size(other);
                    }
                }
                libc::SIGCONT => self.go_on()?,
                // From touching the terminal in the background, which this process does on purpose.
                libc::SIGTTIN | libc::SIGTTOU => {}
                other => self.tell(&FromElevate::Signal(other))?,
            }
        }
        Ok(())
    }

    fn tell(&self, message: &FromElevate) -> Result<(), String> {
        let sent = wire::send(self.socket.as_fd(), &message.encode(), &[]);
        match sent {
            // It ended just now, and its last words are still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| format!("the agent: {error}")),
        }
    }

    fn take_typed(&mut self) {
        let mut chunk = [0; CHUNK];
        let Some(terminal) = &self.terminal else {
            return;
        };
        if let Ok(count) = rustix::io::read(terminal.descriptor(), &mut chunk) {
            self.typed.extend_from_slice(&chunk[..count]);
        }
    }

    fn give_typed(&mut self) {
        let Some(other) = self.other.as_ref().filter(|_| !self.typed.is_empty()) else {
            return;
        };
        if let Ok(count) = rustix::io::write(other, &self.typed) {
            self.typed.drain(..count);
        }
    }

    /// What the program wrote, once; false where there is nothing.
    fn show(&mut self) -> bool {
        let mut chunk = [0; CHUNK];
        let (Some(other), Some(terminal)) = (&self.other, &self.terminal) else {
            return false;
        };
        match rustix::io::read(other, &mut chunk) {
            Ok(0) | Err(rustix::io::Errno::IO) => {
                // Nobody holds the program's terminal any more.
                self.other = None;
                false
            }
            Ok(count) => {
                let mut rest = &chunk[..count];
                while !rest.is_empty() {
                    match rustix::io::write(terminal.descriptor(), rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(rustix::io::Errno::INTR) => {}
                        Err(_) => return false,
                    }
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Everything that the program wrote so far.
    fn drain(&mut self) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            let Some(other) = &self.other else {
                return;
            };
            let mut watched = [PollFd::new(other, PollFlags::IN)];
            let some = matches!(poll(&mut watched, Some(&now)), Ok(1));
            if !some || !self.show() {
                return;
            }
        }
    }
}
