//! The one thread that writes: it takes what all connections want to append, writes it, syncs once, and then answers.
//!
//! Group commit is what makes durability affordable: a sync costs the same for one batch as for sixty-four. After a
//! failed write or sync nothing is known about the file, so the writer answers every later append with an error until
//! the log is opened again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use super::format::{MAX_PAYLOAD_BYTES, SEGMENT_HEADER_BYTES, encode, segment_header};
use super::segments::{Segment, Segments, segment_path};
use crate::disk::{Disk, DiskFile};
use crate::entry::{AppendReceipt, NewEntry, Offset, PartitionId};
use crate::error::LogError;

/// Bytes that one sync may cover: about the point where more bytes no longer raise the rate.
const MAX_GROUP_BYTES: usize = 8 << 20;
/// Zeroes written at once while a segment is prepared.
const ZERO_BYTES: usize = 1 << 20;
/// A position file for readers in other processes.
pub(crate) const DURABLE_MARKER: &str = "durable";

/// An append that waits for its answer.
pub(crate) struct Append {
    pub(crate) partition: PartitionId,
    pub(crate) entries: Vec<NewEntry>,
    pub(crate) answer: oneshot::Sender<Result<AppendReceipt, LogError>>,
}

/// One partition as the writer holds it.
pub(crate) struct Active {
    pub(crate) segments: Arc<Segments>,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) file: Option<Arc<dyn DiskFile>>,
    /// Where the next entry goes, and how long the file is.
    pub(crate) position: u64,
    pub(crate) file_bytes: u64,
    pub(crate) next: Offset,
    pub(crate) marker: Arc<dyn DiskFile>,
    pub(crate) prepared: Option<std::thread::JoinHandle<std::io::Result<PathBuf>>>,
}

/// The writer's state.
pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) partitions: Vec<Active>,
    pub(crate) segment_bytes: u64,
    pub(crate) stopped: Option<Arc<std::io::Error>>,
    pub(crate) metrics: Arc<WriterFigures>,
}

/// What the writer did, for metrics.
#[derive(Debug, Default)]
pub struct WriterFigures {
    /// Syncs.
    pub syncs: std::sync::atomic::AtomicU64,
    /// Bytes written, headers included.
    pub bytes: std::sync::atomic::AtomicU64,
    /// Microseconds in syncs.
    pub sync_us: std::sync::atomic::AtomicU64,
}

/// An append that was written and waits for the sync.
struct Written {
    partition: usize,
    receipt: AppendReceipt,
    answer: oneshot::Sender<Result<AppendReceipt, LogError>>,
}

impl Writer {
    /// Serves appends until every sender is gone.
    pub(crate) fn run(mut self, mut appends: mpsc::Receiver<Append>) {
        while let Some(first) = appends.blocking_recv() {
            let mut group = vec![first];
            let mut bytes = group[0].bytes();
            while bytes < MAX_GROUP_BYTES {
                let Ok(append) = appends.try_recv() else {
                    break;
                };
                bytes += append.bytes();
                group.push(append);
            }
            self.commit(group);
        }
        // A thread that still writes zeroes would write them into the segment that the next opening of this log begins.
        for active in &mut self.partitions {
            let _ = active.prepared.take().map(std::thread::JoinHandle::join);
        }
    }

    fn commit(&mut self, group: Vec<Append>) {
        if let Some(cause) = &self.stopped {
            for append in group {
                // A caller that went away does not need the answer.
                let _ = append
                    .answer
                    .send(Err(LogError::Stopped(Arc::clone(cause))));
            }
            return;
        }
        let mut written = Vec::with_capacity(group.len());
        let mut touched = vec![false; self.partitions.len()];
        for append in group {
            let at = append.partition.0 as usize;
            let result = match &self.stopped {
                Some(cause) => Err(LogError::Stopped(Arc::clone(cause))),
                None => self.write(at, &append.entries),
            };
            match result {
                Ok(receipt) => {
                    touched[at] = true;
                    written.push(Written {
                        partition: at,
                        receipt,
                        answer: append.answer,
                    });
                }
                Err(error) => {
                    let _ = append.answer.send(Err(error));
                }
            }
        }
        self.sync(&touched);
        self.answer(written);
    }

    /// Writes one append into the active segment, opening the next one where it does not fit.
    fn write(&mut self, at: usize, entries: &[NewEntry]) -> Result<AppendReceipt, LogError> {
        let first = self.partitions[at].next;
        let durable = Offset(*self.partitions[at].durable.borrow());
        let mut buffer = Vec::new();
        let mut start = first;
        let mut notes = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let active = &self.partitions[at];
            let bytes = super::format::ENTRY_HEADER_BYTES + entry.payload.len();
            let end = active.position + (buffer.len() + bytes) as u64;
            if active.file.is_none() || end > active.file_bytes {
                self.flush(at, &mut buffer, &mut notes)?;
                let base = Offset(first.0 + index as u64);
                self.next_segment(at, base)?;
                start = base;
            }
            let offset = Offset(first.0 + index as u64);
            notes.push((offset, buffer.len() as u64));
            encode(&mut buffer, offset, durable.min(start), entry);
        }
        self.flush(at, &mut buffer, &mut notes)?;
        let next = Offset(first.0 + entries.len() as u64);
        self.partitions[at].next = next;
        Ok(AppendReceipt { first, next })
    }

    fn flush(
        &mut self,
        at: usize,
        buffer: &mut Vec<u8>,
        notes: &mut Vec<(Offset, u64)>,
    ) -> Result<(), LogError> {
        let active = &mut self.partitions[at];
        let (Some(file), false) = (&active.file, buffer.is_empty()) else {
            return Ok(());
        };
        if let Err(error) = file.write_all_at(buffer, active.position) {
            let cause = Arc::new(error);
            self.stopped = Some(Arc::clone(&cause));
            return Err(LogError::Stopped(cause));
        }
        if let Some(segment) = active.segments.snapshot().last() {
            for (offset, shift) in notes.drain(..) {
                segment.note(offset, active.position + shift);
            }
        }
        active.position += buffer.len() as u64;
        self.metrics
            .bytes
            .fetch_add(buffer.len() as u64, std::sync::atomic::Ordering::Relaxed);
        buffer.clear();
        Ok(())
    }

    fn sync(&mut self, touched: &[bool]) {
        for (at, touched) in touched.iter().enumerate() {
            if *touched && self.stopped.is_none() {
                self.sync_partition(at);
            }
        }
    }

    fn sync_partition(&mut self, at: usize) {
        let Some(file) = &self.partitions[at].file else {
            return;
        };
        let started = Instant::now();
        if let Err(error) = file.sync() {
            self.stopped = Some(Arc::new(error));
        }
        let order = std::sync::atomic::Ordering::Relaxed;
        self.metrics.syncs.fetch_add(1, order);
        self.metrics
            .sync_us
            .fetch_add(started.elapsed().as_micros() as u64, order);
    }

    fn answer(&mut self, written: Vec<Written>) {
        if let Some(cause) = &self.stopped {
            for append in written {
                let _ = append
                    .answer
                    .send(Err(LogError::Stopped(Arc::clone(cause))));
            }
            return;
        }
        for append in &written {
            let active = &self.partitions[append.partition];
            active.durable.send_if_modified(|end| {
                let moved = *end < append.receipt.next.0;
                *end = (*end).max(append.receipt.next.0);
                moved
            });
        }
        for active in &self.partitions {
            // Only a hint for readers in other processes and for recovery: never ahead of what is durable.
            let end = *active.durable.borrow();
            if let Err(error) = active.marker.write_all_at(&marker(end), 0) {
                tracing::warn!(error = %error, "the durable marker could not be written");
            }
        }
        for append in written {
            let _ = append.answer.send(Ok(append.receipt));
        }
        for at in 0..self.partitions.len() {
            self.prepare_ahead(at);
        }
    }

    /// Seals the active segment and begins the one at `base`.
    fn next_segment(&mut self, at: usize, base: Offset) -> Result<(), LogError> {
        // What is in the old file must be durable before anything in the new one can be.
        self.sync_partition(at);
        if let Some(cause) = &self.stopped {
            return Err(LogError::Stopped(Arc::clone(cause)));
        }
        let opened = self.open_segment(at, base);
        let (file, segment) = opened.map_err(|error| self.stop_unless_full(at, base, error))?;
        let active = &mut self.partitions[at];
        active.position = SEGMENT_HEADER_BYTES;
        active.file_bytes = self.segment_bytes;
        active.file = Some(file);
        let mut list = active
            .segments
            .list
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        list.push(Arc::new(segment));
        Ok(())
    }

    /// A segment that could not be begun leaves the log as it was only where the append had written nothing yet.
    fn stop_unless_full(&mut self, at: usize, base: Offset, error: LogError) -> LogError {
        if let (LogError::Io { path, cause }, true) = (&error, base == self.partitions[at].next) {
            return LogError::Full {
                path: path.clone(),
                cause: Arc::clone(cause),
            };
        }
        let cause = Arc::new(std::io::Error::other(error.to_string()));
        self.stopped = Some(cause);
        error
    }

    fn open_segment(
        &mut self,
        at: usize,
        base: Offset,
    ) -> Result<(Arc<dyn DiskFile>, Segment), LogError> {
        let directory = self.partitions[at].segments.directory.clone();
        let partition = self.partitions[at].segments.partition;
        let failed = |cause| LogError::io(&directory, cause);
        let scratch = match self.partitions[at]
            .prepared
            .take()
            .map(std::thread::JoinHandle::join)
        {
            Some(Ok(Ok(path))) => path,
            // Not prepared ahead, or it failed then: now is another try.
            _ => prepare(&*self.disk, &directory, self.segment_bytes).map_err(failed)?,
        };
        let file = self.disk.open(&scratch).map_err(failed)?;
        file.write_all_at(&segment_header(partition, base), 0)
            .map_err(failed)?;
        file.sync().map_err(failed)?;
        let path = segment_path(&directory, base);
        self.disk.rename(&scratch, &path).map_err(failed)?;
        self.disk.sync_directory(&directory).map_err(failed)?;
        let segment = Segment::open(&directory, partition, base)?;
        Ok((file, segment))
    }

    /// Begins to prepare the next segment once the active one is half full, so that rolling costs a rename.
    fn prepare_ahead(&mut self, at: usize) {
        let active = &mut self.partitions[at];
        if active.prepared.is_some()
            || active.file.is_none()
            || active.position < active.file_bytes / 2
        {
            return;
        }
        let (disk, directory, bytes) = (
            Arc::clone(&self.disk),
            active.segments.directory.clone(),
            self.segment_bytes,
        );
        active.prepared = Some(std::thread::spawn(move || {
            prepare(&*disk, &directory, bytes)
        }));
    }
}

impl Append {
    fn bytes(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.payload.len() + super::format::ENTRY_HEADER_BYTES)
            .sum()
    }
}

/// Checks that every entry can be appended.
pub(crate) fn check(entries: &[NewEntry], segment_bytes: u64) -> Result<(), LogError> {
    let room = segment_bytes - SEGMENT_HEADER_BYTES - super::format::ENTRY_HEADER_BYTES as u64;
    let limit = MAX_PAYLOAD_BYTES.min(room as usize);
    match entries.iter().find(|entry| entry.payload.len() > limit) {
        Some(entry) => Err(LogError::TooLarge {
            bytes: entry.payload.len(),
            limit,
        }),
        None => Ok(()),
    }
}

/// A file of written zeroes: a sync of bytes inside it changes no length, which measured up to eight times faster than
/// a growing file.
fn prepare(disk: &dyn Disk, directory: &Path, bytes: u64) -> std::io::Result<PathBuf> {
    let scratch = directory.join("next.tmp");
    if scratch.exists() {
        disk.remove(&scratch)?;
    }
    let file = disk.open(&scratch)?;
    let zeroes = vec![0; ZERO_BYTES];
    let mut position = 0;
    while position < bytes {
        let length = zeroes.len().min((bytes - position) as usize);
        file.write_all_at(&zeroes[..length], position)?;
        position += length as u64;
    }
    file.sync()?;
    Ok(scratch)
}

/// The marker's bytes: the durable end and its checksum.
pub(crate) fn marker(end: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&end.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..8]);
    bytes[8..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The durable end that a marker states, where it verifies.
pub(crate) fn read_marker(directory: &Path) -> Option<Offset> {
    let bytes: [u8; 12] = std::fs::read(directory.join(DURABLE_MARKER))
        .ok()?
        .try_into()
        .ok()?;
    let mut end = [0; 8];
    end.copy_from_slice(&bytes[..8]);
    let end = u64::from_le_bytes(end);
    (marker(end) == bytes).then_some(Offset(end))
}
