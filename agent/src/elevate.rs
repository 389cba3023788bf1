//! What a user runs: `elevate [--reason TEXT] [--] PROGRAM [ARG…]`. It asks the broker and then stands between the
//! person's terminal and the program. It has no rights of its own and decides nothing; it is small, so that it starts
//! quickly.

mod arguments;
mod prompt;
mod session;
mod terminal;

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rustix::fs::{Mode, OFlags};

use crate::broker::environment::is_kept;
use crate::broker::protocol::{Ask, FromElevate, SOCKET_VARIABLE, SYSTEM_SOCKET};
use crate::broker::wire;
use crate::platform::linux::peer::Peer;
use arguments::{Arguments, Asked};
use terminal::Terminal;

/// What sudo answers too, where nothing was run.
const REFUSED: u8 = 1;

/// How `elevate` ends.
enum End {
    /// With this code.
    Code(u8),
    /// As the program did: by this signal.
    Signal(i32),
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Asked::Run(arguments) => arguments,
        Asked::Help(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Asked::Wrong(message) => {
            complain(&message);
            return ExitCode::from(2);
        }
    };
    if rustix::process::geteuid().is_root() {
        return run_at_once(&arguments);
    }
    match ask(arguments) {
        Ok(End::Code(code)) => ExitCode::from(code),
        Ok(End::Signal(signal)) => {
            crate::platform::linux::signals::end_by(signal);
            // A signal that does not end a process.
            ExitCode::from(128u8.wrapping_add(signal as u8))
        }
        Err(message) => {
            complain(&message);
            ExitCode::from(REFUSED)
        }
    }
}

/// Root has nothing to ask for.
fn run_at_once(arguments: &Arguments) -> ExitCode {
    let error = Command::new(&arguments.command[0])
        .args(&arguments.command[1..])
        .exec();
    complain(&format!(
        "{}: {error}",
        arguments.command[0].to_string_lossy()
    ));
    ExitCode::from(REFUSED)
}

fn ask(arguments: Arguments) -> Result<End, String> {
    let path =
        std::env::var_os(SOCKET_VARIABLE).map_or_else(|| SYSTEM_SOCKET.into(), PathBuf::from);
    let socket = UnixStream::connect(&path).map_err(|error| {
        format!(
            "no agent answers at {}: {error}\n  Start it as root: epm-agent run --policy FILE",
            path.display()
        )
    })?;
    // Whoever is there will be told reasons and passwords.
    match Peer::of(&socket) {
        Ok(peer) if peer.uid == 0 => {}
        _ => {
            return Err(format!(
                "{} is not root's: nothing is told to it",
                path.display()
            ));
        }
    }
    let given = Given::open()?;
    let foreground = given.is_foreground();
    let ask = FromElevate::Ask(Ask {
        arguments: arguments
            .command
            .into_iter()
            .map(std::ffi::OsString::into_vec)
            .collect(),
        variables: variables(),
        reason: arguments.reason,
        umask: umask(),
        terminal: given.terminal.is_some(),
        foreground,
    });
    let sent = wire::send(&socket, &ask.encode(), &given.descriptors());
    sent.map_err(|error| format!("the agent closed the connection: {error}"))?;
    session::run(&socket, given.terminal, foreground)
}

/// What goes with the question.
struct Given {
    streams: [OwnedFd; 3],
    folder: OwnedFd,
    terminal: Option<Terminal>,
}

impl Given {
    fn open() -> Result<Self, String> {
        let failed = |what: &str, error: rustix::io::Errno| {
            format!("{what}: {}", std::io::Error::from(error))
        };
        let stream = |stream: BorrowedFd<'_>| {
            // A stream that is closed is as good as empty.
            rustix::io::fcntl_dupfd_cloexec(stream, 3).or_else(|_| {
                rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            })
        };
        let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let streams = [
            stream(input.as_fd()).map_err(|e| failed("standard input", e))?,
            stream(output.as_fd()).map_err(|e| failed("standard output", e))?,
            stream(error.as_fd()).map_err(|e| failed("standard error", e))?,
        ];
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(".", flags, Mode::empty());
        Ok(Self {
            streams,
            folder: folder.map_err(|e| failed("the working folder", e))?,
            terminal: Terminal::open(),
        })
    }

    /// The program gets the terminal at once only where it has it whole: in a pipeline it asks for it first.
    fn is_foreground(&self) -> bool {
        let whole = self.streams[..2].iter().all(rustix::termios::isatty);
        whole && self.terminal.as_ref().is_some_and(Terminal::is_ours)
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<_> = self.streams.iter().map(|stream| stream.as_fd()).collect();
        all.push(self.folder.as_fd());
        all.extend(self.terminal.as_ref().map(Terminal::descriptor));
        all
    }
}

fn variables() -> Vec<Vec<u8>> {
    let kept = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept));
    kept.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
        .take(crate::broker::limits::MAX_VARIABLES)
        .collect()
}

fn umask() -> u32 {
    // The only way to read it is to set it.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// To the person, not to whoever reads standard output.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "elevate: {message}");
}
