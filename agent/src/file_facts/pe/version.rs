//! A version resource: the fixed numbers, and texts in tables by language. Lengths in the wild are wrong in known ways, so
//! a text ends at its NUL or with its block. It must not look at a file.

use epm_policy::FileVersion;

use super::super::read_at::{u16_at, u32_at};

const FIXED_MAGIC: u32 = 0xfeef_04bd;
/// Tables that are kept: one for each language that Windows comes in.
const MAX_TABLES: usize = 128;
/// Texts of a table that are kept: there are twelve by convention, and some programs add a few.
const MAX_STRINGS: usize = 256;
/// Characters of a text that are kept: four times what a rule may ask for.
const MAX_CHARS: usize = 4_000;

/// What a program says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionInfo {
    /// The version of the file as four numbers.
    pub file_version: Option<FileVersion>,
    /// The version of the product as four numbers.
    pub product_version: Option<FileVersion>,
    /// Texts by language, the preferred one first.
    pub tables: Vec<StringTable>,
}

/// Texts in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringTable {
    /// Language and code page as eight hexadecimal digits in the case of the file; `000004b0` is neutral.
    pub language: String,
    /// Names and texts in the order of the file.
    pub strings: Vec<(String, String)>,
}

impl StringTable {
    /// The text with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = |(key, _): &&(String, String)| key == name;
        self.strings.iter().find(named).map(|(_, text)| &**text)
    }
}

impl VersionInfo {
    /// The text with this name, from the first table that has one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let texts = self.tables.iter().filter_map(|table| table.get(name));
        texts.into_iter().find(|text| !text.is_empty())
    }

    /// Reads a resource; none where it is no version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let root = Blocks::all(bytes).next()?;
        if root.key != "VS_VERSION_INFO" {
            return None;
        }
        let mut info = Self::default();
        let fixed = bytes.get(root.value_at..).unwrap_or_default();
        if root.value_bytes >= 52 && u32_at(fixed, 0) == Some(FIXED_MAGIC) {
            info.file_version = version(fixed, 8);
            info.product_version = version(fixed, 16);
        }
        let mut preferred = Vec::new();
        for block in root.children(bytes) {
            match &*block.key {
                "StringFileInfo" => info.tables.extend(tables(bytes, &block)),
                "VarFileInfo" => preferred.extend(translations(bytes, &block)),
                _ => {}
            }
        }
        info.tables.truncate(MAX_TABLES);
        info.tables.sort_by_key(|table| {
            let language = table.language.to_ascii_lowercase();
            let at = preferred
                .iter()
                .position(|preferred| *preferred == language);
            at.unwrap_or(preferred.len())
        });
        Some(info)
    }
}

fn version(fixed: &[u8], at: usize) -> Option<FileVersion> {
    let [high, low] = [u32_at(fixed, at)?, u32_at(fixed, at + 4)?];
    let halves = |number: u32| [(number >> 16) as u16, number as u16];
    let ([a, b], [c, d]) = (halves(high), halves(low));
    Some(FileVersion([a, b, c, d]))
}

fn tables(bytes: &[u8], info: &Block) -> impl Iterator<Item = StringTable> {
    let tables = info.children(bytes).take(MAX_TABLES);
    tables.map(|table| StringTable {
        strings: table
            .children(bytes)
            .take(MAX_STRINGS)
            .map(|text| {
                let value = bytes.get(text.value_at..text.end).unwrap_or_default();
                (text.key, utf16(value))
            })
            .collect(),
        language: table.key,
    })
}

/// Languages in the order in which the program prefers them.
fn translations(bytes: &[u8], info: &Block) -> Vec<String> {
    let mut languages = Vec::new();
    for variable in info.children(bytes).filter(|v| v.key == "Translation") {
        let end = (variable.value_at + variable.value_bytes).min(variable.end);
        let pairs = bytes.get(variable.value_at..end).unwrap_or_default();
        for pair in pairs.chunks_exact(4).take(MAX_TABLES) {
            let number = |at| u16_at(pair, at).unwrap_or(0);
            languages.push(format!("{:04x}{:04x}", number(0), number(2)));
        }
    }
    languages
}

/// Text up to its NUL or the end.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .take(MAX_CHARS);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A block with its key; offsets count from the start of the resource, because alignment does.
struct Block {
    key: String,
    value_at: usize,
    /// As the block says. Texts count characters here, most of them.
    value_bytes: usize,
    end: usize,
}

impl Block {
    /// Blocks inside this one, behind its value.
    fn children<'b>(&self, bytes: &'b [u8]) -> Blocks<'b> {
        let at = aligned(self.value_at.saturating_add(self.value_bytes));
        Blocks {
            bytes,
            at,
            end: self.end,
        }
    }
}

struct Blocks<'b> {
    bytes: &'b [u8],
    at: usize,
    end: usize,
}

impl<'b> Blocks<'b> {
    fn all(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
        }
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let bytes = self.bytes.get(..self.end)?;
        let length = usize::from(u16_at(bytes, self.at)?);
        let value_bytes = usize::from(u16_at(bytes, self.at + 2)?);
        let key_at = self.at + 6;
        // Six bytes of numbers and the key's NUL: shorter blocks would be read for ever.
        if length < 8 {
            return None;
        }
        let end = self.at.saturating_add(length).min(self.end);
        let key_bytes = bytes.get(key_at..end)?;
        let units = key_bytes.chunks_exact(2);
        let key_units = units.take_while(|unit| *unit != [0, 0]).count();
        self.at = aligned(end);
        Some(Block {
            key: utf16(key_bytes),
            value_at: aligned(key_at + (key_units + 1) * 2),
            value_bytes,
            end,
        })
    }
}

fn aligned(at: usize) -> usize {
    at.saturating_add(3) & !3
}
