//! Asks a program of the system, for a bounded time and with a bounded answer. It must not pass anything of the caller's
//! environment on.

use std::io::{self, BufReader, Read as _, Take};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// An answer takes some ten milliseconds, a search of every repository some hundred; a database that another program
/// locks must not hold up a launch for long.
const LONGEST: Duration = Duration::from_secs(5);
/// Bytes of an answer: all packages of a large repository.
const MAX_ANSWER_BYTES: u64 = 1 << 30;

/// What a program writes.
pub(super) type Answer = BufReader<Take<ChildStdout>>;

/// What `read` makes of what `command` writes, where it ends well and in time.
pub(super) fn ask<T: Send + 'static>(
    mut command: Command,
    read: impl FnOnce(Answer) -> io::Result<T> + Send + 'static,
) -> io::Result<Option<T>> {
    command.env_clear().env("LC_ALL", "C");
    let streams = command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = streams.stdout(Stdio::piped()).spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Ok(None);
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let answer = BufReader::new(stdout.take(MAX_ANSWER_BYTES));
        // Nobody waits any more where the time is over.
        let _ = sender.send(read(answer));
    });
    let answer = receiver.recv_timeout(LONGEST);
    if answer.is_err() {
        // It may have ended in between.
        let _ = child.kill();
    }
    let ended_well = child.wait()?.success();
    match answer {
        Ok(answer) if ended_well => answer.map(Some),
        Ok(_) => Ok(None),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &str) -> Option<String> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]);
        ask(shell, io::read_to_string).expect("it ran")
    }

    #[test]
    fn an_answer_counts_where_the_program_ends_well() {
        assert_eq!(answer("echo text").as_deref(), Some("text\n"));
        assert_eq!(answer("echo text; exit 1"), None);
    }
}
