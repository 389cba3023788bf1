//! What the disk and one thread allow: the same bytes with a checksum, in groups, each synced. No network, no log.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use rustix::fs::{FallocateFlags, fallocate};

use crate::figures::Run;
use crate::place;
use crate::prepared::Prepared;

/// Half of what is in flight gathers while the other half syncs.
const SHARE_IN_A_GROUP: usize = 2;

pub(super) fn run(data: &Path, prepared: &Prepared, in_flight: usize) -> anyhow::Result<Run> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(data.join("limit"))?;
    fallocate(&file, FallocateFlags::empty(), 0, prepared.bytes())?;
    file.sync_all()?;
    let batch = prepared.streams.first().and_then(|stream| {
        let (batch, _) = stream.batches.first()?;
        Some(batch.uncompressed_bytes as usize)
    });
    let group = batch.unwrap_or(1) * in_flight * prepared.streams.len() / SHARE_IN_A_GROUP;
    let cpu = place::cpu_of("self")?;
    let began = Instant::now();
    let (mut at, mut sum) = (0_u64, 0_u32);
    let mut gathered = Vec::with_capacity(group + (64 << 10));
    let mut write = |gathered: &mut Vec<u8>| {
        sum = crc32c::crc32c_append(sum, gathered);
        file.write_all_at(gathered, at)?;
        file.sync_data()?;
        at += gathered.len() as u64;
        gathered.clear();
        std::io::Result::Ok(())
    };
    for record in &prepared.records {
        gathered.extend_from_slice(record);
        if gathered.len() >= group {
            write(&mut gathered)?;
        }
    }
    write(&mut gathered)?;
    let run = Run {
        events: prepared.events(),
        wall: began.elapsed(),
        cpu: place::cpu_of("self")?.saturating_sub(cpu),
        ..Run::default()
    };
    ensure!(at == prepared.bytes() && sum != 0, "bytes are missing");
    Ok(run)
}
