//! Options of an address: from its query, and from a properties file with the same names. It must not know what they
//! mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::address::AddressError;

/// Every option there is.
pub(super) const NAMES: [&str; 12] = [
    "group",
    "min-insync-replicas",
    "partitions",
    "properties",
    "replication-factor",
    "retention-days",
    "sasl",
    "sasl-password-file",
    "sasl-username",
    "tls-ca",
    "tls-certificate",
    "tls-key",
];
/// Bytes of a properties file: a hundred times what all options need.
const MAX_PROPERTIES_BYTES: u64 = 64 << 10;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) text: String,
    place: String,
}

/// Options that were given and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Options(BTreeMap<&'static str, Given>);

impl Options {
    /// The options in a query, percent-encoded where they have to be.
    pub(super) fn of_query(query: &str) -> Result<Self, AddressError> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            options.add("the address", name, decode(value))?;
        }
        Ok(options)
    }

    fn add(&mut self, place: &str, name: &str, text: String) -> Result<(), AddressError> {
        let place = place.to_owned();
        let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
            return Err(AddressError::Unknown {
                place,
                name: name.to_owned(),
                known: NAMES.join(", "),
            });
        };
        if self.0.contains_key(known) {
            let name = name.to_owned();
            return Err(AddressError::Twice { place, name });
        }
        self.0.insert(known, Given { text, place });
        Ok(())
    }

    /// Takes over what `others` has and this does not: the address wins over the file.
    pub(super) fn fill(&mut self, others: Self) {
        for (name, given) in others.0 {
            self.0.entry(name).or_insert(given);
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Given> {
        self.0.remove(name)
    }

    /// Takes `name` where it has just this value.
    pub(super) fn take_if(&mut self, name: &str, value: &str) -> bool {
        let is_it = self.0.get(name).is_some_and(|given| given.text == value);
        is_it && self.take(name).is_some()
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.take(name).map(|given| PathBuf::from(given.text))
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, AddressError> {
        let Some(given) = self.take(name) else {
            return Ok(None);
        };
        match given.text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => {
                let need = format!("write a whole number from {least} to {most}");
                Err(given.refused(name, need))
            }
        }
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, AddressError> {
        let Some(given) = self.take(name) else {
            return Ok(None);
        };
        let chosen = choices.iter().find(|(word, _)| *word == given.text);
        match chosen {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                let need = format!("write one of {}", words.join(", "));
                Err(given.refused(name, need))
            }
        }
    }
}

impl Given {
    fn refused(self, name: &str, need: String) -> AddressError {
        AddressError::Value {
            place: self.place,
            name: name.to_owned(),
            value: self.text,
            need,
        }
    }
}

/// Options in a file: `name = value` lines; blank lines and those that begin with # are passed over.
pub(super) fn read_properties(path: &Path) -> Result<Options, AddressError> {
    let unreadable = |cause| AddressError::File {
        path: path.to_owned(),
        cause,
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_PROPERTIES_BYTES {
        let words = format!("it has {bytes} bytes, and {MAX_PROPERTIES_BYTES} are the most");
        return Err(unreadable(std::io::Error::other(words)));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut options = Options::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{} line {}", path.display(), number + 1);
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        if name.trim() == "properties" {
            return Err(AddressError::Contradiction(format!(
                "{place}: a properties file does not name another one"
            )));
        }
        options.add(&place, name.trim(), value.trim().to_owned())?;
    }
    Ok(options)
}

/// A value with its `%XX` decoded; one that is not such stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |at: usize| {
            after
                .get(at)
                .and_then(|digit| (*digit as char).to_digit(16))
        };
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
