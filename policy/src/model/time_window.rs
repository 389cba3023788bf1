//! When a rule holds. Time is always passed in; it must not read a clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A moment as the device saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Seconds since 1970, UTC.
    pub unix_s: i64,
    /// What the device's clock on the wall is ahead of UTC, in minutes.
    pub utc_offset_min: i16,
}

impl Moment {
    /// Day of the week and minute of the day on the device's wall.
    #[must_use]
    pub fn local(&self) -> (Weekday, u16) {
        let minutes = self
            .unix_s
            .div_euclid(60)
            .saturating_add(i64::from(self.utc_offset_min));
        let minute = minutes.rem_euclid(MINUTES_PER_DAY);
        // 1970-01-01 was a Thursday, the fourth day from Monday.
        let day = (minutes.div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7);
        let day = Weekday::ALL[usize::try_from(day).unwrap_or(0)];
        (day, u16::try_from(minute).unwrap_or(0))
    }
}

const MINUTES_PER_DAY: i64 = 24 * 60;

/// A day of the week.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the days")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// From Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The day before.
    #[must_use]
    pub fn before(self) -> Self {
        Self::ALL[(self as usize + 6) % 7]
    }
}

/// When a rule holds. Every part that is present must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeWindow {
    /// Days on the device's wall on which the window opens. Empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// First minute of the day, from 0; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_minute: Option<u16>,
    /// The first minute of the day that no longer belongs; absent: the day's end. Not after `from_minute`: the window
    /// lasts into the next day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_minute: Option<u16>,
    /// Seconds since 1970 before which the rule does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_s: Option<i64>,
    /// Seconds since 1970 from which the rule no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<i64>,
}

impl TimeWindow {
    /// One past the last minute of a day.
    pub const DAY_END: u16 = 24 * 60;

    /// Whether the rule holds at `moment`.
    #[must_use]
    pub fn holds(&self, moment: &Moment) -> bool {
        let begun = self.not_before_s.is_none_or(|from| moment.unix_s >= from);
        let lasting = self.expires_s.is_none_or(|end| moment.unix_s < end);
        begun && lasting && self.open(moment)
    }

    fn open(&self, moment: &Moment) -> bool {
        let (day, minute) = moment.local();
        let opens_on = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        let from = self.from_minute.unwrap_or(0);
        let until = self.until_minute.unwrap_or(Self::DAY_END);
        if from < until {
            return opens_on(day) && (from..until).contains(&minute);
        }
        // Past midnight the window belongs to the day on which it opened.
        (minute >= from && opens_on(day)) || (minute < until && opens_on(day.before()))
    }
}
