//! Which format a followed file has, as soon as enough of it is there to say so. It must not read records.

use super::{SETTLE_AFTER, Strand, Way};
use crate::follow::desk::{Desk, Trouble};
use crate::follow::news::News;
use crate::import::{HEAD_BYTES, Refusal, detect};
use crate::sources::format::{Format, Reading};

impl Strand {
    /// Whether the format is known now. A person is told once that it is none.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub(super) fn recognise(&mut self, desk: &mut Desk<'_>) -> Result<bool, Trouble> {
        let (size, _) = self.tail.state()?;
        if size != self.size {
            self.size = size;
            self.grown_at = desk.now.instant;
        }
        let is_known_refused = |refused: &(usize, Refusal)| {
            refused.0 >= HEAD_BYTES || refused.0 as u64 == size && !self.tail.is_packed()
        };
        if size == 0 || self.refused.as_ref().is_some_and(is_known_refused) {
            return Ok(false);
        }
        let mut head = self.tail.beginning(HEAD_BYTES)?;
        let is_all_there =
            head.len() >= HEAD_BYTES || self.is_quiet_for(SETTLE_AFTER, desk.now.instant);
        if !is_all_there {
            // The line that is being written may look like something else as long as it is not whole.
            let lines = head.iter().rposition(|byte| *byte == b'\n');
            head.truncate(lines.map_or(0, |end| end + 1));
        }
        match detect::detect(&head) {
            Ok(format) => {
                self.recognised(format);
                desk.tell(News::Recognised {
                    path: self.path.clone(),
                    format,
                });
                Ok(true)
            }
            Err(refusal) => {
                if is_all_there && head.len() as u64 != 0 {
                    if self.refused.is_none() {
                        desk.tell(News::NotRecognised {
                            path: self.path.clone(),
                            refusal,
                        });
                    }
                    self.refused = Some((head.len(), refusal));
                }
                Ok(false)
            }
        }
    }

    /// The file has this format. The reader goes on where it reads the same one.
    pub(super) fn recognised(&mut self, format: &'static Format) {
        self.is_recognised = true;
        self.refused = None;
        match (format.reading, &self.way) {
            (Reading::Pieces(_), Way::Pieces(before, _)) if *before == format => {}
            (Reading::Pieces(new_reader), _) => self.way = Way::Pieces(format, new_reader()),
            (Reading::Whole(_), _) => self.way = Way::Whole(format, None),
        }
    }
}
