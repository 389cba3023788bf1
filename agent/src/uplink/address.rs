//! Where the collector is, checked before anything is sent. Records name people, so they do not cross a network in clear.

use std::net::IpAddr;

use tonic::transport::Uri;

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address of the form `http://HOST:PORT`.
    #[error("{0:?} is not an address like http://127.0.0.1:8443")]
    Malformed(String),
    /// A scheme that this version does not speak.
    #[error(
        "{scheme}:// is not supported by this version; use http:// to a collector on this device"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// Without TLS, records would cross the network readable by anyone.
    #[error(
        "{host} is not this device, and http:// would send records there in clear; use a loopback address"
    )]
    InClear {
        /// The host.
        host: String,
    },
}

/// A collector's address that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorAddress(Uri);

impl CollectorAddress {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// Where records may not be sent there.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let uri: Uri = text.trim().parse().map_err(|_| malformed())?;
        let scheme = uri.scheme_str().ok_or_else(malformed)?;
        if scheme != "http" {
            return Err(AddressError::Scheme {
                scheme: scheme.to_owned(),
            });
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(malformed)?;
        if !is_loopback(host) {
            return Err(AddressError::InClear {
                host: host.to_owned(),
            });
        }
        Ok(Self(uri))
    }

    /// The address as the transport takes it.
    #[must_use]
    pub fn uri(&self) -> Uri {
        self.0.clone()
    }
}

impl std::fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.to_string().trim_end_matches('/'))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
