//! How a program ended, as it is told to `elevate` and written to the journal.

use std::time::Duration;

use super::wire::{Fields, Reader, WireError};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Killed {
        /// Number of the signal.
        signal: i32,
        /// It left a core file.
        core: bool,
    },
    /// It never began: the system's error number.
    NotStarted(i32),
}

const EXITED: u8 = 1;
const KILLED: u8 = 2;
const NOT_STARTED: u8 = 3;

impl Ending {
    /// The ending and how long the program ran, as the journal holds it.
    #[must_use]
    pub fn encode(self, ran: Duration) -> Vec<u8> {
        let (kind, number, core) = match self {
            Self::Exited(code) => (EXITED, code, false),
            Self::Killed { signal, core } => (KILLED, signal, core),
            Self::NotStarted(error) => (NOT_STARTED, error, false),
        };
        Fields::new(kind)
            .number(number as u32 as u64)
            .byte(u8::from(core))
            .number(ran.as_millis() as u64)
            .done()
    }

    /// Reads what [`Ending::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<(Self, Duration), WireError> {
        let mut fields = Reader::new(message);
        let kind = fields.byte()?;
        let number = fields.small::<u32>()? as i32;
        let core = fields.flag()?;
        let ran = Duration::from_millis(fields.number()?);
        fields.end()?;
        if core && kind != KILLED {
            return Err(WireError::Value);
        }
        let ending = match kind {
            EXITED => Self::Exited(number),
            KILLED => Self::Killed {
                signal: number,
                core,
            },
            NOT_STARTED => Self::NotStarted(number),
            _ => return Err(WireError::Value),
        };
        Ok((ending, ran))
    }
}
