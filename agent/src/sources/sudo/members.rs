//! The members of JSON objects one by one, in bounded memory: sudo's event log is one object with repeated keys.
//!
//! Damage costs the record that it hits: reading goes on at the next key that begins a record. It does not look into
//! the values; that is for whoever reads them.

use std::io::{self, BufRead};

/// Largest record that is kept, in bytes: arguments and environment of a process are at most 2 MiB on Linux, and
/// escapes make them longer.
pub(super) const RECORD_LIMIT: usize = 8 << 20;

// Keys of the top level are short words; a longer one is damage and its rest is of no use.
const KEY_LIMIT: usize = 256;

// Keys that begin a record of the event log: where reading goes on after damage.
const RECORD_KEYS: [&[u8]; 4] = [b"accept", b"reject", b"exit", b"alert"];

/// One step through a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Member<'a> {
    /// A key of the top level and its value as text.
    Value { key: &'a [u8], value: &'a [u8] },
    /// A stretch that is no member, and why.
    Damaged(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
    // Behind the colon of `key`.
    BeforeValue,
    // Behind damage.
    Lost,
}

/// Reads members.
#[derive(Debug)]
pub(super) struct Members<R> {
    from: R,
    place: Place,
    key: Vec<u8>,
    value: Vec<u8>,
    is_too_long: bool,
}

const CUT: &str = "the file ends inside a record";

impl<R: BufRead> Members<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            place: Place::Outside,
            key: Vec::new(),
            value: Vec::new(),
            is_too_long: false,
        }
    }

    /// The next member of the object, or of the one behind it; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Member<'_>>> {
        loop {
            let damage = match self.place {
                Place::BeforeValue => {
                    self.place = Place::Inside;
                    match self.read_value()? {
                        None if self.is_too_long => Some("a record longer than 8 MiB"),
                        None => {
                            return Ok(Some(Member::Value {
                                key: &self.key,
                                value: &self.value,
                            }));
                        }
                        damage => damage,
                    }
                }
                Place::Lost => {
                    if !self.find_record()? {
                        return Ok(None);
                    }
                    None
                }
                Place::Outside | Place::Inside => {
                    let Some(byte) = self.take()? else {
                        return Ok(None);
                    };
                    self.between(byte)?
                }
            };
            if let Some(damage) = damage {
                return Ok(Some(Member::Damaged(damage)));
            }
        }
    }

    // One byte between members.
    fn between(&mut self, byte: u8) -> io::Result<Option<&'static str>> {
        match (self.place, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n' | b',') => {}
            (Place::Outside, b'[' | b']' | b'}') => {}
            (Place::Outside, b'{') => self.place = Place::Inside,
            (Place::Inside, b'}') => self.place = Place::Outside,
            (Place::Inside, b'"') => {
                if self.read_key()? && self.skip_blanks_to(b':')? {
                    self.place = Place::BeforeValue;
                } else {
                    self.place = Place::Lost;
                    return Ok(Some("a key without a value"));
                }
            }
            _ => {
                self.place = Place::Lost;
                return Ok(Some("text that is no JSON"));
            }
        }
        Ok(None)
    }

    // Goes on to the next `"accept": {` and the like; the brace is left to be read.
    fn find_record(&mut self) -> io::Result<bool> {
        while let Some(byte) = self.take()? {
            if byte == b'"' && self.read_key()? && self.is_record_begin()? {
                self.place = Place::BeforeValue;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_record_begin(&mut self) -> io::Result<bool> {
        Ok(RECORD_KEYS.contains(&self.key.as_slice())
            && self.skip_blanks_to(b':')?
            && self.peek_past_blanks()? == Some(b'{'))
    }

    // The rest of a string into `key`; false where its line ends first.
    fn read_key(&mut self) -> io::Result<bool> {
        self.key.clear();
        while let Some(byte) = self.peek()? {
            if byte == b'\n' {
                return Ok(false);
            }
            self.skip_one();
            match byte {
                b'"' => return Ok(true),
                b'\\' => {
                    self.take()?;
                }
                _ if self.key.len() < KEY_LIMIT => self.key.push(byte),
                _ => {}
            }
        }
        Ok(false)
    }

    // A value into `value`; what is wrong with it, if anything.
    fn read_value(&mut self) -> io::Result<Option<&'static str>> {
        self.value.clear();
        self.is_too_long = false;
        let mut depth = 0_u64;
        let Some(first) = self.peek_past_blanks()? else {
            return Ok(Some(CUT));
        };
        if !matches!(first, b'{' | b'[' | b'"') {
            return self.read_scalar();
        }
        loop {
            let Some(byte) = self.take()? else {
                return Ok(Some(CUT));
            };
            self.keep(byte);
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    if let Some(damage) = self.read_string(depth)? {
                        return Ok(Some(damage));
                    }
                }
                _ => {}
            }
            if depth == 0 {
                return Ok(None);
            }
        }
    }

    fn read_scalar(&mut self) -> io::Result<Option<&'static str>> {
        while let Some(byte) = self.peek()? {
            if matches!(byte, b',' | b'}' | b']' | b'"' | b'{' | b'\n') {
                return Ok(None);
            }
            self.skip_one();
            self.keep(byte);
        }
        Ok(Some(CUT))
    }

    // The rest of a string inside a value. A key that begins a record shows that the record around it was cut.
    fn read_string(&mut self, depth: u64) -> io::Result<Option<&'static str>> {
        let mut text = [0_u8; 8];
        let mut length = 0;
        loop {
            let Some(byte) = self.take()? else {
                return Ok(Some(CUT));
            };
            self.keep(byte);
            match byte {
                b'\n' => {
                    self.place = Place::Lost;
                    return Ok(Some("a record cut inside a text"));
                }
                b'"' => break,
                b'\\' => {
                    if let Some(escaped) = self.take()? {
                        self.keep(escaped);
                    }
                    length = text.len();
                }
                _ if length < text.len() => {
                    text[length] = byte;
                    length += 1;
                }
                _ => {}
            }
        }
        let text = &text[..length];
        if depth == 0 || !RECORD_KEYS.contains(&text) {
            return Ok(None);
        }
        text.clone_into(&mut self.key);
        if self.peek_past_blanks()? != Some(b':') {
            return Ok(None);
        }
        self.skip_one();
        self.keep(b':');
        if self.peek_past_blanks()? != Some(b'{') {
            return Ok(None);
        }
        self.place = Place::BeforeValue;
        Ok(Some("a record cut before the next one"))
    }

    fn keep(&mut self, byte: u8) {
        if self.value.len() < RECORD_LIMIT {
            self.value.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn skip_blanks_to(&mut self, wanted: u8) -> io::Result<bool> {
        let found = self.peek_past_blanks()? == Some(wanted);
        if found {
            self.skip_one();
        }
        Ok(found)
    }

    fn peek_past_blanks(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.skip_one();
        }
        Ok(None)
    }

    fn take(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.skip_one();
        }
        Ok(byte)
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.from.fill_buf() {
                Ok(chunk) => return Ok(chunk.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn skip_one(&mut self) {
        self.from.consume(1);
    }
}

/// The keys of the first object in `head`, which may be cut; an empty list where it is no JSON object.
pub(super) fn top_level_keys(head: &[u8]) -> Vec<String> {
    let mut keys = Vec::new();
    let mut members = Members::new(head);
    loop {
        match members.next() {
            Ok(Some(Member::Value { key, .. })) => {
                keys.push(String::from_utf8_lossy(key).into_owned());
            }
            // The head ends inside this value.
            Ok(Some(Member::Damaged(CUT))) => {
                keys.push(String::from_utf8_lossy(&members.key).into_owned());
            }
            _ => return keys,
        }
    }
}

#[cfg(test)]
mod tests;
