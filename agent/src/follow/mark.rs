//! How a file is known again, and how far it was read: what the bookmark holds of one file.
//!
//! A name is no identity, because logs are renamed, and device and inode are not enough, because they are given out
//! again. So a file is also known by a hash of its first bytes and of the last ones before the position. It must not read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// First bytes that a file is known by: a few lines, whose stamps hardly repeat.
pub(crate) const HEAD_BYTES: usize = 1024;
/// Last bytes before the position that are looked at again before more is believed.
pub(crate) const TAIL_BYTES: usize = 512;
/// Bytes of a hash that are kept: nobody forges a log's own past, and files are few.
const HASH_BYTES: usize = 16;

/// Device and inode.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A hash of some bytes, and how many they are; none at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    bytes: usize,
    hash: String,
}

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut hash = String::new();
        if !bytes.is_empty() {
            for byte in &Sha256::digest(bytes)[..HASH_BYTES] {
                // Writing to a string cannot fail.
                let _ = write!(hash, "{byte:02x}");
            }
        }
        Self {
            bytes: bytes.len(),
            hash,
        }
    }

    /// How many bytes it stands for.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Whether `bytes` begin with those that it stands for.
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        bytes
            .get(..self.bytes)
            .is_some_and(|head| Self::of(head) == *self)
    }
}

/// A file and how far it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// Which file it was.
    pub(crate) id: FileId,
    /// Its first bytes.
    pub(crate) head: Fingerprint,
    /// Its last bytes before `position`.
    pub(crate) tail: Fingerprint,
    /// Bytes that were read, and whose observations are durable.
    pub(crate) position: u64,
    /// Where its reader was last told that what it holds back is whole.
    pub(crate) settled: u64,
    /// Whether it was read as one that ends at `position`.
    pub(crate) is_ended: bool,
    /// Whether the reader remembered nothing of the files before.
    #[serde(default)]
    pub(crate) is_first: bool,
    /// When it was last changed, as far as it was read: microseconds since 1970.
    pub(crate) changed_us: i64,
    /// When reading it began, microseconds since 1970: with the id it names the file in losses.
    pub(crate) begun_us: i64,
    /// Stretches of it that cannot be read and were told as lost.
    pub(crate) unreadable: u64,
    /// How many more are being told: the loss that says so may be in the spool or not.
    #[serde(default)]
    pub(crate) telling: u64,
}

impl FileMark {
    /// Whether bytes of its content are known, so that a copy under another inode can be told.
    pub(crate) fn has_content(&self) -> bool {
        self.head.len() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_knows_the_beginning_of_a_grown_file_and_no_other() {
        let print = Fingerprint::of(b"one line\n");
        assert!(print.begins(b"one line\n"));
        assert!(print.begins(b"one line\nand another\n"));
        assert!(!print.begins(b"one line"));
        assert!(!print.begins(b"two line\nand another\n"));
        assert!(Fingerprint::default().begins(b"anything"));
    }
}
