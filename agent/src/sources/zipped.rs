//! A zip that holds one file, read from front to back in the same memory for any size. It believes no directory at the
//! end and no declared size, and it ends where a file unpacks to more than such a file can hold.

use std::io::{self, BufRead, Read, Take};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// First bytes of every zip that holds a file.
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
/// Bytes of a file's header before its name.
const HEADER_BYTES: usize = 30;

/// Most bytes that a packed byte may become. Rows of a report become a twentieth to a hundredth; a bomb a thousandth.
const MAX_RATIO: u64 = 250;
/// Bytes that any file may become, so that small ones need no ratio.
const FREE_BYTES: u64 = 16 << 20;

const ENCRYPTED: u16 = 1;
const SIZES_FOLLOW: u16 = 8;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// A size that stands elsewhere, because it needs more digits.
const LARGE: u32 = u32::MAX;

/// Why a zip is not read, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ZipError {
    #[error("the zip is encrypted; unpack it first")]
    Encrypted,
    #[error("the zip is packed by another method than deflate; unpack it first")]
    Method,
    #[error("the zip holds more than one file; unpack it first")]
    SeveralFiles,
    #[error("the zip is damaged: what it holds is not what its checksum says")]
    Damaged,
    #[error("the zip unpacks to more than {MAX_RATIO} times its size, which no report does")]
    Bomb,
}

impl From<ZipError> for io::Error {
    fn from(error: ZipError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// The name of the first file of a zip that begins with `head`; `None` where it is no zip.
pub(crate) fn first_name(head: &[u8]) -> Option<&[u8]> {
    let header = head.strip_prefix(&LOCAL_HEADER)?;
    let length = usize::from(u16::from_le_bytes(header.get(22..24)?.try_into().ok()?));
    header.get(HEADER_BYTES - 4..HEADER_BYTES - 4 + length)
}

/// The file that a zip holds, as its bytes.
#[derive(Debug)]
pub(crate) struct Zipped<R: BufRead> {
    body: Option<Body<R>>,
    header: Header,
    crc: Crc,
    unpacked: u64,
}

#[derive(Debug)]
enum Body<R: BufRead> {
    Stored(Take<R>),
    Deflated(DeflateDecoder<R>),
}

#[derive(Clone, Copy, Debug)]
struct Header {
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u32,
}

impl<R: BufRead> Zipped<R> {
    /// The first file of the zip that `source` stands at the beginning of.
    ///
    /// # Errors
    ///
    /// A [`ZipError`] inside, or those of the source.
    pub(crate) fn open(mut source: R) -> io::Result<Self> {
        let mut bytes = [0; HEADER_BYTES];
        source.read_exact(&mut bytes)?;
        let (header, rest) = Header::read(&bytes);
        if header.flags & ENCRYPTED != 0 {
            return Err(ZipError::Encrypted.into());
        }
        // Name and extra fields: at most 64 KiB each.
        io::copy(&mut (&mut source).take(rest), &mut io::sink())?;
        let body = match header.method {
            // Without its size in front, nothing says where a stored file ends.
            STORED if header.flags & SIZES_FOLLOW == 0 && header.packed != LARGE => {
                Body::Stored(source.take(u64::from(header.packed)))
            }
            DEFLATED => Body::Deflated(DeflateDecoder::new(source)),
            _ => return Err(ZipError::Method.into()),
        };
        Ok(Self {
            body: Some(body),
            header,
            crc: Crc::new(),
            unpacked: 0,
        })
    }

    /// When the file was written, as the zip says: microseconds since 1970, its clock taken for UTC.
    pub(crate) fn written_us(&self) -> Option<i64> {
        let Header { time, date, .. } = self.header;
        let part = |from: u16, by: u32, bits: u32| i8::try_from((from >> by) & ((1 << bits) - 1));
        let year = 1980 + i16::try_from(date >> 9).ok()?;
        let moment = DateTime::new(
            year,
            part(date, 5, 4).ok()?,
            part(date, 0, 5).ok()?,
            part(time, 11, 5).ok()?,
            part(time, 5, 6).ok()?,
            part(time, 0, 5).ok()?.saturating_mul(2).min(59),
            0,
        );
        let moment = Offset::UTC.to_timestamp(moment.ok()?).ok()?;
        (year > 1980).then(|| moment.as_microsecond())
    }

    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.body {
            None => return Ok(0),
            Some(Body::Stored(body)) => body.read(buffer)?,
            Some(Body::Deflated(body)) => {
                let count = body.read(buffer)?;
                let most = body.total_in().saturating_mul(MAX_RATIO) + FREE_BYTES;
                if self.unpacked + count as u64 > most {
                    return Err(ZipError::Bomb.into());
                }
                count
            }
        };
        self.crc.update(&buffer[..count]);
        self.unpacked += count as u64;
        Ok(count)
    }

    // Behind the file's last byte: its checksum, and nothing but the directory.
    fn end(&mut self) -> io::Result<()> {
        let (mut source, packed) = match self.body.take() {
            None => return Ok(()),
            Some(Body::Stored(body)) => (body.into_inner(), u64::from(self.header.packed)),
            Some(Body::Deflated(body)) => {
                let packed = body.total_in();
                (body.into_inner(), packed)
            }
        };
        let mut next = [0; 4];
        source.read_exact(&mut next)?;
        let mut said = self.header.crc;
        if self.header.flags & SIZES_FOLLOW != 0 {
            if next == DESCRIPTOR {
                source.read_exact(&mut next)?;
            }
            said = u32::from_le_bytes(next);
            let mut sizes = [0; 8];
            source.read_exact(&mut sizes)?;
            // Sizes of four bytes, or of eight where they need them.
            let both = |packed: u64| ((self.unpacked << 32) | (packed & 0xffff_ffff)).to_le_bytes();
            if sizes != both(packed) {
                source.read_exact(&mut sizes)?;
            }
            source.read_exact(&mut next)?;
        }
        if said != self.crc.sum() {
            return Err(ZipError::Damaged.into());
        }
        match next {
            DIRECTORY => Ok(()),
            LOCAL_HEADER => Err(ZipError::SeveralFiles.into()),
            _ => Err(ZipError::Damaged.into()),
        }
    }
}

impl<R: BufRead> Read for Zipped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.unpack(buffer)?;
        if count == 0 {
            self.end()?;
        }
        Ok(count)
    }
}

impl Header {
    // The header, and how many bytes of name and extra fields follow it.
    fn read(bytes: &[u8; HEADER_BYTES]) -> (Self, u64) {
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        let header = Self {
            flags: short(6),
            method: short(8),
            time: short(10),
            date: short(12),
            crc: long(14),
            packed: long(18),
        };
        (header, u64::from(short(26)) + u64::from(short(28)))
    }
}

#[cfg(test)]
mod tests;
