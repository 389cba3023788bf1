//! When an event was created, as its exporter wrote that. It must not take `Z` for more than a claim: whoever knows
//! better, such as Sysmon by its own UtcTime, is believed before.

use jiff::civil::DateTime;

use super::node::Node;
use crate::sources::TextTime;
use crate::sources::windows::time;

/// How Windows renders a time in the United States.
const RENDERED: &str = "%m/%d/%Y %I:%M:%S %p";

/// Microseconds since 1970. A number is milliseconds since then; a text without a zone is in the zone of `time`.
pub(super) fn read(stated: &Node<'_>, time: &TextTime) -> Option<i64> {
    if let Node::Unsigned(millis) = stated {
        return i64::try_from(*millis).ok()?.checked_mul(1_000);
    }
    let text = stated.text()?;
    let text = text.trim();
    if let Some(moment) = time::utc_us(text) {
        return Some(moment);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| DateTime::strptime(RENDERED, text));
    let moment = time.zone.to_timestamp(civil.ok()?).ok()?;
    Some(moment.as_microsecond())
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};

    use super::*;

    #[test]
    fn every_way_to_state_a_time_is_read() {
        let time = TextTime {
            reference_us: 0,
            zone: TimeZone::fixed(Offset::constant(-5)),
        };
        let text = |text: &'static str| read(&Node::Text(text.into()), &time);
        let moment = Some(1_615_564_094_000_000);
        assert_eq!(text("2021-03-12T15:48:14Z"), moment);
        assert_eq!(text("2021-03-12T15:48:14.0000000Z"), moment);
        assert_eq!(text("2021-03-12T16:48:14+01:00"), moment);
        assert_eq!(text("2021-03-12 10:48:14"), moment);
        assert_eq!(text("03/12/2021 10:48:14 AM"), moment);
        assert_eq!(read(&Node::Unsigned(1_615_564_094_000), &time), moment);
        assert_eq!(text("yesterday"), None);
        assert_eq!(read(&Node::Unsigned(u64::MAX), &time), None);
    }
}
