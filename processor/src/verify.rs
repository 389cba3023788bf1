//! Proof that the tables are what the log says: fold again elsewhere and compare; or replace the tables by a new fold.
//!
//! Both are for a server that is not running. Neither must change the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::row::{RowConverter, SortField};
use epm_event_log::{EventLog, Offset, PartitionId};
use epm_tables::schema::USAGE_TABLE;
use epm_tables::write::TableWriter;
use url::Url;

use crate::chain::{Chain, ChainFigures};
use crate::config::Config;
use crate::error::ProcessorError;
use crate::fold::usage::UsageSum;
use crate::store::{Positions, Store};
use crate::transaction::State;

/// How one table compares with a new fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableComparison {
    /// Name of the table.
    pub table: &'static str,
    /// Rows of the new fold.
    pub folded: u64,
    /// Rows of the table.
    pub held: u64,
    /// Rows that only one of them has.
    pub differing: u64,
    /// First column of some of those.
    pub examples: Vec<String>,
}

/// What `epm verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Entries that were folded.
    pub entries: u64,
    /// The agents' hash chains.
    pub chain: ChainFigures,
    /// Each table; those that the log can no longer tell about are left out.
    pub tables: Vec<TableComparison>,
    /// True where retention trimmed the log: then rows of `elevations` that are older than it are not compared, and
    /// `usage` is compared with `elevations`.
    pub is_trimmed: bool,
}

impl Verification {
    /// True where nothing differs and no chain is broken.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.chain.broken == 0 && self.tables.iter().all(|table| table.differing == 0)
    }
}

/// What `epm rebuild` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries that were folded.
    pub entries: u64,
    /// Rows of each table now.
    pub rows: Vec<(&'static str, u64)>,
    /// True where only `usage` was made again, from `elevations`, because the tables hold what the log no longer does.
    pub kept_history: bool,
    /// True where retention trimmed the log. Tables that were made again then begin where it does.
    pub is_trimmed: bool,
}

/// Brings the tables up to the log's end, folds the log again in a folder beside them, and compares.
///
/// # Errors
///
/// Where the log or a table cannot be read, or the tables are not local.
pub async fn verify(config: Config, log: &dyn EventLog) -> Result<Verification, ProcessorError> {
    let held = folded(&config, log, &mut Chain::default()).await?.0;
    let folder = beside(&config.tables, "verify")?;
    let scratch = Config {
        tables: url_of(&folder.0)?,
        ..config
    };
    let mut chain = Chain::default();
    let (again, entries) = folded(&scratch, log, &mut chain).await?;
    let is_trimmed = is_trimmed(log).await?;
    let (ours, theirs) = (&again.store, &held.store);
    let mut tables = vec![
        compare(
            &ours.elevations.writer,
            &theirs.elevations.writer,
            is_trimmed,
        )
        .await?,
        compare(
            &ours.dead_letters.writer,
            &theirs.dead_letters.writer,
            is_trimmed,
        )
        .await?,
    ];
    if is_trimmed {
        tables.push(recounted(&held).await?);
    } else {
        tables.push(compare(&ours.usage.writer, &theirs.usage.writer, false).await?);
        tables.push(compare(&ours.devices.writer, &theirs.devices.writer, false).await?);
    }
    Ok(Verification {
        entries,
        chain: chain.figures(),
        tables,
        is_trimmed,
    })
}

/// Replaces the tables by a new fold of the log.
///
/// # Errors
///
/// Where the log cannot be read, a table cannot be written, or the tables are not local.
pub async fn rebuild(config: Config, log: &dyn EventLog) -> Result<Rebuilt, ProcessorError> {
    let is_trimmed = is_trimmed(log).await?;
    if is_trimmed && let Some(store) = count_again(&config, log).await? {
        return Ok(Rebuilt {
            entries: 0,
            rows: rows(&store),
            kept_history: true,
            is_trimmed,
        });
    }
    let folder = beside(&config.tables, "rebuild")?;
    let fresh = Config {
        tables: url_of(&folder.0)?,
        ..config.clone()
    };
    let (state, entries) = folded(&fresh, log, &mut Chain::default()).await?;
    let rows = rows(&state.store);
    drop(state);
    let tables = path_of(&config.tables)?;
    let replaced = sibling(&tables, "replaced");
    remove(&replaced)?;
    if tables.exists() {
        std::fs::rename(&tables, &replaced)?;
    }
    // A crash here leaves no tables; the next start folds the log into new ones, as this did.
    std::fs::rename(&folder.0, &tables)?;
    remove(&replaced)?;
    Ok(Rebuilt {
        entries,
        rows,
        kept_history: false,
        is_trimmed,
    })
}

/// Makes `usage` again from `elevations`, where that table holds what a trimmed log no longer does; `None` where it holds
/// nothing, so that a new fold takes nothing away.
async fn count_again(config: &Config, log: &dyn EventLog) -> Result<Option<Store>, ProcessorError> {
    let mut store = Store::open_as_they_are(&config.tables, log.partitions()).await?;
    if store.elevations.writer.files().next().is_none() {
        return Ok(None);
    }
    let mut next = Positions::new();
    for partition in 0..log.partitions() {
        let start = log.bounds(PartitionId(partition)).await?.start.0;
        store.check_but_usage(partition, start)?;
        next.insert(partition, store.elevations.position(partition));
    }
    let days = store
        .elevations
        .writer
        .files()
        .chain(store.usage.writer.files());
    let days: BTreeSet<i32> = days.filter_map(|file| file.day).collect();
    store.commit_usage(BTreeMap::new(), &days, &next).await?;
    Ok(Some(store))
}

fn rows(store: &Store) -> Vec<(&'static str, u64)> {
    [
        &store.elevations,
        &store.usage,
        &store.devices,
        &store.dead_letters,
    ]
    .iter()
    .map(|table| {
        let rows = table.writer.files().map(|file| file.rows).sum();
        (table.writer.definition().name, rows)
    })
    .collect()
}

/// Folds what the tables of `config` have yet to apply, and the hash chains of it.
async fn folded(
    config: &Config,
    log: &dyn EventLog,
    chain: &mut Chain,
) -> Result<(State, u64), ProcessorError> {
    // Tables that begin now begin where the log does.
    let mut state = State::open(&config.tables, log).await?;
    let mut starts = Positions::new();
    for partition in 0..log.partitions() {
        let start = log.bounds(PartitionId(partition)).await?.start.0;
        if start > 0 && state.store.applied(partition) == 0 {
            starts.insert(partition, start);
        }
    }
    if !starts.is_empty() {
        state.begin_at(&starts).await?;
    }
    let mut entries = 0;
    loop {
        let intake = state.take_in(log, config.transaction_bytes).await?;
        if intake.is_empty() {
            return Ok((state, entries));
        }
        for (_, batch) in &intake.entries {
            entries += batch.len() as u64;
            batch.iter().for_each(|entry| chain.entry(entry));
        }
        state.transact(intake).await?;
    }
}

async fn is_trimmed(log: &dyn EventLog) -> Result<bool, ProcessorError> {
    for partition in 0..log.partitions() {
        if log.bounds(PartitionId(partition)).await?.start > Offset(0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Rows by their whole content, with how often each side has them.
#[derive(Default)]
struct Rows {
    seen: HashMap<(u64, u64), (i64, String)>,
}

impl Rows {
    fn add(&mut self, batch: &RecordBatch, sign: i64) -> Result<(), ProcessorError> {
        let schema = batch.schema();
        let fields = schema
            .fields()
            .iter()
            .map(|field| SortField::new(field.data_type().clone()));
        let rows = RowConverter::new(fields.collect())?.convert_columns(batch.columns())?;
        let names = batch.column(0).as_string_opt::<i32>();
        for (at, row) in rows.iter().enumerate() {
            let key = (hash(0, row.as_ref()), hash(1, row.as_ref()));
            let name = names
                .filter(|names| names.is_valid(at))
                .map_or("", |names| names.value(at));
            let held = self.seen.entry(key).or_insert_with(|| (0, name.to_owned()));
            held.0 += sign;
            if held.0 == 0 {
                self.seen.remove(&key);
            }
        }
        Ok(())
    }
}

fn hash(salt: u8, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Compares day by day, so that memory holds one day. `only_folded` ignores rows that only the table has.
async fn compare(
    folded: &TableWriter,
    held: &TableWriter,
    only_folded: bool,
) -> Result<TableComparison, ProcessorError> {
    let days: BTreeSet<Option<i32>> = folded
        .files()
        .chain(held.files())
        .map(|file| file.day)
        .collect();
    let mut comparison = TableComparison {
        table: held.definition().name,
        folded: 0,
        held: 0,
        differing: 0,
        examples: Vec::new(),
    };
    for day in days {
        let mut rows = Rows::default();
        for batch in read_day(folded, day).await? {
            comparison.folded += batch.num_rows() as u64;
            rows.add(&batch, 1)?;
        }
        for batch in read_day(held, day).await? {
            comparison.held += batch.num_rows() as u64;
            rows.add(&batch, -1)?;
        }
        for (count, name) in rows.seen.into_values() {
            if count > 0 || !only_folded {
                comparison.differing += count.unsigned_abs();
                if comparison.examples.len() < 3 {
                    comparison.examples.push(name);
                }
            }
        }
    }
    Ok(comparison)
}

/// The rows of a day; those of `usage` summed, because a key may have several rows between two rounds of upkeep.
async fn read_day(
    table: &TableWriter,
    day: Option<i32>,
) -> Result<Vec<RecordBatch>, ProcessorError> {
    let mut batches = Vec::new();
    for file in table.files_of(day) {
        batches.push(table.read_file(&file, None).await?);
    }
    if table.definition().name != USAGE_TABLE.name {
        return Ok(batches);
    }
    let mut sum = UsageSum::new()?;
    for batch in &batches {
        sum.add_usage(batch)?;
    }
    Ok(vec![sum.finish(day.unwrap_or_default())?])
}

/// Compares `usage` with the table's own `elevations`.
async fn recounted(held: &State) -> Result<TableComparison, ProcessorError> {
    let store = &held.store;
    let files = store
        .elevations
        .writer
        .files()
        .chain(store.usage.writer.files());
    let days: BTreeSet<i32> = files.filter_map(|file| file.day).collect();
    let mut comparison = TableComparison {
        table: USAGE_TABLE.name,
        folded: 0,
        held: 0,
        differing: 0,
        examples: Vec::new(),
    };
    for day in days {
        let mut rows = Rows::default();
        let counted = store.count_day(day).await?;
        comparison.folded += counted.num_rows() as u64;
        rows.add(&counted, 1)?;
        for batch in read_day(&store.usage.writer, Some(day)).await? {
            comparison.held += batch.num_rows() as u64;
            rows.add(&batch, -1)?;
        }
        comparison.differing += rows
            .seen
            .values()
            .map(|(count, _)| count.unsigned_abs())
            .sum::<u64>();
        comparison
            .examples
            .extend(rows.seen.into_values().map(|(_, name)| name).take(3));
    }
    comparison.examples.truncate(3);
    Ok(comparison)
}

/// A folder that goes when it is dropped, unless it was moved away.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a folder could not be removed");
        }
    }
}

/// A new folder beside the tables: on the same disk, so that it can take their place.
fn beside(tables: &Url, what: &str) -> Result<Folder, ProcessorError> {
    let folder = sibling(&path_of(tables)?, what);
    remove(&folder)?;
    std::fs::create_dir_all(&folder)?;
    Ok(Folder(folder))
}

fn sibling(tables: &Path, what: &str) -> PathBuf {
    let mut name = tables.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    tables.with_file_name(name)
}

fn remove(folder: &Path) -> Result<(), std::io::Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn path_of(tables: &Url) -> Result<PathBuf, ProcessorError> {
    tables
        .to_file_path()
        .map_err(|()| ProcessorError::NotLocal(tables.clone()))
}

fn url_of(folder: &Path) -> Result<Url, ProcessorError> {
    let absolute = std::path::absolute(folder)?;
    Url::from_directory_path(&absolute).map_err(|()| {
        std::io::Error::other(format!("{} is not a folder", absolute.display())).into()
    })
}
