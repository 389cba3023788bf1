//! A batch: a list of encoded records with a checksum, perhaps compressed. It must not look into a record, and must not
//! decompress more than it was told to.

use std::io::Read;

use bytes::Bytes;

use crate::v1;

/// Bytes of the length before each record.
pub const LENGTH_BYTES: usize = 4;
/// Level 1 is the fastest, and higher levels gained next to nothing on records full of ids and hashes.
const ZSTD_LEVEL: i32 = 1;

/// Why a batch is refused before any of its records is looked at.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The sender says that the batch is larger than the limit.
    #[error("the batch declares {declared} bytes and the limit is {limit}; send smaller batches")]
    TooLarge {
        /// Uncompressed bytes that it declares.
        declared: u64,
        /// Uncompressed bytes that are allowed.
        limit: u64,
    },
    /// The sender says that the batch holds more records than the limit.
    #[error("the batch declares {declared} records and the limit is {limit}; send smaller batches")]
    TooManyRecords {
        /// Records that it declares.
        declared: u32,
        /// Records that are allowed.
        limit: u32,
    },
    /// Damaged on the way.
    #[error("the checksum of the batch does not match its bytes")]
    Checksum,
    /// A compression that this version does not know.
    #[error("compression {0} is not known")]
    Compression(i32),
    /// The compressed bytes cannot be read.
    #[error("the batch cannot be decompressed")]
    Decompress(#[source] std::io::Error),
    /// The bytes are more or fewer than declared.
    #[error("the batch declares {declared} bytes and holds another number")]
    Length {
        /// Uncompressed bytes that it declares.
        declared: u32,
    },
    /// The list of records is cut short, or has another number of records than declared.
    #[error("the list of records does not match its declaration of {declared} records")]
    Records {
        /// Records that it declares.
        declared: u32,
    },
}

/// Collects encoded records into a batch of one epoch.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    list: Vec<u8>,
    records: u32,
}

impl BatchBuilder {
    /// Adds one encoded record.
    ///
    /// # Panics
    ///
    /// Where a record is larger than 4 GiB, which no spool holds.
    pub fn push(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("a record is smaller than 4 GiB");
        self.list.extend_from_slice(&length.to_le_bytes());
        self.list.extend_from_slice(record);
        self.records += 1;
    }

    /// Records so far.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Uncompressed bytes so far, lengths included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.list.len()
    }

    /// The batch as the wire carries it. Compression that does not pay is left out.
    #[must_use]
    pub fn finish(self, epoch: u64, compression: v1::Compression, lane: v1::Lane) -> v1::Batch {
        let uncompressed_bytes = self.list.len() as u32;
        let compressed = match compression {
            v1::Compression::Zstd => zstd::bulk::compress(&self.list, ZSTD_LEVEL)
                .ok()
                .filter(|smaller| smaller.len() < self.list.len()),
            v1::Compression::None => None,
        };
        let (payload, compression) = match compressed {
            Some(smaller) => (smaller, v1::Compression::Zstd),
            None => (self.list, v1::Compression::None),
        };
        v1::Batch {
            epoch,
            records: self.records,
            compression: compression.into(),
            uncompressed_bytes,
            crc32c: crc32c::crc32c(&payload),
            lane: lane.into(),
            payload: payload.into(),
        }
    }
}

/// Checks what a batch declares against the limits. Nothing is decompressed.
///
/// # Errors
///
/// Where it declares more bytes or records than allowed.
pub fn check_declared(batch: &v1::Batch, limits: &v1::Limits) -> Result<(), BatchError> {
    // Uncompressed bytes travel as they are; a compressed batch that is larger than its content declares falsely.
    let declared = u64::from(batch.uncompressed_bytes).max(batch.payload.len() as u64);
    if declared > u64::from(limits.max_batch_bytes) {
        return Err(BatchError::TooLarge {
            declared,
            limit: limits.max_batch_bytes.into(),
        });
    }
    if batch.records > limits.max_batch_records {
        return Err(BatchError::TooManyRecords {
            declared: batch.records,
            limit: limits.max_batch_records,
        });
    }
    Ok(())
}

/// The list of records in `batch`: declared size checked, checksum checked, decompressed under the declared size as a
/// hard cap.
///
/// # Errors
///
/// Where one of these does not hold.
pub fn open_batch(batch: &v1::Batch, limits: &v1::Limits) -> Result<Bytes, BatchError> {
    check_declared(batch, limits)?;
    if crc32c::crc32c(&batch.payload) != batch.crc32c {
        return Err(BatchError::Checksum);
    }
    let declared = batch.uncompressed_bytes;
    let list = match v1::Compression::try_from(batch.compression) {
        Ok(v1::Compression::None) => batch.payload.clone(),
        Ok(v1::Compression::Zstd) => decompress(&batch.payload, declared)?,
        Err(_) => return Err(BatchError::Compression(batch.compression)),
    };
    if list.len() != declared as usize {
        return Err(BatchError::Length { declared });
    }
    let mut counted = 0_u32;
    for record in records(&list) {
        record.map_err(|CutShort| BatchError::Records {
            declared: batch.records,
        })?;
        counted += 1;
    }
    if counted != batch.records {
        return Err(BatchError::Records {
            declared: batch.records,
        });
    }
    Ok(list)
}

fn decompress(payload: &[u8], declared: u32) -> Result<Bytes, BatchError> {
    let decoder = zstd::stream::read::Decoder::new(payload).map_err(BatchError::Decompress)?;
    let mut list = Vec::with_capacity(declared as usize);
    // One byte more than declared is enough to see that there is more.
    decoder
        .take(u64::from(declared) + 1)
        .read_to_end(&mut list)
        .map_err(BatchError::Decompress)?;
    Ok(list.into())
}

/// The list of records ends inside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of records ends inside a record")]
pub struct CutShort;

/// The records of a list, sharing its bytes.
pub fn records(list: &Bytes) -> impl Iterator<Item = Result<Bytes, CutShort>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == list.len() {
            return None;
        }
        let record = list
            .get(at..at + LENGTH_BYTES)
            .and_then(|length| length.try_into().ok())
            .map(|length| u32::from_le_bytes(length) as usize)
            .and_then(|length| {
                let start = at + LENGTH_BYTES;
                (list.len() - start >= length).then(|| start..start + length)
            });
        match record {
            Some(range) => {
                at = range.end;
                Some(Ok(list.slice(range)))
            }
            None => {
                at = list.len();
                Some(Err(CutShort))
            }
        }
    })
}
