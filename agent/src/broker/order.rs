//! What the agent orders from the process that starts programs. Both are one program and trust each other; the form is
//! that of every other message.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::limits::MAX_ARGUMENTS;
use super::wire::{Fields, Reader, WireError};
use crate::platform::linux::caller::{Inherited, LIMITS};
use crate::platform::linux::child::Identity;

/// Groups of a process that Linux allows.
const MAX_GROUPS: usize = 65_536;
/// Variables of an environment: those that are kept, and those that the broker sets.
const MAX_ENVIRONMENT: usize = 128;

/// A program is to be started. Its descriptors: the connection to `elevate`, standard input, output, error, the working
/// folder, the program, the journal, the agent's end of the watch, and the terminal where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Name and arguments.
    pub arguments: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Rights.
    pub identity: Identity,
    /// What comes from whoever asked.
    pub inherited: Inherited,
    /// File mode creation mask.
    pub umask: u32,
    /// The program is a script.
    pub script: bool,
    /// A terminal came along.
    pub terminal: bool,
    /// The program begins in its foreground.
    pub foreground: bool,
    /// What it starts is asked about.
    pub confined: bool,
}

/// Descriptors without the terminal.
pub const ORDER_DESCRIPTORS: usize = 8;
const ORDER: u8 = 1;

impl Order {
    /// How many descriptors come along.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        ORDER_DESCRIPTORS + usize::from(self.terminal)
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Identity {
            uid,
            gid,
            groups,
            capabilities,
        } = &self.identity;
        let groups: Vec<_> = groups.iter().map(|group| group.to_le_bytes()).collect();
        let limit = |(soft, hard): &(u64, u64)| [soft.to_le_bytes(), hard.to_le_bytes()].concat();
        let limits: Vec<_> = self.inherited.limits.iter().map(limit).collect();
        let cgroup = self.inherited.cgroup.as_ref();
        let cgroup = cgroup.map(|path| path.as_os_str().as_bytes());
        Fields::new(ORDER)
            .list(&self.arguments)
            .list(&self.environment)
            .number(u64::from(*uid))
            .number(u64::from(*gid))
            .list(&groups)
            .byte(u8::from(*capabilities))
            .list(&limits)
            .number(self.inherited.nice as u32 as u64)
            .number(self.inherited.oom_score as u32 as u64)
            .number(u64::from(self.inherited.login_uid))
            .list(cgroup.as_slice())
            .number(u64::from(self.umask))
            .byte(u8::from(self.script))
            .byte(u8::from(self.terminal))
            .byte(u8::from(self.foreground))
            .byte(u8::from(self.confined))
            .done()
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        if fields.byte()? != ORDER {
            return Err(WireError::Value);
        }
        let order = Self {
            arguments: fields.list(MAX_ARGUMENTS)?,
            environment: fields.list(MAX_ENVIRONMENT)?,
            identity: Identity {
                uid: fields.small()?,
                gid: fields.small()?,
                groups: numbers(&mut fields)?,
                capabilities: fields.flag()?,
            },
            inherited: Inherited {
                limits: limits(&mut fields)?,
                nice: fields.small::<u32>()? as i32,
                oom_score: fields.small::<u32>()? as i32,
                login_uid: fields.small()?,
                cgroup: fields
                    .list(1)?
                    .pop()
                    .map(|path| PathBuf::from(std::ffi::OsString::from_vec(path))),
            },
            umask: fields.small()?,
            script: fields.flag()?,
            terminal: fields.flag()?,
            foreground: fields.flag()?,
            confined: fields.flag()?,
        };
        fields.end()?;
        Ok(order)
    }
}

fn numbers(fields: &mut Reader<'_>) -> Result<Vec<u32>, WireError> {
    let each = fields.list(MAX_GROUPS)?.into_iter();
    let number = |bytes: Vec<u8>| bytes.try_into().map(u32::from_le_bytes);
    each.map(|bytes| number(bytes).map_err(|_| WireError::Value))
        .collect()
}

fn limits(fields: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, WireError> {
    let each = fields.list(LIMITS)?.into_iter();
    let limit = |bytes: Vec<u8>| {
        let mut fields = Reader::new(&bytes);
        let limit = (fields.number()?, fields.number()?);
        fields.end().map(|()| limit)
    };
    each.map(limit).collect()
}
