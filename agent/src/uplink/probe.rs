//! Whether anybody listens where the collector should be. It must not say hello: a hello takes a running agent's place.

use std::time::Duration;

use tonic::transport::Endpoint;

use super::address::CollectorAddress;

/// As long as the uplink itself waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects and goes away again.
///
/// # Errors
///
/// Why nobody could be reached.
pub async fn probe(collector: &CollectorAddress) -> Result<(), tonic::transport::Error> {
    Endpoint::from(collector.uri())
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .map(drop)
}
