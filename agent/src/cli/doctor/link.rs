//! What `doctor` asks about the way to the collector: reachable, clocks, the certificate of sudo's log server.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Check;
use crate::cli::Place;
use crate::cli::failure::with_causes;
use crate::cli::queue::stamp;
use crate::file_facts::authenticode::Certificate;
use crate::live::Live;
use crate::uplink::address::CollectorAddress;
use crate::uplink::probe::probe;

/// Clocks that differ by more put events into another minute than that in which they happened.
const OFFSET_WARNING_MS: u64 = 10_000;
/// By more, signed policies seem early or late, and reports of a day are wrong.
const OFFSET_FAILED_MS: u64 = 5 * 60_000;
/// A certificate that ends within this time should be renewed: a month is what a person needs who is on holiday.
pub(super) const CERTIFICATE_WARNING_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// Whether the collector is there.
pub(super) async fn collector(place: &Place, live: Option<&Live>) -> Check {
    const CHECK: &str = "collector";
    let url = live.map_or(&place.collector, |live| &live.setup.collector);
    if let Some(live) = live.filter(|live| live.link.connected) {
        let answered = match live.link.last_ack_us {
            Some(us) => format!("last acknowledgement {}", stamp(us)),
            None => "nothing to acknowledge yet".to_owned(),
        };
        return Check::ok(CHECK, format!("connected to {url}, {answered}"));
    }
    let address = match CollectorAddress::parse(url) {
        Ok(address) => address,
        Err(error) => {
            return Check::failed(CHECK, with_causes(&error), "Correct --collector URL.");
        }
    };
    let told = live.and_then(|live| live.link.last_error.as_deref());
    match (probe(&address).await, live, told) {
        (Err(error), ..) => Check::failed(
            CHECK,
            format!("{url} cannot be reached: {}", with_causes(&error)),
            "Start the collector (`epm serve`), or correct --collector URL.",
        ),
        (Ok(()), Some(_), Some(told)) => Check::failed(
            CHECK,
            format!("somebody listens at {url}, and the agent is not connected: {told}"),
            "See that it is a collector, and what its log says.",
        ),
        (Ok(()), Some(_), None) => Check::warning(
            CHECK,
            format!("{url} can be reached; the agent is about to connect"),
            "Ask again in a minute.",
        ),
        (Ok(()), None, _) => Check::ok(CHECK, format!("{url} can be reached")),
    }
}

/// Whether device and collector agree on the time.
pub(super) fn clock(live: Option<&Live>) -> Check {
    const CHECK: &str = "clock";
    let Some(link) = live
        .map(|live| &live.link)
        .filter(|link| link.last_hello_us.is_some())
    else {
        return Check::warning(
            CHECK,
            "not known: no collector has answered the running agent yet",
            "Make the collector reachable.",
        );
    };
    let reason = format!(
        "the collector's clock is {:+} ms from this device's",
        link.clock_offset_ms
    );
    let remedy = "Set the clock, or see why time synchronisation does not (`timedatectl status`).";
    match link.clock_offset_ms.unsigned_abs() {
        offset if offset >= OFFSET_FAILED_MS => Check::failed(CHECK, reason, remedy),
        offset if offset >= OFFSET_WARNING_MS => Check::warning(CHECK, reason, remedy),
        _ => Check::ok(CHECK, reason),
    }
}

/// How long the certificate of sudo's log server holds, where there is one.
pub(super) fn certificate(live: Option<&Live>, now_us: i64) -> Option<Check> {
    const CHECK: &str = "certificate";
    let path = live?.setup.certificate.as_ref()?;
    let remedy = format!("Renew {}, then restart the agent.", path.display());
    let ends_us = CertificateDer::from_pem_file(path)
        .map_err(|error| error.to_string())
        .and_then(|der| Certificate::read(&der).ok_or_else(|| "it is damaged".to_owned()))
        .map(|certificate| certificate.not_after_s.saturating_mul(1_000_000));
    let ends_us = match ends_us {
        Ok(ends_us) => ends_us,
        Err(error) => {
            let reason = format!("{} cannot be read: {error}", path.display());
            return Some(Check::failed(CHECK, reason, remedy));
        }
    };
    let reason = format!("{} holds until {}", path.display(), stamp(ends_us));
    Some(match ends_us - now_us {
        left if left <= 0 => Check::failed(CHECK, reason, remedy),
        left if left < CERTIFICATE_WARNING_US => Check::warning(CHECK, reason, remedy),
        _ => Check::ok(CHECK, reason),
    })
}
