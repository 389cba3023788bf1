//! The way through a program's resources to its version: type, name, language. Three levels and no more, however the
//! file links them.

use std::io;

use super::super::read_at::{ReadAt, piece, u16_at, u32_at};

/// The type of version resources.
const VERSION: u32 = 16;
/// The name that Windows asks for.
const FIRST: u32 = 1;
/// Entries of a directory that are looked at: programs have some dozens of types, one version, some languages.
const MAX_ENTRIES: usize = 4096;
/// Bytes of a version resource: a few hundred in each of a hundred languages.
const MAX_VERSION_BYTES: usize = 256 << 10;
const SUBDIRECTORY: u32 = 1 << 31;

/// The bytes of the version resource whose tree begins at the address `root`.
pub(super) fn version(
    source: &dyn ReadAt,
    root: u32,
    offset_of: &dyn Fn(u32) -> Option<u64>,
) -> io::Result<Option<Vec<u8>>> {
    let Some(base) = offset_of(root) else {
        return Ok(None);
    };
    let types = entries(source, base, SUBDIRECTORY)?;
    let Some((_, names)) = types.into_iter().find(|(id, _)| *id == VERSION) else {
        return Ok(None);
    };
    let Some(languages) = best(entries(source, base, names)?, FIRST) else {
        return Ok(None);
    };
    // Of several languages the neutral one, as Windows takes it; which one matters little, each has every string table.
    let Some(leaf) = best(entries(source, base, languages)?, 0) else {
        return Ok(None);
    };
    if leaf & SUBDIRECTORY != 0 {
        return Ok(None);
    }
    let entry = piece(source, base + u64::from(leaf), 8)?;
    let data = u32_at(&entry, 0).and_then(offset_of);
    let (Some(data), Some(length)) = (data, u32_at(&entry, 4)) else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    piece(source, data, length.min(MAX_VERSION_BYTES)).map(Some)
}

/// The wanted entry, or else the first.
fn best(entries: Vec<(u32, u32)>, wanted: u32) -> Option<u32> {
    let found = entries.iter().find(|(id, _)| *id == wanted);
    found.or(entries.first()).map(|(_, link)| *link)
}

/// Ids and links of the directory at `link`; none, where the link is to no directory.
fn entries(source: &dyn ReadAt, base: u64, link: u32) -> io::Result<Vec<(u32, u32)>> {
    if link & SUBDIRECTORY == 0 {
        return Ok(Vec::new());
    }
    let at = base + u64::from(link & !SUBDIRECTORY);
    let header = piece(source, at, 16)?;
    let count = |at| u16_at(&header, at).map_or(0, usize::from);
    let count = (count(12) + count(14)).min(MAX_ENTRIES);
    let bytes = piece(source, at + 16, count * 8)?;
    let entries = bytes.chunks_exact(8).map(|entry| {
        let number = |at| u32_at(entry, at).unwrap_or(0);
        (number(0), number(4))
    });
    Ok(entries.collect())
}
