//! Opening a log: the lock, the number of partitions, and each partition recovered to its last durable entry.
//!
//! It must not append.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustix::fs::{FlockOperation, flock};
use tokio::sync::watch;

use super::recovery::scan;
use super::segments::{Segment, Segments, list};
use super::writer::{self, Active, DURABLE_MARKER, read_marker};
use super::{EmbeddedConfig, OnDamage, Partition};
use crate::disk::Disk;
use crate::entry::{Offset, PartitionId};
use crate::error::LogError;

/// The lock of a log's folder, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that this process is just starting has a copy of the descriptor.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

pub(super) fn lock(directory: &Path) -> Result<Lock, LogError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|cause| LogError::io(&path, cause))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LogError::Locked { path }),
        Err(cause) => Err(LogError::io(path, cause.into())),
    }
}

pub(super) fn read_partition_count(path: &Path) -> Result<Option<u32>, LogError> {
    match std::fs::read_to_string(path) {
        Ok(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .map(Some)
            .ok_or_else(|| LogError::Format {
                path: path.to_owned(),
                reason: format!("{text:?} is not a number of partitions"),
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(LogError::io(path, cause)),
    }
}

/// The number of partitions: what the log was made with, or `wanted` for one that is made now.
pub(super) fn partition_count(
    directory: &Path,
    wanted: u32,
    disk: &dyn Disk,
) -> Result<u32, LogError> {
    let path = directory.join("partitions");
    if let Some(count) = read_partition_count(&path)? {
        return Ok(count);
    }
    let wanted = wanted.max(1);
    let scratch = directory.join("partitions.tmp");
    let write = || -> std::io::Result<()> {
        for number in 0..wanted {
            std::fs::create_dir_all(directory.join(format!("p{number}")))?;
        }
        if scratch.exists() {
            disk.remove(&scratch)?;
        }
        let file = disk.open(&scratch)?;
        file.write_all_at(format!("{wanted}\n").as_bytes(), 0)?;
        file.sync()?;
        disk.rename(&scratch, &path)?;
        disk.sync_directory(directory)
    };
    write().map_err(|cause| LogError::io(&path, cause))?;
    Ok(wanted)
}

/// Opens one partition: recovers its newest segment and returns both halves, and how many entries were passed over.
pub(super) fn open_partition(
    directory: &Path,
    partition: PartitionId,
    config: &EmbeddedConfig,
    disk: &Arc<dyn Disk>,
) -> Result<(Partition, Active, u64), LogError> {
    let directory: PathBuf = directory.join(format!("p{}", partition.0));
    std::fs::create_dir_all(&directory).map_err(|cause| LogError::io(&directory, cause))?;
    let skip_damage = config.on_damage == OnDamage::Skip;
    let mut opened = Vec::new();
    for base in list(&directory)? {
        opened.push(Arc::new(Segment::open(&directory, partition, base)?));
    }
    let marker_path = directory.join(DURABLE_MARKER);
    let hint = read_marker(&directory).unwrap_or_default();
    let marker = disk
        .open(&marker_path)
        .map_err(|cause| LogError::io(&marker_path, cause))?;
    let mut active = Active {
        segments: Arc::new(Segments {
            partition,
            directory,
            list: RwLock::new(opened),
            skip_damage,
        }),
        durable: watch::channel(0).0,
        file: None,
        position: 0,
        file_bytes: 0,
        next: Offset(0),
        marker,
        prepared: None,
    };
    let skipped = recover_tail(&mut active, hint, skip_damage, &**disk)?;
    active.durable.send_replace(active.next.0);
    // What was whole but perhaps not synced is synced by the recovery, so it is durable now.
    active
        .marker
        .write_all_at(&writer::marker(active.next.0), 0)
        .map_err(|cause| LogError::io(&marker_path, cause))?;
    let reader = Partition {
        segments: Arc::clone(&active.segments),
        durable: active.durable.subscribe(),
        follow: None,
    };
    Ok((reader, active, skipped))
}

/// Finds the end of the newest segment, cuts what is torn behind it, and makes it the active one.
fn recover_tail(
    active: &mut Active,
    hint: Offset,
    skip_damage: bool,
    disk: &dyn Disk,
) -> Result<u64, LogError> {
    let Some(newest) = active.segments.snapshot().last().cloned() else {
        if hint > Offset(0) && !skip_damage {
            return Err(LogError::Damaged {
                partition: active.segments.partition,
                at: Offset(0),
                path: active.segments.directory.clone(),
            });
        }
        return Ok(0);
    };
    let failed = |cause| LogError::io(&newest.path, cause);
    let found = scan(newest.file(), newest.base, hint, skip_damage).map_err(failed)?;
    if found.damaged {
        return Err(LogError::Damaged {
            partition: active.segments.partition,
            at: found.end_offset,
            path: newest.path.clone(),
        });
    }
    let file = disk.open(&newest.path).map_err(failed)?;
    let file_bytes = newest.file().metadata().map_err(failed)?.len();
    // Old bytes behind the cut could verify again once new entries lead up to them.
    let mut position = found.end_position;
    let zeroes = vec![0; 1 << 20];
    while position < file_bytes {
        let length = zeroes.len().min((file_bytes - position) as usize);
        file.write_all_at(&zeroes[..length], position)
            .map_err(failed)?;
        position += length as u64;
    }
    file.sync().map_err(failed)?;
    newest.set_index(found.index);
    active.file = Some(file);
    active.file_bytes = file_bytes;
    active.position = found.end_position;
    active.next = found.end_offset;
    Ok(found.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_hold_the_lock() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let held = lock(directory.path()).expect("the lock is free");
        let copy = held.0.try_clone().expect("a descriptor can be copied");
        assert!(lock(directory.path()).is_err(), "it is held");
        drop(held);
        lock(directory.path()).expect("it is free again");
        drop(copy);
    }
}
