//! Messages over a stream socket: a length, a kind, and fields, with descriptors beside them. The decoder believes
//! nothing: every length is checked against what is there, and a message must be used up to its last byte.
//!
//! It must not know what a message means.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::limits::{MAX_DESCRIPTORS, MAX_MESSAGE_BYTES};

/// Bytes of the length in front of a message.
const LENGTH_BYTES: usize = 4;
/// What one read takes.
const READ_BYTES: usize = 16 * 1024;

/// Why a message cannot be understood. The other side is wrong: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is longer than any message is.
    #[error("the message has more than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// It ends within a field.
    #[error("the message ends too early")]
    Short,
    /// Something follows its last field.
    #[error("the message has bytes that belong to no field")]
    Long,
    /// A number stands for nothing, or a list has too many members.
    #[error("the message has a value that is not allowed")]
    Value,
    /// Other descriptors came than the message needs.
    #[error("the message came with the wrong descriptors")]
    Descriptors,
}

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The other side is wrong.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The other side took too long.
    #[error("the other side did not answer in time")]
    TimedOut,
    /// The other side went away.
    #[error("the connection was closed")]
    Closed,
    /// The socket failed.
    #[error("the connection failed")]
    Socket(#[from] io::Error),
}

/// Writes the fields of a message.
#[derive(Debug)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// A message of this kind without fields.
    #[must_use]
    pub fn new(kind: u8) -> Self {
        Self(vec![kind])
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// A number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0
            .extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// Several byte strings with their number.
    pub fn list<B: AsRef<[u8]>>(&mut self, values: &[B]) -> &mut Self {
        self.0
            .extend_from_slice(&(values.len() as u32).to_le_bytes());
        for value in values {
            self.bytes(value.as_ref());
        }
        self
    }

    /// The message.
    #[must_use]
    pub fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads the fields of a message.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// At the first field of `message`, which includes its kind.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// [`WireError::Short`].
    pub fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A flag: 0 or 1 and nothing else, so that one message has one form.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn flag(&mut self) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Value),
        }
    }

    /// A number.
    ///
    /// # Errors
    ///
    /// [`WireError::Short`].
    pub fn number(&mut self) -> Result<u64, WireError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(
            bytes.try_into().map_err(|_| WireError::Short)?,
        ))
    }

    /// A number that fits.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, WireError> {
        T::try_from(self.number()?).map_err(|_| WireError::Value)
    }

    fn length(&mut self) -> Result<usize, WireError> {
        let bytes = self.take(LENGTH_BYTES)?;
        let length = u32::from_le_bytes(bytes.try_into().map_err(|_| WireError::Short)?);
        Ok(length as usize)
    }

    /// Bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Short`].
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.length()?;
        self.take(length)
    }

    /// Text.
    ///
    /// # Errors
    ///
    /// [`WireError`]; in particular where it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Value)
    }

    /// At most `limit` byte strings. Memory grows with what is there, not with what is announced.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn list(&mut self, limit: usize) -> Result<Vec<Vec<u8>>, WireError> {
        let count = self.length()?;
        if count > limit {
            return Err(WireError::Value);
        }
        (0..count)
            .map(|_| self.bytes().map(<[u8]>::to_vec))
            .collect()
    }

    /// Nothing may follow.
    ///
    /// # Errors
    ///
    /// [`WireError::Long`].
    pub fn end(self) -> Result<(), WireError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(WireError::Long),
        }
    }
}

/// A message with its length in front, as files and sockets hold it.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = (message.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

/// Sends a message with its descriptors; waits while the other side does not read.
///
/// # Errors
///
/// Where the other side went away.
pub fn send(socket: impl AsFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = framed(message);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut sent = 0;
    while sent < bytes.len() {
        let part = [IoSlice::new(&bytes[sent..])];
        match sendmsg(&socket, &part, &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => {
                sent += count;
                control.clear();
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut ready = [PollFd::new(&socket, PollFlags::OUT)];
                ignore_interrupt(poll(&mut ready, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends a short message where the other side has room for it. Whoever does not read what it is told must not be waited
/// for.
///
/// # Errors
///
/// Where the other side went away, or has no room.
pub fn send_at_once(socket: impl AsFd, message: &[u8]) -> io::Result<()> {
    let bytes = framed(message);
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::send(&socket, &bytes, flags)? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Gathers what comes from a socket until a message is whole.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// What a file holds, as if it had come from a socket.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            descriptors: VecDeque::new(),
        }
    }

    /// The next message that is whole.
    ///
    /// # Errors
    ///
    /// Where it says that it is too long.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_MESSAGE_BYTES {
            return Err(WireError::TooLong);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = rest[..length].to_vec();
        self.bytes.drain(..LENGTH_BYTES + length);
        Ok(Some(message))
    }

    /// Exactly `count` descriptors that came so far.
    ///
    /// # Errors
    ///
    /// Where there are fewer or more.
    pub fn descriptors(&mut self, count: usize) -> Result<Vec<OwnedFd>, WireError> {
        if self.descriptors.len() != count {
            return Err(WireError::Descriptors);
        }
        Ok(self.descriptors.drain(..).collect())
    }

    /// How many descriptors came and were not taken.
    #[must_use]
    pub fn waiting_descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// Takes what is there now. False where the other side closed the connection.
    ///
    /// # Errors
    ///
    /// Where the socket fails, or more descriptors come than any message has.
    pub fn fill(&mut self, socket: impl AsFd, wait: bool) -> Result<bool, ReceiveError> {
        let mut buffer = [0; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = match wait {
            true => RecvFlags::CMSG_CLOEXEC,
            false => RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        };
        let into = &mut [IoSliceMut::new(&mut buffer)];
        let received = match recvmsg(&socket, into, &mut control, flags) {
            Ok(received) => received,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        let cut = received.flags.contains(ReturnFlags::CTRUNC);
        if cut || self.descriptors.len() > MAX_DESCRIPTORS * 2 {
            return Err(WireError::Descriptors.into());
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        Ok(received.bytes > 0)
    }

    /// The next message; waits for it until `deadline`.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`].
    pub fn wait(
        &mut self,
        socket: impl AsFd,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, ReceiveError> {
        loop {
            if let Some(message) = self.next_message()? {
                return Ok(message);
            }
            let left = match deadline.map(|end| end.checked_duration_since(Instant::now())) {
                None => None,
                Some(None) => return Err(ReceiveError::TimedOut),
                Some(Some(left)) => Timespec::try_from(left).ok(),
            };
            let mut ready = [PollFd::new(&socket, PollFlags::IN)];
            let count = ignore_interrupt(poll(&mut ready, left.as_ref()))?;
            if count > 0 && !self.fill(&socket, false)? {
                return Err(ReceiveError::Closed);
            }
        }
    }
}

/// How many are ready; a signal counts as none.
pub(crate) fn ignore_interrupt(polled: rustix::io::Result<usize>) -> io::Result<usize> {
    match polled {
        Err(rustix::io::Errno::INTR) => Ok(0),
        other => other.map_err(Into::into),
    }
}
