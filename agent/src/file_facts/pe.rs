//! The layout of a Windows program, as far as its facts need it: machine, where its resources are, where its signature is
//! and which bytes the signature does not cover. It must not trust a number of the file: each is checked before use.

mod resources;
mod version;

use std::io;
use std::ops::Range;

use super::read_at::{ReadAt, piece, u16_at, u32_at};

pub use version::{StringTable, VersionInfo};

/// Bytes of the first header, with the offset of the second at its end.
const DOS_HEADER_BYTES: usize = 64;
/// Signature and file header, before the optional header.
const FILE_HEADER_BYTES: usize = 24;
/// The optional header is read up to its sixteenth directory; no program has more.
const OPTIONAL_HEADER_BYTES: usize = 240;
const SECTION_BYTES: usize = 40;
/// Sections that are looked at: Windows loads no program with more than 96.
const MAX_SECTIONS: usize = 96;
const RESOURCE_DIRECTORY: usize = 2;
const SECURITY_DIRECTORY: usize = 4;

/// The processor that a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(pub u16);

impl Machine {
    /// Its usual name; none for those that are not met any more.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            0x014c => Some("x86"),
            0x8664 => Some("x64"),
            0x01c4 => Some("arm"),
            0xaa64 => Some("arm64"),
            _ => None,
        }
    }
}

/// Where a program keeps what is asked for.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) machine: Machine,
    /// The header's checksum and its entry for the certificate table: what signing changes.
    pub(super) unsigned_ranges: Vec<Range<u64>>,
    pub(super) certificates: Certificates,
    resources: Option<u32>,
    sections: Vec<Section>,
}

/// Where the certificate table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Certificates {
    None,
    At(Range<u64>),
    /// The header names a place that is not in the file.
    Outside,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    virtual_address: u32,
    size: u32,
    offset: u32,
}

impl Layout {
    /// Reads the headers; none where this is no Windows program.
    pub(super) fn read(source: &dyn ReadAt, size: u64) -> io::Result<Option<Self>> {
        let dos = piece(source, 0, DOS_HEADER_BYTES)?;
        let start = u32_at(&dos, 0x3c).filter(|_| dos.starts_with(b"MZ"));
        let Some(start) = start.map(u64::from) else {
            return Ok(None);
        };
        let most = FILE_HEADER_BYTES + OPTIONAL_HEADER_BYTES;
        let headers = piece(source, start, most)?;
        if !headers.starts_with(b"PE\0\0") {
            return Ok(None);
        }
        let Some(mut layout) = Self::of_headers(&headers, start, size) else {
            return Ok(None);
        };
        let count = u16_at(&headers, 6).map_or(0, usize::from).min(MAX_SECTIONS);
        let optional = u16_at(&headers, 20).map_or(0, u64::from);
        let table = start + FILE_HEADER_BYTES as u64 + optional;
        let sections = piece(source, table, count * SECTION_BYTES)?;
        layout.sections = sections.chunks_exact(SECTION_BYTES).map(section).collect();
        Ok(Some(layout))
    }

    fn of_headers(headers: &[u8], start: u64, size: u64) -> Option<Self> {
        let machine = Machine(u16_at(headers, 4)?);
        let end = FILE_HEADER_BYTES + usize::from(u16_at(headers, 20)?);
        let optional = headers.get(FILE_HEADER_BYTES..end.min(headers.len()))?;
        let directories = match u16_at(optional, 0)? {
            0x10b => 96,
            0x20b => 112,
            _ => return None,
        };
        let optional_at = start + FILE_HEADER_BYTES as u64;
        let checksum = optional_at + 64;
        let mut unsigned_ranges = Vec::from([Range {
            start: checksum,
            end: checksum + 4,
        }]);
        let count = u32_at(optional, directories - 4)? as usize;
        let entry = |number: usize| {
            let at = directories + number * 8;
            let held = number < count;
            held.then(|| Some((u32_at(optional, at)?, u32_at(optional, at + 4)?)))?
        };
        let certificates = match entry(SECURITY_DIRECTORY) {
            Some((offset, length)) => {
                let at = optional_at + (directories + SECURITY_DIRECTORY * 8) as u64;
                unsigned_ranges.push(at..at + 8);
                certificates(offset.into(), length.into(), size)
            }
            None => Certificates::None,
        };
        Some(Self {
            machine,
            unsigned_ranges,
            certificates,
            resources: entry(RESOURCE_DIRECTORY)
                .map(|(address, _)| address)
                .filter(|address| *address > 0),
            sections: Vec::new(),
        })
    }

    /// What the version resource says, where there is one that can be read.
    pub(super) fn version(&self, source: &dyn ReadAt) -> io::Result<Option<VersionInfo>> {
        let Some(root) = self.resources else {
            return Ok(None);
        };
        let bytes = resources::version(source, root, &|address| self.offset(address))?;
        Ok(bytes.and_then(|bytes| VersionInfo::parse(&bytes)))
    }

    /// Where in the file an address of the loaded program is.
    fn offset(&self, address: u32) -> Option<u64> {
        let mut sections = self.sections.iter();
        sections.find_map(|section| {
            let within = address.checked_sub(section.virtual_address)?;
            (within < section.size).then(|| u64::from(section.offset) + u64::from(within))
        })
    }
}

fn certificates(offset: u64, length: u64, size: u64) -> Certificates {
    match (offset, length) {
        (_, 0) => Certificates::None,
        _ if offset + length > size => Certificates::Outside,
        _ => Certificates::At(offset..offset + length),
    }
}

fn section(header: &[u8]) -> Section {
    let number = |at| u32_at(header, at).unwrap_or(0);
    Section {
        virtual_address: number(12),
        size: number(16),
        offset: number(20),
    }
}
