//! Times of the wire to times of the tables: every microsecond count is brought into years that every reader can show.

/// 0001-01-01T00:00:00Z in microseconds since 1970.
const EARLIEST_US: i64 = -62_135_596_800_000_000;
/// 9999-12-30T21:59:59.999999Z in microseconds since 1970.
const LATEST_US: i64 = 253_402_207_199_999_999;
const DAY_US: i64 = 86_400_000_000;

/// `us`, brought into the years 1 to 9999.
pub(crate) fn time(us: i64) -> i64 {
    us.clamp(EARLIEST_US, LATEST_US)
}

/// The UTC day of `us`, in days since 1970-01-01.
pub(crate) fn day_of(us: i64) -> i32 {
    time(us).div_euclid(DAY_US) as i32
}
