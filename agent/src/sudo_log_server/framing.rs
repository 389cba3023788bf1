//! Messages on a connection: four bytes of length, highest first, then the message. It must not know what one means.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::message::{ClientMessage, ServerMessage};

/// Largest message: sudo's own limit, which a server has to take.
const MAX_MESSAGE_BYTES: usize = 2 << 20;
/// Messages up to this size need no leave; one of sudo's has some kilobytes.
const SMALL_BYTES: usize = 64 << 10;
/// Bytes of large messages that all connections may hold together, in units of 1 KiB.
const LARGE_KIB: usize = 64 << 10;
/// A client that takes no answer for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What all connections share: leave to hold large messages.
pub(super) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LARGE_KIB))
}

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The connection failed, or ended inside a message.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// Its length says that it is too large.
    #[error("a message of {0} bytes is larger than 2 MiB")]
    TooLarge(usize),
    /// It is no message of the protocol.
    #[error("a message that is none of sudo's log server protocol")]
    Undecodable,
}

/// A connection as messages.
#[derive(Debug)]
pub(super) struct Frames<S> {
    stream: S,
    // The next message as far as it has come, its length in front, so that a read may be given up and taken up again.
    begun: Vec<u8>,
    budget: Arc<Semaphore>,
    leave: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    pub(super) fn new(stream: S, budget: Arc<Semaphore>) -> Self {
        Self {
            stream,
            begun: Vec::new(),
            budget,
            leave: None,
        }
    }

    /// The next message; `None` where the client has ended the connection between two. May be cancelled.
    pub(super) async fn next(&mut self) -> Result<Option<ClientMessage>, FrameError> {
        if !self.fill_to(4).await? {
            return Ok(None);
        }
        let length =
            u32::from_be_bytes([self.begun[0], self.begun[1], self.begun[2], self.begun[3]])
                as usize;
        if length > MAX_MESSAGE_BYTES {
            return Err(FrameError::TooLarge(length));
        }
        if length > SMALL_BYTES && self.leave.is_none() {
            let units = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
            let leave = Arc::clone(&self.budget).acquire_many_owned(units);
            // The semaphore is never closed.
            self.leave = leave.await.ok();
        }
        self.fill_to(4 + length).await?;
        let message = ClientMessage::decode(&self.begun[4..]);
        // A large message's memory goes back with its leave.
        match self.leave.take() {
            Some(_) => self.begun = Vec::new(),
            None => self.begun.clear(),
        }
        message.map(Some).map_err(|_| FrameError::Undecodable)
    }

    // Reads until `begun` has `length` bytes; false where the connection ends before the first.
    async fn fill_to(&mut self, length: usize) -> Result<bool, FrameError> {
        while self.begun.len() < length {
            let missing = length - self.begun.len();
            let mut part = (&mut self.stream).take(missing as u64);
            if part.read_buf(&mut self.begun).await? == 0 {
                if self.begun.is_empty() {
                    return Ok(false);
                }
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(true)
    }

    /// Sends `message`.
    pub(super) async fn send(&mut self, message: &ServerMessage) -> io::Result<()> {
        let body = message.encode_to_vec();
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &body].concat();
        let written = async {
            self.stream.write_all(&framed).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(WRITE_TIMEOUT, written).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Ends the connection from our side.
    pub(super) async fn close(&mut self) {
        let _ = tokio::time::timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
    }
}
