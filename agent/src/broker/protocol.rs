//! What `elevate` and the broker say to each other. Both ends are of one version: they are installed together.
//!
//! `elevate` asks; the broker prompts, refuses, or hands the connection to the process that watches the program, which
//! tells of starts, stops and the end. Nothing that `elevate` says about who asks is believed: the kernel says that.

use super::limits::{MAX_ARGUMENTS, MAX_VARIABLES};
use super::wire::{Fields, Reader, WireError};

/// Version of this protocol. Another one is refused with the remedy.
pub const VERSION: u8 = 1;
/// Where the agent of the system listens.
pub const SYSTEM_SOCKET: &str = "/run/epm-agent/elevate.sock";
/// Names another socket to `elevate`.
pub const SOCKET_VARIABLE: &str = "EPM_SOCKET";

/// A program is to run elevated. Its descriptors: standard input, output, error, the working folder, and the terminal
/// where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The program as it was named, and its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// `NAME=value`; what is not on the broker's list is dropped.
    pub variables: Vec<Vec<u8>>,
    /// The reason, where it was given beforehand.
    pub reason: Option<String>,
    /// File mode creation mask.
    pub umask: u32,
    /// A terminal came along.
    pub terminal: bool,
    /// It is in the foreground of that terminal, with nothing redirected.
    pub foreground: bool,
}

/// What `elevate` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromElevate {
    /// First.
    Ask(Ask),
    /// The answer to a prompt; none where the person gave up.
    Answer(Option<String>),
    /// A signal that the program is to get.
    Signal(i32),
    /// Go on after a stop, in the foreground of the terminal or not.
    Continue {
        /// `elevate` is in the foreground.
        foreground: bool,
    },
}

/// What a person is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    /// Yes or no.
    Confirmation,
    /// A reason.
    Justification,
    /// Text that is shown while it is typed.
    Visible,
    /// Text that is not.
    Secret,
}

/// What `elevate` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToElevate {
    /// Ask the person.
    Prompt {
        /// For what.
        kind: PromptKind,
        /// In which words.
        text: String,
    },
    /// Tell the person.
    Notice(String),
    /// It does not run. In words that say why and what to do.
    Refused(String),
    /// It runs. With the terminal's other end, where it has one.
    Started {
        /// A descriptor came along.
        terminal: bool,
    },
    /// A signal stopped it.
    Stopped(i32),
    /// It ended by itself.
    Exited(i32),
    /// A signal ended it.
    Killed {
        /// Number of the signal.
        signal: i32,
        /// It left a core file.
        core: bool,
    },
}

const ASK: u8 = 1;
const ANSWER: u8 = 2;
const SIGNAL: u8 = 3;
const CONTINUE: u8 = 4;
const PROMPT: u8 = 65;
const NOTICE: u8 = 66;
const REFUSED: u8 = 67;
const STARTED: u8 = 68;
const STOPPED: u8 = 69;
const EXITED: u8 = 70;
const KILLED: u8 = 71;

const PROMPTS: [PromptKind; 4] = [
    PromptKind::Confirmation,
    PromptKind::Justification,
    PromptKind::Visible,
    PromptKind::Secret,
];
/// Highest signal number of Linux.
const MAX_SIGNAL: i32 = 64;

impl FromElevate {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ask(ask) => Fields::new(ASK)
                .byte(VERSION)
                .list(&ask.arguments)
                .list(&ask.variables)
                .list(ask.reason.as_slice())
                .number(u64::from(ask.umask))
                .byte(u8::from(ask.terminal))
                .byte(u8::from(ask.foreground))
                .done(),
            Self::Answer(text) => Fields::new(ANSWER).list(text.as_slice()).done(),
            Self::Signal(signal) => Fields::new(SIGNAL).number(*signal as u64).done(),
            Self::Continue { foreground } => {
                Fields::new(CONTINUE).byte(u8::from(*foreground)).done()
            }
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        let decoded = match fields.byte()? {
            ASK => Self::Ask(Ask::decode(&mut fields)?),
            ANSWER => Self::Answer(optional_text(&mut fields)?),
            SIGNAL => Self::Signal(signal(&mut fields)?),
            CONTINUE => Self::Continue {
                foreground: fields.flag()?,
            },
            _ => return Err(WireError::Value),
        };
        fields.end()?;
        Ok(decoded)
    }
}

impl Ask {
    fn decode(fields: &mut Reader<'_>) -> Result<Self, WireError> {
        if fields.byte()? != VERSION {
            return Err(WireError::Value);
        }
        let ask = Self {
            arguments: fields.list(MAX_ARGUMENTS)?,
            variables: fields.list(MAX_VARIABLES)?,
            reason: optional_text(fields)?,
            umask: fields.small()?,
            terminal: fields.flag()?,
            foreground: fields.flag()?,
        };
        // A program without a name, and text that ends early for the kernel, are nothing that a person can ask for.
        let nul = |bytes: &Vec<u8>| bytes.contains(&0);
        let unnamed = ask.arguments.first().is_none_or(Vec::is_empty);
        // A mask has nine bits, so that one message has one form.
        if unnamed
            || ask.umask > 0o777
            || ask.arguments.iter().any(nul)
            || ask.variables.iter().any(nul)
        {
            return Err(WireError::Value);
        }
        Ok(ask)
    }
}

impl ToElevate {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Prompt { kind, text } => {
                let number = PROMPTS.iter().position(|known| known == kind).unwrap_or(0);
                let mut fields = Fields::new(PROMPT);
                fields.byte(number as u8).bytes(text.as_bytes()).done()
            }
            Self::Notice(text) => Fields::new(NOTICE).bytes(text.as_bytes()).done(),
            Self::Refused(text) => Fields::new(REFUSED).bytes(text.as_bytes()).done(),
            Self::Started { terminal } => Fields::new(STARTED).byte(u8::from(*terminal)).done(),
            Self::Stopped(signal) => Fields::new(STOPPED).number(*signal as u64).done(),
            Self::Exited(code) => Fields::new(EXITED).number(*code as u64).done(),
            Self::Killed { signal, core } => Fields::new(KILLED)
                .number(*signal as u64)
                .byte(u8::from(*core))
                .done(),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        let decoded = match fields.byte()? {
            PROMPT => {
                let kind = *PROMPTS
                    .get(usize::from(fields.byte()?))
                    .ok_or(WireError::Value)?;
                Self::Prompt {
                    kind,
                    text: fields.text()?.to_owned(),
                }
            }
            NOTICE => Self::Notice(fields.text()?.to_owned()),
            REFUSED => Self::Refused(fields.text()?.to_owned()),
            STARTED => Self::Started {
                terminal: fields.flag()?,
            },
            STOPPED => Self::Stopped(signal(&mut fields)?),
            EXITED => Self::Exited(i32::from(fields.small::<u8>()?)),
            KILLED => Self::Killed {
                signal: signal(&mut fields)?,
                core: fields.flag()?,
            },
            _ => return Err(WireError::Value),
        };
        fields.end()?;
        Ok(decoded)
    }
}

fn optional_text(fields: &mut Reader<'_>) -> Result<Option<String>, WireError> {
    let text = fields.list(1)?.pop();
    text.map(|bytes| String::from_utf8(bytes).map_err(|_| WireError::Value))
        .transpose()
}

fn signal(fields: &mut Reader<'_>) -> Result<i32, WireError> {
    let signal: i32 = fields.small()?;
    match (1..=MAX_SIGNAL).contains(&signal) {
        true => Ok(signal),
        false => Err(WireError::Value),
    }
}
