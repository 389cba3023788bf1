//! `epm verify` and `epm rebuild`: the tables against the log, of a server that is not running.

use epm_processor::{Config, Verification};

use crate::cli::{StoresArgs, VerifyArgs};
use crate::control;
use crate::data_folder::{DataFolder, log_below, tables_below};
use crate::event_log::{LogPlace, open_to_examine};
use crate::failure::{ExitCode, Failure};
use crate::server::folder_url;
use crate::terminal::say;

/// Folds the log again and compares.
pub(crate) async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let VerifyArgs {
        stores: args,
        control: place,
    } = args;
    let folder = existing(&args)?;
    let is_chain_whole = match control::open_to_examine(place, folder.root()).await? {
        Some(store) => control::verify(&store).await?,
        None => true,
    };
    let place = args.log.unwrap_or_else(|| LogPlace::Folder(folder.log()));
    let log = open_to_examine(&place).await?;
    let config = Config::new(folder_url(&folder.tables())?);
    let found = epm_processor::verify(config, &*log)
        .await
        .map_err(|error| Failure::because("the tables cannot be verified", &error))?;
    print(&found);
    if !found.is_sound() {
        return Err(Failure::new(
            ExitCode::Different,
            "the tables are not what the event log says",
            "Run `epm rebuild` with the same --data to replace them, and find out who else writes to that folder.",
        ));
    }
    say("the tables are what the event log says");
    if is_chain_whole {
        return Ok(());
    }
    Err(Failure::new(
        ExitCode::Different,
        "the control store is not as it was written",
        "Find out who writes to it, and restore a backup that `epm verify` finds whole.",
    ))
}

fn print(found: &Verification) {
    say(format_args!(
        "{:<14} {:>12} {:>12} {:>10}",
        "table", "folded rows", "rows held", "differing"
    ));
    for table in &found.tables {
        say(format_args!(
            "{:<14} {:>12} {:>12} {:>10}  {}",
            table.table,
            table.folded,
            table.held,
            table.differing,
            table.examples.join(" ")
        ));
    }
    let chain = &found.chain;
    say(format_args!(
        "{} log entries; hash chains: {} links hold, {} begin after a gap, {} are broken",
        found.entries, chain.linked, chain.unlinked, chain.broken
    ));
    if found.is_trimmed {
        say(
            "retention trimmed the log: older rows were not compared, usage was compared with elevations",
        );
    }
}

/// Replaces the tables.
pub(crate) async fn rebuild(args: StoresArgs) -> Result<(), Failure> {
    let folder = existing(&args)?;
    let place = args.log.unwrap_or_else(|| LogPlace::Folder(folder.log()));
    let log = open_to_examine(&place).await?;
    let config = Config::new(folder_url(&folder.tables())?);
    let rebuilt = epm_processor::rebuild(config, &*log)
        .await
        .map_err(|error| Failure::because("the tables cannot be rebuilt", &error))?;
    for (table, rows) in &rebuilt.rows {
        say(format_args!("{table:<14} {rows:>12} rows"));
    }
    match (rebuilt.kept_history, rebuilt.is_trimmed) {
        (true, _) => say(
            "retention trimmed the log: usage was made again from elevations, the other tables were left",
        ),
        (false, true) => say(format_args!(
            "folded {} log entries; retention trimmed the log, so the tables begin where it does",
            rebuilt.entries
        )),
        (false, false) => say(format_args!("folded {} log entries", rebuilt.entries)),
    }
    Ok(())
}

/// The data folder, which must be one already: these commands make none.
fn existing(args: &StoresArgs) -> Result<DataFolder, Failure> {
    let (needed, what) = match args.log {
        None => (log_below(&args.data), "no event log"),
        Some(_) => (tables_below(&args.data), "no folder of tables"),
    };
    if needed.is_dir() {
        return DataFolder::open(&args.data);
    }
    Err(Failure::new(
        ExitCode::DataFolder,
        format!("--data {}: there is {what}", args.data.display()),
        "Name the data folder of a server.",
    ))
}
