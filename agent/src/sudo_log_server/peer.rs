//! Who is at the other end of a connection on loopback, asked of the kernel: the user who made its socket, and which sudo
//! holds it.
//!
//! Any user of a device can connect to a port of it, and only sudo, which is root, may tell what sudo did. sudo does not
//! say which process it is, and that is what ties its run to the audit log's records of it.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const ROOT: u32 = 0;
/// The kernel answers at once; a wait means that it never will.
const PATIENCE: Duration = Duration::from_secs(1);

// sock_diag(7): one socket is asked for by its addresses.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const HEADER_BYTES: usize = 16;
const REQUEST_BYTES: usize = HEADER_BYTES + 56;
const ANY_COOKIE: [u8; 8] = [0xff; 8];
const ANY_STATE: [u8; 4] = [0xff; 4];
// `idiag_uid` and `idiag_inode` of `inet_diag_msg` behind the header.
const UID_AT: usize = HEADER_BYTES + 64;
const INODE_AT: usize = HEADER_BYTES + 68;

/// What programs are called that tell of their runs while they run. `sudo_sendlog` tells of others.
const SUDO: [&str; 2] = ["sudo", "sudoedit"];

/// The socket of a client of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    uid: u32,
    inode: u32,
}

impl Client {
    /// The client that is connected from `client` to `server`.
    ///
    /// # Errors
    ///
    /// Where the kernel does not say: the client must then not be heard.
    pub(super) fn of(client: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        ask(client, server)
    }

    /// Whether root made it.
    pub(super) fn is_root(self) -> bool {
        self.uid == ROOT
    }

    /// The process of the sudo that holds it, while that waits for our first word; `None` where none does, or where what
    /// processes hold is hidden. Looks at the newest processes first, because sudo has just begun.
    pub(super) fn sudo(self) -> Option<u64> {
        let named = fs::read_dir("/proc").ok()?.flatten();
        let mut processes: Vec<u64> = named
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .collect();
        processes.sort_unstable_by_key(|process| std::cmp::Reverse(*process));
        let socket = format!("socket:[{}]", self.inode);
        let holds_it = |process: &u64| {
            let name = fs::read_to_string(format!("/proc/{process}/comm"));
            let is_sudo = name.is_ok_and(|name| SUDO.contains(&name.trim_end()));
            let open = is_sudo.then(|| fs::read_dir(format!("/proc/{process}/fd")).ok());
            let mut open = open.flatten().into_iter().flatten().flatten();
            open.any(|held| {
                fs::read_link(held.path()).is_ok_and(|of| of.as_os_str() == socket.as_str())
            })
        };
        processes.into_iter().find(holds_it)
    }
}

fn ask(client: SocketAddr, server: SocketAddr) -> io::Result<Client> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let timeout = rustix::net::sockopt::Timeout::Recv;
    rustix::net::sockopt::set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(
        &socket,
        &request(client, server)?,
        SendFlags::empty(),
        &kernel,
    )?;
    let mut answer = [0; 1024];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    read(&answer[..length])
}

fn request(client: SocketAddr, server: SocketAddr) -> io::Result<[u8; REQUEST_BYTES]> {
    let family = match client {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let mut request = [0; REQUEST_BYTES];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        request[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&(REQUEST_BYTES as u32).to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&NLM_F_REQUEST.to_ne_bytes());
    put(&[0; 8]);
    // Family, protocol (6 is TCP), no extensions.
    put(&[
        u8::try_from(family.as_raw()).map_err(io::Error::other)?,
        6,
        0,
        0,
    ]);
    put(&ANY_STATE);
    put(&client.port().to_be_bytes());
    put(&server.port().to_be_bytes());
    put(&address(client));
    put(&address(server));
    put(&[0; 4]);
    put(&ANY_COOKIE);
    Ok(request)
}

fn address(of: SocketAddr) -> [u8; 16] {
    match of.ip() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            octets
        }
    }
}

fn read(answer: &[u8]) -> io::Result<Client> {
    let number = |at: usize| {
        answer
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
    };
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    match kind.map(u16::from_ne_bytes) {
        Some(NLMSG_ERROR) => {
            let code = number(HEADER_BYTES).map_or(0, i32::from_ne_bytes);
            Err(io::Error::from_raw_os_error(code.saturating_neg()))
        }
        Some(SOCK_DIAG_BY_FAMILY) => match (number(UID_AT), number(INODE_AT)) {
            (Some(uid), Some(inode)) => Ok(Client {
                uid: u32::from_ne_bytes(uid),
                inode: u32::from_ne_bytes(inode),
            }),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        },
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
