//! Consumer positions: one small file for each consumer, replaced whole. They must survive a crash at any moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::Disk;
use crate::entry::{Offset, PartitionId};
use crate::error::LogError;

/// The folder of positions.
pub(crate) struct Positions {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    /// One writer at a time.
    guard: Mutex<()>,
}

impl Positions {
    pub(crate) fn open(log: &Path, disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        let directory = log.join("positions");
        std::fs::create_dir_all(&directory).map_err(|cause| LogError::io(&directory, cause))?;
        Ok(Self {
            directory,
            disk,
            guard: Mutex::new(()),
        })
    }

    fn path(&self, consumer: &str) -> Result<PathBuf, LogError> {
        let plain = !consumer.is_empty()
            && consumer
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if plain {
            Ok(self.directory.join(consumer))
        } else {
            Err(LogError::Format {
                path: self.directory.clone(),
                reason: format!("consumer {consumer:?}: a name has letters, digits, - and _ only"),
            })
        }
    }

    fn load(&self, path: &Path) -> Result<BTreeMap<u32, u64>, LogError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(cause) => return Err(LogError::io(path, cause)),
        };
        text.lines()
            .map(|line| {
                line.split_once(' ')
                    .and_then(|(partition, offset)| {
                        Some((partition.parse().ok()?, offset.parse().ok()?))
                    })
                    .ok_or_else(|| LogError::Format {
                        path: path.to_owned(),
                        reason: format!("{line:?} is not a partition and an offset"),
                    })
            })
            .collect()
    }

    pub(crate) fn get(
        &self,
        consumer: &str,
        partition: PartitionId,
    ) -> Result<Option<Offset>, LogError> {
        let all = self.load(&self.path(consumer)?)?;
        Ok(all.get(&partition.0).copied().map(Offset))
    }

    pub(crate) fn store(
        &self,
        consumer: &str,
        partition: PartitionId,
        next: Offset,
    ) -> Result<(), LogError> {
        let path = self.path(consumer)?;
        let _one_writer = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.load(&path)?;
        all.insert(partition.0, next.0);
        let text: String = all
            .iter()
            .map(|(partition, offset)| format!("{partition} {offset}\n"))
            .collect();
        let scratch = self.directory.join(format!("{consumer}.tmp"));
        self.replace(&scratch, &path, text.as_bytes())
            .map_err(|cause| LogError::io(&path, cause))
    }

    fn replace(&self, scratch: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        // A scratch file that a crash left behind may be longer than the new text.
        if scratch.exists() {
            self.disk.remove(scratch)?;
        }
        let file = self.disk.open(scratch)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.disk.rename(scratch, path)?;
        self.disk.sync_directory(&self.directory)
    }
}
