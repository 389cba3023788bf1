//! The process that starts programs. It is split off before the agent has threads, knows nothing of policies and holds
//! almost no memory, so that splitting it again for each program is quick; and what it started outlives the agent.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::authentication::{VERIFICATION, Verification, verify};
use super::monitor;
use super::order::Order;
use super::wire::{self, Inbox, ReceiveError, WireError};
use crate::platform::linux::fork::fork;
use crate::platform::linux::signals::{forget_children, reset_all};

/// The agent's way to that process.
#[derive(Debug)]
pub struct Spawner {
    socket: Mutex<UnixStream>,
    gone: AtomicBool,
}

/// Without that process an agent is of no use: a new one can only be split off at the start.
const GONE: &str = "the agent cannot start programs any more: restart it";
/// What the spawner answers: the order was taken on.
const TAKEN: u8 = 1;
/// It was not.
const FAILED: u8 = 0;

impl Spawner {
    /// Splits off the process. Before any other thread exists.
    ///
    /// # Errors
    ///
    /// Where there is another thread, or no room for a process.
    pub fn start() -> io::Result<Self> {
        let (ours, its) = UnixStream::pair()?;
        if fork()?.is_none() {
            drop(ours);
            serve(&its);
        }
        Ok(Self {
            socket: Mutex::new(ours),
            gone: AtomicBool::new(false),
        })
    }

    /// Starts what is ordered; its connection, streams and journal are then another process's.
    ///
    /// # Errors
    ///
    /// Where nothing was started.
    pub fn order(&self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.ask(&order.encode(), descriptors)
    }

    /// Why nothing can be started any more, where that is so.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        self.gone.load(Ordering::Relaxed).then_some(GONE)
    }

    /// Has somebody authenticated, who is asked through `socket`.
    ///
    /// # Errors
    ///
    /// Where no process could be made.
    pub fn verify(&self, verification: &Verification, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.ask(&verification.encode(), &[socket])
    }

    fn ask(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |_| {
            self.gone.store(true, Ordering::Relaxed);
            io::Error::other(GONE)
        };
        wire::send(&*socket, message, descriptors).map_err(gone)?;
        let answer = Inbox::default().wait(&*socket, None);
        let answer = answer.map_err(|_| gone(io::ErrorKind::BrokenPipe.into()))?;
        match answer.as_slice() {
            [TAKEN] => Ok(()),
            _ => Err(io::Error::other("no process could be made")),
        }
    }
}

/// Takes orders until the agent is gone.
fn serve(socket: &UnixStream) -> ! {
    let _ = rustix::thread::set_name(c"epm-spawner");
    // A terminal's Ctrl-C is for the agent; this process ends when the agent did.
    let _ = rustix::process::setsid();
    reset_all();
    // Programs that ended are nobody's to wait for: the kernel forgets them.
    forget_children();
    let mut inbox = Inbox::default();
    loop {
        let message = match inbox.wait(socket, None) {
            Ok(message) => message,
            Err(ReceiveError::Closed) => std::process::exit(0),
            Err(_) => std::process::exit(1),
        };
        let Ok(task) = Task::decode(&message) else {
            std::process::exit(1);
        };
        let Ok(descriptors) = inbox.descriptors(task.descriptors()) else {
            std::process::exit(1);
        };
        let answer = match split(task, descriptors) {
            Ok(()) => TAKEN,
            Err(_) => FAILED,
        };
        if wire::send(socket.as_fd(), &[answer], &[]).is_err() {
            std::process::exit(0);
        }
    }
}

/// What a new process is for.
enum Task {
    Watch(Order),
    Verify(Verification),
}

impl Task {
    fn decode(message: &[u8]) -> Result<Self, WireError> {
        match message.first() {
            Some(&VERIFICATION) => Verification::decode(message).map(Self::Verify),
            _ => Order::decode(message).map(Self::Watch),
        }
    }

    fn descriptors(&self) -> usize {
        match self {
            Self::Watch(order) => order.descriptors(),
            Self::Verify(_) => 1,
        }
    }
}

fn split(task: Task, mut descriptors: Vec<OwnedFd>) -> io::Result<()> {
    if fork()?.is_some() {
        return Ok(());
    }
    match task {
        Task::Watch(order) => monitor::watch(&order, descriptors),
        Task::Verify(verification) => {
            if let Some(socket) = descriptors.pop() {
                verify(&verification, &socket);
            }
        }
    }
    std::process::exit(0);
}
