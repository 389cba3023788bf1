//! A log of JSON objects, handed on one by one however they stand: a line each, printed over several lines, one after
//! another, in an array, or in the `value` of a wrapping object. It must not look into an object.

use std::ops::ControlFlow;

use memchr::memchr3;

use super::TextTime;
use super::format::{Flow, Head, LogReader, RECORD_SEPARATOR};
use crate::source::Readings;

/// Largest object that is kept, in bytes. The longest Windows events are some hundred thousand.
pub(crate) const OBJECT_LIMIT: usize = 8 << 20;

/// Names under which an object wraps the list of those that count, as web interfaces answer.
const WRAPPERS: [&[u8]; 3] = [b"value", b"values", b"records"];

const CUT: &str = "the file ends inside a JSON object";
const TOO_LONG: &str = "a JSON object longer than 8 MiB";

/// What takes the objects of a format.
pub(crate) trait ObjectReader: Send + std::fmt::Debug {
    /// The text of one object, braces included. It is balanced, and need not be valid.
    fn object(&mut self, object: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow;

    /// What was held back because it might go on is whole.
    fn settle(&mut self, _into: &mut dyn Readings) -> Flow {
        ControlFlow::Continue(())
    }
}

/// Cuts bytes into objects. Damage costs the object that it hits: reading goes on at the next line that begins one.
#[derive(Debug)]
pub(crate) struct Objects<O> {
    reader: O,
    cutter: Cutter,
}

/// What the cutter found at a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Object,
    Damaged(&'static str),
}

#[derive(Debug, Default)]
struct Cutter {
    object: Vec<u8>,
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    // Where the newest string of depth 1 begins and ends in `object`, which a colon may make a key.
    string: (usize, usize),
    is_key: bool,
    is_too_long: bool,
    // Inside the list of a wrapping object; other members of the wrapper are passed over.
    is_wrapped: bool,
    // Behind damage: everything up to a line that begins an object is passed over.
    is_lost: bool,
    is_line_start: bool,
}

impl<O: ObjectReader> Objects<O> {
    pub(crate) fn new(reader: O) -> Self {
        Self {
            reader,
            cutter: Cutter {
                is_line_start: true,
                ..Cutter::default()
            },
        }
    }

    /// Whoever took the objects.
    pub(crate) fn into_reader(self) -> O {
        self.reader
    }
}

impl<O: ObjectReader> LogReader for Objects<O> {
    fn bytes(&mut self, bytes: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        let mut rest = bytes;
        loop {
            rest = self.cutter.plain_text(rest);
            let Some((byte, behind)) = rest.split_first() else {
                return ControlFlow::Continue(());
            };
            rest = behind;
            match self.cutter.byte(*byte) {
                Found::Nothing => {}
                Found::Object => self.reader.object(&self.cutter.object, time, into)?,
                Found::Damaged(why) => into.unreadable(why)?,
            }
        }
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.reader.settle(into)
    }

    fn finish(&mut self, _time: &TextTime, into: &mut dyn Readings) -> Flow {
        if self.cutter.depth > 0 {
            into.unreadable(CUT)?;
        }
        self.reader.settle(into)
    }
}

impl Cutter {
    /// Takes what can only be the inside of a text, which most of an object is, at once; returns what is behind it.
    fn plain_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.depth == 0 || !self.is_in_string || self.is_escaped || bytes.is_empty() {
            return bytes;
        }
        let end = memchr3(b'"', b'\\', b'\n', bytes).unwrap_or(bytes.len());
        let room = OBJECT_LIMIT - self.object.len();
        self.object.extend_from_slice(&bytes[..end.min(room)]);
        self.is_too_long |= end > room;
        &bytes[end..]
    }

    fn byte(&mut self, byte: u8) -> Found {
        let is_line_start = self.is_line_start;
        // Behind damage the next object may stand indented in a list. A sequence of texts (RFC 7464) has a separator in
        // front of each.
        let is_indent = is_line_start
            && (byte == RECORD_SEPARATOR || self.is_lost && matches!(byte, b' ' | b'\t'));
        self.is_line_start = byte == b'\n' || is_indent;
        if self.depth > 0 {
            // An object that is printed over several lines indents what is in it.
            if is_line_start && byte == b'{' && !self.object.is_empty() {
                self.begin();
                return Found::Damaged("a JSON object cut before the next one");
            }
            return self.inside(byte);
        }
        if self.is_lost {
            if is_line_start && byte == b'{' {
                self.is_lost = false;
                self.begin();
            }
            return Found::Nothing;
        }
        self.between(byte)
    }

    fn begin(&mut self) {
        self.object.clear();
        self.object.push(b'{');
        self.depth = 1;
        self.is_in_string = false;
        self.is_escaped = false;
        self.is_key = false;
        self.string = (0, 0);
        self.is_too_long = false;
    }

    fn between(&mut self, byte: u8) -> Found {
        if self.is_in_string {
            self.in_skipped_string(byte);
            return Found::Nothing;
        }
        match byte {
            b'{' => self.begin(),
            b'"' if self.is_wrapped => self.is_in_string = true,
            b'}' => self.is_wrapped = false,
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | RECORD_SEPARATOR | 0xef | 0xbb
            | 0xbf => {}
            _ if self.is_wrapped => {}
            _ => {
                self.is_lost = true;
                return Found::Damaged("text that is no JSON object");
            }
        }
        Found::Nothing
    }

    // A text beside the list of a wrapping object.
    fn in_skipped_string(&mut self, byte: u8) {
        match byte {
            _ if std::mem::take(&mut self.is_escaped) => {}
            b'\\' => self.is_escaped = true,
            b'"' | b'\n' => self.is_in_string = false,
            _ => {}
        }
    }

    fn inside(&mut self, byte: u8) -> Found {
        if self.object.len() < OBJECT_LIMIT {
            self.object.push(byte);
        } else {
            self.is_too_long = true;
        }
        if self.is_in_string {
            return self.in_string(byte);
        }
        match byte {
            b'"' => {
                self.is_in_string = true;
                self.string.0 = self.object.len();
                self.is_key = false;
            }
            b':' if self.depth == 1 => self.is_key = true,
            b'[' if self.is_wrapper() => {
                self.depth = 0;
                self.is_wrapped = true;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    return self.end();
                }
            }
            _ => {}
        }
        Found::Nothing
    }

    fn in_string(&mut self, byte: u8) -> Found {
        match byte {
            b'\n' => {
                self.depth = 0;
                self.is_in_string = false;
                self.is_lost = true;
                return Found::Damaged("a JSON object cut inside a text");
            }
            _ if std::mem::take(&mut self.is_escaped) => {}
            b'\\' => self.is_escaped = true,
            b'"' => {
                self.is_in_string = false;
                self.string.1 = self.object.len() - 1;
            }
            _ => {}
        }
        Found::Nothing
    }

    // Whether a list begins that is the value of a wrapping object's member.
    fn is_wrapper(&self) -> bool {
        let key = self.object.get(self.string.0..self.string.1);
        self.depth == 1 && self.is_key && key.is_some_and(|key| WRAPPERS.contains(&key))
    }

    fn end(&mut self) -> Found {
        if self.is_too_long {
            Found::Damaged(TOO_LONG)
        } else {
            Found::Object
        }
    }
}

/// The first whole object of a file that begins with `head`; `None` where there is none.
pub(crate) fn first_object(head: &Head<'_>) -> Option<serde_json::Value> {
    let first = objects_in(head, 1).pop()?;
    serde_json::from_slice(&first).ok()
}

/// The first whole objects of a file that begins with `head`, `most` at most.
pub(crate) fn objects_in(head: &Head<'_>, most: usize) -> Vec<Vec<u8>> {
    let mut objects = Vec::new();
    if !head.is_json() {
        return objects;
    }
    let mut cutter = Cutter {
        is_line_start: true,
        ..Cutter::default()
    };
    for byte in head.bytes() {
        if objects.len() == most {
            break;
        }
        if cutter.byte(*byte) == Found::Object {
            objects.push(cutter.object.clone());
        }
    }
    objects
}

#[cfg(test)]
mod tests;
