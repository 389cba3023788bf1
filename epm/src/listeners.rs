//! Binds the addresses that a role listens on. Refuses what other machines could reach: there is no TLS yet.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::failure::{ExitCode, Failure};

/// Listens on `address`, which the user gave with `flag`.
///
/// # Errors
/// When the address is not a loopback address, is in use, or cannot be bound for another reason.
pub async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::new(
            ExitCode::CannotListen,
            format!(
                "{flag} {address}: other machines could reach this address, and the connection has no TLS"
            ),
            format!(
                "Use a loopback address, for example {flag} 127.0.0.1:{}.",
                address.port()
            ),
        ));
    }
    TcpListener::bind(address).await.map_err(|error| {
        let (message, remedy) = match error.kind() {
            std::io::ErrorKind::AddrInUse => (
                format!("{flag} {address}: another program listens on this address"),
                format!("Stop that program or choose another port, for example {flag} {}:0 for any free one.", address.ip()),
            ),
            std::io::ErrorKind::PermissionDenied => (
                format!("{flag} {address}: not allowed to listen on this port"),
                format!("Choose a port from 1024 on, for example {flag} {}:8080.", address.ip()),
            ),
            _ => (format!("{flag} {address}: {error}"), format!("Choose another address with {flag}.")),
        };
        Failure::new(ExitCode::CannotListen, message, remedy)
    })
}
