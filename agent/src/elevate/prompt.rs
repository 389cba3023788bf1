//! Asks the person, at the terminal and nowhere else: what comes through a pipe is no answer of a person.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::terminal::Terminal;
use crate::broker::protocol::PromptKind;

/// The answer; `None` where there is nobody to ask, or the person gives up.
pub(super) fn ask(terminal: Option<&Terminal>, kind: PromptKind, text: &str) -> Option<String> {
    let terminal = terminal?.descriptor().try_clone_to_owned().ok()?;
    let before = tcgetattr(&terminal).ok()?;
    if kind == PromptKind::Secret {
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        silent.local_modes |= LocalModes::ECHONL | LocalModes::ICANON;
        tcsetattr(&terminal, OptionalActions::Flush, &silent).ok()?;
    }
    let answer = read_line(File::from(terminal.try_clone().ok()?), text);
    let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    let answer = answer?;
    match kind {
        PromptKind::Confirmation => {
            let yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
            yes.then(String::new)
        }
        PromptKind::Justification | PromptKind::Visible | PromptKind::Secret => Some(answer),
    }
}

/// One line, without its end; `None` at the end of input.
fn read_line(mut terminal: File, text: &str) -> Option<String> {
    terminal.write_all(text.as_bytes()).ok()?;
    terminal.flush().ok()?;
    let mut line = Vec::new();
    let read = BufReader::new(terminal).read_until(b'\n', &mut line).ok()?;
    if read == 0 {
        return None;
    }
    let line = String::from_utf8_lossy(&line);
    Some(line.trim_end_matches(['\n', '\r']).to_owned())
}
