//! The event log in segment files on a local disk: the default, for one server.
//!
//! ```text
//! DIR/lock                        held by the process that writes
//! DIR/partitions                  how many there are, fixed when the log is made
//! DIR/p<N>/<first offset>.log     segments, preallocated
//! DIR/p<N>/durable                hint for readers in other processes: the durable end
//! DIR/positions/<consumer>        where consumers go on
//! ```

mod format;
mod opening;
mod positions;
mod recovery;
mod segments;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use self::format::MAX_PAYLOAD_BYTES;
pub use self::writer::WriterFigures;

use self::opening::{Lock, lock, open_partition, partition_count, read_partition_count};
use self::positions::Positions;
use self::segments::{Segment, Segments, list};
use self::writer::{Append, Writer, check, read_marker};
use crate::disk::{Disk, RealDisk};
use crate::entry::{AppendReceipt, Bounds, NewEntry, Offset, PartitionId, ReadBatch};
use crate::error::LogError;
use crate::{EventLog, LogFuture};

/// Appends that may wait for the writer: several groups' worth, so that the next group gathers while one syncs.
const MAX_WAITING_APPENDS: usize = 1024;
/// How often a reader in another process looks for more: a tenth of a second's promise, at no cost worth naming.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(20);

/// What to do where durable bytes do not verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Refuse to go on: the operator decides.
    #[default]
    Stop,
    /// Pass over what cannot be read, and count it.
    Skip,
}

/// How the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedConfig {
    /// Partitions of a log that is made now; an existing log keeps its own number.
    pub partitions: u32,
    /// Bytes of a segment file: what is written ahead, and the smallest unit that retention frees.
    pub segment_bytes: u64,
    /// What to do about damage.
    pub on_damage: OnDamage,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            // One file to sync for all connections; more partitions serve several processors, which a log in one
            // folder does not have.
            partitions: 1,
            segment_bytes: 64 << 20,
            on_damage: OnDamage::Stop,
        }
    }
}

/// An open log. Dropping it lets the writer finish what was handed to it.
pub struct EmbeddedLog {
    partitions: Vec<Partition>,
    positions: Arc<Positions>,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    appends: Option<mpsc::Sender<Append>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    figures: Arc<WriterFigures>,
    skipped: u64,
    /// Held for as long as this process writes.
    _lock: Option<Lock>,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog")
            .field("partitions", &self.partitions.len())
            .field("read_only", &self.appends.is_none())
            .finish_non_exhaustive()
    }
}

struct Partition {
    segments: Arc<Segments>,
    durable: watch::Receiver<u64>,
    /// In a process that only reads: what it learns from the marker.
    follow: Option<watch::Sender<u64>>,
}

impl EmbeddedLog {
    /// Opens the log in `directory` for appending and reading; makes it where it is absent.
    ///
    /// # Errors
    ///
    /// [`LogError::Locked`] while another process writes it, [`LogError::Damaged`] where durable bytes do not verify.
    pub fn open(directory: &Path, config: EmbeddedConfig) -> Result<Self, LogError> {
        Self::open_on(directory, config, Arc::new(RealDisk))
    }

    /// Opens the log on a disk of the caller's.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedLog::open`].
    pub fn open_on(
        directory: &Path,
        config: EmbeddedConfig,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, LogError> {
        std::fs::create_dir_all(directory).map_err(|cause| LogError::io(directory, cause))?;
        let lock = lock(directory)?;
        let count = partition_count(directory, config.partitions, &*disk)?;
        let mut partitions = Vec::new();
        let mut actives = Vec::new();
        let mut skipped = 0;
        for number in 0..count {
            let (partition, active, lost) =
                open_partition(directory, PartitionId(number), &config, &disk)?;
            skipped += lost;
            partitions.push(partition);
            actives.push(active);
        }
        let figures = Arc::new(WriterFigures::default());
        let writer = Writer {
            disk: Arc::clone(&disk),
            partitions: actives,
            segment_bytes: config.segment_bytes,
            stopped: None,
            metrics: Arc::clone(&figures),
        };
        let (appends, waiting) = mpsc::channel(MAX_WAITING_APPENDS);
        let thread = std::thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(|cause| LogError::io(directory, cause))?;
        Ok(Self {
            partitions,
            positions: Arc::new(Positions::open(directory, Arc::clone(&disk))?),
            disk,
            segment_bytes: config.segment_bytes,
            appends: Some(appends),
            writer: Mutex::new(Some(thread)),
            figures,
            skipped,
            _lock: Some(lock),
        })
    }

    /// Opens the log for reading, in another process than the one that writes it. Follows the tail.
    ///
    /// # Errors
    ///
    /// Where there is no log.
    pub fn open_read_only(directory: &Path) -> Result<Self, LogError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let path = directory.join("partitions");
        let count = read_partition_count(&path)?.ok_or_else(|| LogError::Format {
            path,
            reason: "there is no log here yet: start the collector first".to_owned(),
        })?;
        let mut partitions = Vec::new();
        for number in 0..count {
            let segments = Arc::new(Segments {
                partition: PartitionId(number),
                directory: directory.join(format!("p{number}")),
                list: RwLock::new(Vec::new()),
                skip_damage: false,
            });
            let (follow, durable) = watch::channel(0);
            let partition = Partition {
                segments,
                durable,
                follow: Some(follow),
            };
            partition.refresh()?;
            partitions.push(partition);
        }
        Ok(Self {
            partitions,
            positions: Arc::new(Positions::open(directory, Arc::clone(&disk))?),
            disk,
            segment_bytes: 0,
            appends: None,
            writer: Mutex::new(None),
            figures: Arc::new(WriterFigures::default()),
            skipped: 0,
            _lock: None,
        })
    }

    /// What the writer did since the log was opened.
    #[must_use]
    pub fn figures(&self) -> Arc<WriterFigures> {
        Arc::clone(&self.figures)
    }

    /// Entries passed over at opening because the operator allowed it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes of all segment files.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        let segments = self
            .partitions
            .iter()
            .flat_map(|partition| partition.segments.snapshot());
        segments
            .filter_map(|segment| segment.file().metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    fn partition(&self, partition: PartitionId) -> Result<&Partition, LogError> {
        self.partitions
            .get(partition.0 as usize)
            .ok_or(LogError::NoPartition(partition))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.appends = None;
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A writer that panicked has answered nobody; there is nothing left to save.
        let _ = thread.map(std::thread::JoinHandle::join);
    }
}

impl Partition {
    /// Learns what another process made durable.
    fn refresh(&self) -> Result<(), LogError> {
        let Some(follow) = &self.follow else {
            return Ok(());
        };
        let directory = &self.segments.directory;
        // The marker first: every segment below it is there when the folder is listed afterwards.
        let end = read_marker(directory).unwrap_or_default();
        let bases = list(directory)?;
        let mut held = self
            .segments
            .list
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        held.retain(|segment| bases.contains(&segment.base));
        let newest = held.last().map(|segment| segment.base);
        for base in bases.into_iter().filter(|base| Some(*base) > newest) {
            held.push(Arc::new(Segment::open(
                directory,
                self.segments.partition,
                base,
            )?));
        }
        drop(held);
        follow.send_if_modified(|known| {
            let moved = *known < end.0;
            *known = (*known).max(end.0);
            moved
        });
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        let end = Offset(*self.durable.borrow());
        Bounds {
            start: self.segments.start().min(end),
            end,
        }
    }
}

impl EventLog for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.partitions.len() as u32
    }

    fn append(
        &self,
        partition: PartitionId,
        entries: Vec<NewEntry>,
    ) -> LogFuture<'_, AppendReceipt> {
        Box::pin(async move {
            self.partition(partition)?;
            let appends = self.appends.as_ref().ok_or(LogError::ReadOnly)?;
            check(&entries, self.segment_bytes)?;
            let (answer, answered) = oneshot::channel();
            let append = Append {
                partition,
                entries,
                answer,
            };
            appends.send(append).await.map_err(|_| LogError::Closed)?;
            answered.await.map_err(|_| LogError::Closed)?
        })
    }

    fn read(
        &self,
        partition: PartitionId,
        from: Offset,
        max_bytes: usize,
    ) -> LogFuture<'_, ReadBatch> {
        Box::pin(async move {
            let partition = self.partition(partition)?;
            if partition.follow.is_some() && from.0 >= *partition.durable.borrow() {
                partition.refresh()?;
            }
            let end = Offset(*partition.durable.borrow());
            let segments = Arc::clone(&partition.segments);
            blocking(move || segments.read(from, end, max_bytes)).await
        })
    }

    fn wait_beyond(&self, partition: PartitionId, offset: Offset) -> LogFuture<'_, ()> {
        Box::pin(async move {
            let partition = self.partition(partition)?;
            let mut durable = partition.durable.clone();
            if partition.follow.is_none() {
                return match durable.wait_for(|end| *end > offset.0).await {
                    Ok(_) => Ok(()),
                    Err(_) => Err(LogError::Closed),
                };
            }
            while *durable.borrow() <= offset.0 {
                partition.refresh()?;
                if *durable.borrow() <= offset.0 {
                    tokio::time::sleep(FOLLOW_INTERVAL).await;
                }
            }
            Ok(())
        })
    }

    fn bounds(&self, partition: PartitionId) -> LogFuture<'_, Bounds> {
        Box::pin(async move {
            let partition = self.partition(partition)?;
            partition.refresh()?;
            Ok(partition.bounds())
        })
    }

    fn trim(&self, partition: PartitionId, before: Offset) -> LogFuture<'_, Bounds> {
        Box::pin(async move {
            let partition = self.partition(partition)?;
            if self.appends.is_none() {
                return Err(LogError::ReadOnly);
            }
            let end = partition.bounds().end;
            let (segments, disk) = (Arc::clone(&partition.segments), Arc::clone(&self.disk));
            blocking(move || trim(&segments, &*disk, before.min(end))).await?;
            Ok(partition.bounds())
        })
    }

    fn position(&self, consumer: &str, partition: PartitionId) -> LogFuture<'_, Option<Offset>> {
        let consumer = consumer.to_owned();
        let positions = Arc::clone(&self.positions);
        Box::pin(async move { blocking(move || positions.get(&consumer, partition)).await })
    }

    fn store_position(
        &self,
        consumer: &str,
        partition: PartitionId,
        next: Offset,
    ) -> LogFuture<'_, ()> {
        let consumer = consumer.to_owned();
        let positions = Arc::clone(&self.positions);
        Box::pin(async move { blocking(move || positions.store(&consumer, partition, next)).await })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| LogError::Closed)?
}

/// Removes the segments that lie wholly below `before`; the newest always stays.
fn trim(segments: &Segments, disk: &dyn Disk, before: Offset) -> Result<(), LogError> {
    let mut list = segments
        .list
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    while list.len() > 1 && list[1].base <= before {
        disk.remove(&list[0].path)
            .map_err(|cause| LogError::io(&list[0].path, cause))?;
        list.remove(0);
    }
    drop(list);
    disk.sync_directory(&segments.directory)
        .map_err(|cause| LogError::io(&segments.directory, cause))
}
