//! A file of any length that needs no memory: a beginning, a unit again and again, and an end. Numbers in the unit count
//! up, so that no two records are the same.

use std::io::{self, Read, Seek, SeekFrom};

use epm_agent::sources::evtx::LogFile;

/// Digits of a number that counts up.
const DIGITS: usize = 10;

/// A file that is made while it is read.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    head: Vec<u8>,
    unit: Vec<u8>,
    /// Where in the unit numbers of ten digits stand.
    numbers: Vec<usize>,
    units: u64,
    tail: Vec<u8>,
    position: u64,
    /// The unit as it was read last, with its numbers.
    current: (u64, Vec<u8>),
}

impl Stream {
    /// `unit` again and again between `head` and `tail`, `bytes` in all or a little more.
    pub(crate) fn repeating(head: &[u8], unit: &[u8], tail: &[u8], bytes: u64) -> Self {
        assert!(!unit.is_empty(), "a stream repeats something");
        Self {
            head: head.to_vec(),
            unit: unit.to_vec(),
            numbers: Vec::new(),
            units: bytes.div_ceil(unit.len() as u64),
            tail: tail.to_vec(),
            position: 0,
            current: (u64::MAX, Vec::new()),
        }
    }

    /// The same with `places` of the unit, where a run of digits begins and ends, made numbers that count up.
    pub(crate) fn counting(
        head: &[u8],
        unit: &[u8],
        places: &[(usize, usize)],
        bytes: u64,
    ) -> Self {
        let mut made = Vec::new();
        let mut numbers = Vec::new();
        let mut from = 0;
        for (start, end) in places {
            made.extend_from_slice(&unit[from..*start]);
            numbers.push(made.len());
            made.extend_from_slice(&[b'0'; DIGITS]);
            from = *end;
        }
        made.extend_from_slice(&unit[from..]);
        let mut stream = Self::repeating(head, &made, b"", bytes);
        stream.numbers = numbers;
        stream
    }

    pub(crate) fn len(&self) -> u64 {
        let (head, tail) = (self.head.len() as u64, self.tail.len() as u64);
        head + self.units * self.unit.len() as u64 + tail
    }

    // The bytes at the position, as far as they lie together.
    fn rest(&mut self) -> &[u8] {
        let head = self.head.len() as u64;
        if self.position < head {
            return &self.head[self.position as usize..];
        }
        let inside = self.position - head;
        let unit = self.unit.len() as u64;
        if inside >= self.units * unit {
            let at = (inside - self.units * unit).min(self.tail.len() as u64);
            return &self.tail[at as usize..];
        }
        let number = inside / unit;
        if self.current.0 != number {
            self.current.1.clone_from(&self.unit);
            let digits = format!("{number:0DIGITS$}");
            for at in &self.numbers {
                self.current.1[*at..at + DIGITS].copy_from_slice(digits.as_bytes());
            }
            self.current.0 = number;
        }
        &self.current.1[(inside % unit) as usize..]
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = self.rest();
            if rest.is_empty() {
                break;
            }
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.position += count as u64;
        }
        Ok(filled)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl LogFile for Stream {
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        Ok((offset < self.len()).then_some(offset))
    }
}
