//! Files that are read only as a whole: again when they have changed, and without what is known of them.

use std::io::{Seek, SeekFrom};
use std::time::Duration;

use super::{SETTLE_AFTER, Step, Strand, Way};
use crate::follow::desk::{Desk, Pass, Trouble, record};

/// Between two readings of a file that changes all the time.
const WHOLE_EVERY: Duration = Duration::from_secs(30);

impl Strand {
    /// Reads the file where it has changed and is quiet, or was not for long.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or recorded.
    pub(super) fn read_whole(&mut self, desk: &mut Desk<'_>) -> Result<Step, Trouble> {
        let state = self.tail.state()?;
        let Way::Whole(format, read) = &self.way else {
            return Ok(Step::End);
        };
        if *read == Some(state) {
            return Ok(Step::End);
        }
        let format = *format;
        if state.0 != self.size {
            self.size = state.0;
            self.grown_at = desk.now.instant;
        }
        let now = desk.now.instant;
        let is_overdue = self
            .passed_at
            .is_some_and(|passed| now.duration_since(passed) >= WHOLE_EVERY);
        if !self.is_quiet_for(SETTLE_AFTER, now) && !is_overdue {
            return Ok(Step::End);
        }
        let mut file = self.tail.file().try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let time = self.text_time(desk)?;
        self.portion.begin_pass(&self.path);
        let mut pass = Pass::new(&mut self.portion, &mut *desk);
        let outcome = format.read(&mut file, &time, &mut pass);
        pass.end()?;
        outcome?;
        if self.tail.state()? != state {
            // Written while it was read: what seemed cut is looked at again.
            self.portion.forget_untold();
        }
        record(&mut self.portion, &self.path, desk)?;
        self.passed_at = Some(now);
        self.way = Way::Whole(format, Some(state));
        self.tail.stand_at(state.0);
        self.settled = state.0;
        self.note(desk);
        Ok(Step::End)
    }
}
