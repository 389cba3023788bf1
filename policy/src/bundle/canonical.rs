//! The one way to write a value as JSON, so that the same policies have the same bytes and the same hash everywhere.
//!
//! It is RFC 8785 (JSON Canonicalization Scheme) for the values that a bundle has: no blanks; keys by their UTF-16 code
//! units, each once; the shortest escapes; and of numbers only integers up to 2⁵³ − 1, which every reader of JSON reads
//! alike. [`check`] is a reader of its own that allocates no tree: it sees bytes that nobody has looked at yet.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::limits::MAX_BUNDLE_DEPTH;

/// The greatest integer below which all are exact in a 64-bit floating-point number.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// How a text differs from the canonical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each has its sentence beside it")]
pub enum Deviation {
    #[error("it is not JSON here")]
    NotJson,
    #[error("there is a blank outside a text")]
    Blank,
    #[error("the key does not come after the one before it")]
    KeyOrder,
    #[error("a character is escaped otherwise than it must be")]
    Escape,
    #[error("the number is not an integer from -(2^53 - 1) to 2^53 - 1 in its shortest form")]
    Number,
    #[error("it nests more than {MAX_BUNDLE_DEPTH} levels deep")]
    Depth,
    #[error("something follows the end")]
    Trailing,
}

/// Appends the canonical form of `value`; `None` where it has a number that has none.
pub(super) fn write(value: &Value, into: &mut String) -> Option<()> {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by(|(one, _), (other, _)| by_utf16(one, other));
            into.push('{');
            for (place, (key, value)) in entries.into_iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                text(key, into);
                into.push(':');
                write(value, into)?;
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                write(item, into)?;
            }
            into.push(']');
        }
        Value::String(written) => text(written, into),
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64())?;
            (size <= MAX_EXACT).then_some(())?;
            into.push_str(&number.to_string());
        }
        Value::Bool(true) => into.push_str("true"),
        Value::Bool(false) => into.push_str("false"),
        Value::Null => into.push_str("null"),
    }
    Some(())
}

fn text(written: &str, into: &mut String) {
    into.push('"');
    for c in written.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\u{8}' => into.push_str("\\b"),
            '\u{c}' => into.push_str("\\f"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            c if c < ' ' => into.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => into.push(c),
        }
    }
    into.push('"');
}

/// The order of keys. It is not that of their bytes: a character outside the basic plane comes before U+E000.
fn by_utf16(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// Whether `text` is the canonical form of some value.
///
/// # Errors
///
/// The first byte from which on it is not, and how it differs.
pub(super) fn check(text: &str) -> Result<(), (usize, Deviation)> {
    let mut scanner = Scanner { text, at: 0 };
    let scanned = scanner.value(MAX_BUNDLE_DEPTH);
    match scanned {
        Ok(()) if scanner.at < text.len() => Err((scanner.at, Deviation::Trailing)),
        scanned => scanned.map_err(|deviation| (scanner.at, deviation)),
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

type Scan<T = ()> = Result<T, Deviation>;

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Scan {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.wrong()),
        }
    }

    fn wrong(&self) -> Deviation {
        match self.peek() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => Deviation::Blank,
            _ => Deviation::NotJson,
        }
    }

    fn value(&mut self, levels: usize) -> Scan {
        match self.peek() {
            Some(b'{') => self.object(levels.checked_sub(1).ok_or(Deviation::Depth)?),
            Some(b'[') => self.array(levels.checked_sub(1).ok_or(Deviation::Depth)?),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong()),
        }
    }

    fn object(&mut self, levels: usize) -> Scan {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut before: Option<Cow<'t, str>> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if before.is_some_and(|before| by_utf16(&before, &key).is_ge()) {
                self.at = start;
                return Err(Deviation::KeyOrder);
            }
            before = Some(key);
            self.expect(b':')?;
            self.value(levels)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, levels: usize) -> Scan {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(levels)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn word(&mut self, word: &str) -> Scan {
        if !self.text[self.at..].starts_with(word) {
            return Err(Deviation::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Scan {
        let start = self.at;
        self.take(b'-');
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let written = &self.text[start..self.at];
        let digits = written.trim_start_matches('-');
        let exact = digits.parse().is_ok_and(|size: u64| size <= MAX_EXACT);
        let shortest = !digits.starts_with('0') || written == "0";
        let whole = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if exact && shortest && whole {
            return Ok(());
        }
        self.at = start;
        Err(Deviation::Number)
    }

    /// What the string stands for; borrowed where nothing is escaped, as in most.
    fn string(&mut self) -> Scan<Cow<'t, str>> {
        self.expect(b'"')?;
        let mut read = Cow::Borrowed("");
        loop {
            let plain = self.text[self.at..]
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .ok_or(Deviation::NotJson)?;
            read += &self.text[self.at..self.at + plain];
            self.at += plain;
            if self.take(b'"') {
                return Ok(read);
            }
            read.to_mut().push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Scan<char> {
        let rest = &self.text.as_bytes()[self.at..];
        let (c, length) = match *rest {
            [b'\\', b'"', ..] => ('"', 2),
            [b'\\', b'\\', ..] => ('\\', 2),
            [b'\\', b'b', ..] => ('\u{8}', 2),
            [b'\\', b'f', ..] => ('\u{c}', 2),
            [b'\\', b'n', ..] => ('\n', 2),
            [b'\\', b'r', ..] => ('\r', 2),
            [b'\\', b't', ..] => ('\t', 2),
            [b'\\', b'u', b'0', b'0', high, low, ..] => {
                (control(high, low).ok_or(Deviation::Escape)?, 6)
            }
            [b'\\', ..] => return Err(Deviation::Escape),
            _ => return Err(Deviation::NotJson),
        };
        self.at += length;
        Ok(c)
    }
}

/// The control character of two lower-case digits, where it has no shorter escape.
fn control(high: u8, low: u8) -> Option<char> {
    let low = match low {
        b'0'..=b'9' => low - b'0',
        b'a'..=b'f' => low - b'a' + 10,
        _ => return None,
    };
    let code = match high {
        b'0' | b'1' => (high - b'0') << 4 | low,
        _ => return None,
    };
    let shorter = matches!(code, 8 | 9 | 10 | 12 | 13);
    (!shorter).then_some(char::from(code))
}

#[cfg(test)]
mod tests;
