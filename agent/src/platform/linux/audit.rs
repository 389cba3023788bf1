//! The kernel's audit records as it multicasts them to whoever may read them (CAP_AUDIT_READ). It must not touch the
//! kernel's rules, nor take the place of the audit daemon, which the kernel talks to apart from this.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// AUDIT_NLGRP_READLOG, the only group there is, as a set of groups.
const READLOG: u32 = 1;
/// What the kernel keeps for us while a batch becomes durable: ten thousand records and more. Beyond it they are lost,
/// and it says so.
const QUEUE_BYTES: usize = 8 << 20;
/// Largest message: a record has at most 8 970 bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// A socket that the kernel's audit records come to.
#[derive(Debug)]
pub struct AuditSocket(OwnedFd);

/// What one look at the socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of the kernel's with so many bytes.
    Message(usize),
    /// A message that is not the kernel's.
    Foreign,
    /// The queue was full, and at least one record is lost.
    Overrun,
    /// Nothing more for now.
    Empty,
}

impl AuditSocket {
    /// Joins those whom the kernel tells.
    ///
    /// # Errors
    ///
    /// Where this process may not read audit records, or the kernel has no audit.
    pub fn join() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(AUDIT))?;
        // Beyond the system's limit only root may go; with less more is lost, and told.
        let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE_BYTES);
        if forced.is_err() {
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, QUEUE_BYTES)?;
        }
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, READLOG))?;
        Ok(Self(socket))
    }

    /// The next message, into `buffer`, without waiting.
    ///
    /// # Errors
    ///
    /// Where the socket is of no more use.
    pub fn receive(&self, buffer: &mut [u8; MAX_MESSAGE_BYTES]) -> io::Result<Received> {
        use rustix::io::Errno;
        let received = rustix::net::recvfrom(&self.0, &mut buffer[..], RecvFlags::empty());
        let (length, _, from) = match received {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Empty),
            Err(Errno::NOBUFS) => return Ok(Received::Overrun),
            Err(error) => return Err(error.into()),
        };
        let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
        Ok(match from {
            Some(kernel) if kernel.pid() == 0 => Received::Message(length),
            _ => Received::Foreign,
        })
    }
}

impl AsFd for AuditSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl std::os::fd::AsRawFd for AuditSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}
