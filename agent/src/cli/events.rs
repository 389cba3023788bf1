//! `events`: the records of a spool as they come, for people and as JSON. It must not write.

mod document;
mod text;

use std::time::Duration;

use clap::Args;
use epm_proto::v1;
use prost::Message as _;

use super::failure::Failure;
use super::{Place, terminal};
use crate::spool::WaitingRecord;
use crate::spool::watch::SpoolWatch;

/// Time between two looks: at once, for a person, and the writer of a full segment needs longer.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Options of `events`.
#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// Go on with records as they come, until Ctrl-C; those that lie in the spool already are left out.
    #[arg(long, env = "EPM_FOLLOW")]
    pub follow: bool,
    /// Answer as JSON, one object a record, one a line.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

pub(super) fn events(place: &Place, args: &EventsArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let mut watch = SpoolWatch::new(&state);
    let mut look = || {
        watch.look().map_err(|error| {
            let what = format!("the spool in {} cannot be read", state.display());
            Failure::because(&what, &error)
        })
    };
    let there = look()?;
    if !args.follow {
        there.iter().for_each(|record| tell(record, args.json));
        return Ok(());
    }
    if !args.json {
        terminal::note("waiting for records; Ctrl-C ends it");
    }
    loop {
        std::thread::sleep(LOOK_EVERY);
        look()?.iter().for_each(|record| tell(record, args.json));
    }
}

fn tell(waiting: &WaitingRecord, json: bool) {
    let Ok(record) = v1::Record::decode(waiting.bytes.clone()) else {
        terminal::note(format!(
            "record {} of epoch {} cannot be read",
            waiting.sequence, waiting.epoch
        ));
        return;
    };
    terminal::say(match json {
        true => document::document(&record).to_string(),
        false => text::line(&record),
    });
}
