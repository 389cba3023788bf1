//! Policies as text: YAML for people, JSON for programs, with the same keys. Errors name line and column. It must not read
//! a disk: whoever does passes the bytes, and reads at most one more than [`MAX_POLICY_FILE_BYTES`] of them.

mod outline;
mod schema;

use std::fmt;

use crate::limits::{
    MAX_POLICY_FILE_BYTES, MAX_YAML_ALIASES, MAX_YAML_DEPTH, MAX_YAML_NODES, MAX_YAML_REPLAYED,
};
use crate::model::Policies;
use crate::validate::{Field, Place, Violation, validate};
use outline::Outline;

pub use schema::schema;

/// How policies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// By the end of a file's name: `.json` is JSON, everything else YAML.
    #[must_use]
    pub fn of(file_name: &str) -> Self {
        let json = file_name.to_ascii_lowercase().ends_with(".json");
        if json { Self::Json } else { Self::Yaml }
    }
}

/// Where in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One mistake, and where it is written. Without a position where the text has no place for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedViolation {
    /// Where the field is written, or the nearest thing around it.
    pub position: Option<Position>,
    /// The mistake.
    pub violation: Violation,
}

/// Why a text is not policies that can be used. The last good ones stay in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It is longer than any policies are.
    TooLarge {
        /// How long it is, as far as it was read.
        bytes: usize,
    },
    /// It is not UTF-8.
    NotText {
        /// Bytes before the first that is not.
        valid_bytes: usize,
    },
    /// It has another form: not YAML or JSON, an unknown or repeated key, a value of another kind, or too much of
    /// something.
    Form {
        /// Where.
        position: Option<Position>,
        /// What.
        message: String,
    },
    /// The form is right, and what it says cannot be used.
    Invalid {
        /// At least one, in the order of writing.
        violations: Vec<PlacedViolation>,
        /// How many there are in all.
        total: usize,
    },
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(
                f,
                "the file has {bytes} bytes or more, {MAX_POLICY_FILE_BYTES} are allowed; split it"
            ),
            Self::NotText { valid_bytes } => write!(
                f,
                "the file is not UTF-8 after {valid_bytes} bytes; save it as UTF-8"
            ),
            Self::Form { position, message } => match position {
                Some(position) => write!(f, "{position}: {message}"),
                None => f.write_str(message),
            },
            Self::Invalid { violations, total } => {
                for (number, placed) in violations.iter().enumerate() {
                    if number > 0 {
                        f.write_str("\n")?;
                    }
                    if let Some(position) = placed.position {
                        write!(f, "{position}: ")?;
                    }
                    write!(f, "{}", placed.violation)?;
                }
                match total - violations.len() {
                    0 => Ok(()),
                    more => write!(f, "\nand {more} more"),
                }
            }
        }
    }
}

/// Reads policies and checks them.
///
/// # Errors
///
/// [`FileError`] with every mistake that was found, and where.
pub fn read(format: Format, bytes: &[u8]) -> Result<Policies, FileError> {
    if bytes.len() > MAX_POLICY_FILE_BYTES {
        return Err(FileError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::NotText {
        valid_bytes: error.valid_up_to(),
    })?;
    let policies: Policies = match format {
        Format::Yaml => from_yaml(text)?,
        Format::Json => serde_json::from_str(text).map_err(json_error)?,
    };
    let Err(error) = validate(&policies) else {
        return Ok(policies);
    };
    // JSON is YAML too, but for rare escapes; then mistakes are told without their position.
    let outline: Outline = from_yaml(text).unwrap_or_default();
    let place = |violation: Violation| PlacedViolation {
        position: outline.position(&violation.place, violation.field),
        violation,
    };
    Err(FileError::Invalid {
        violations: error.violations.into_iter().map(place).collect(),
        total: error.total,
    })
}

/// Where parts of policies are written in a text that [`read`] took; `None` where that cannot be told.
#[must_use]
pub fn positions(bytes: &[u8], places: &[Place]) -> Vec<Option<Position>> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let outline: Outline = from_yaml(text).unwrap_or_default();
    let position = |place| outline.position(place, Field::Id);
    places.iter().map(position).collect()
}

/// Writes policies in the form that [`read`] takes. The same policies give the same text.
///
/// # Errors
///
/// The message of the writer; no policies are known that cause one.
pub fn write(format: Format, policies: &Policies) -> Result<String, String> {
    match format {
        Format::Yaml => serde_saphyr::to_string(policies).map_err(|error| error.to_string()),
        Format::Json => serde_json::to_string_pretty(policies).map_err(|error| error.to_string()),
    }
}

fn from_yaml<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Result<T, FileError> {
    let options = serde_saphyr::options! {
        // `yes` and `no` are texts; a key that comes twice is an error by default.
        strict_booleans: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_YAML_REPLAYED,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: MAX_YAML_ALIASES,
        },
        budget: serde_saphyr::budget! {
            max_depth: MAX_YAML_DEPTH,
            max_nodes: MAX_YAML_NODES,
            max_events: MAX_YAML_NODES * 2,
            max_aliases: MAX_YAML_ALIASES,
            max_anchors: MAX_YAML_ALIASES,
            max_documents: 1,
            max_total_scalar_bytes: MAX_POLICY_FILE_BYTES,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| FileError::Form {
        position: error.location().map(position),
        message: message(&error),
    })
}

fn position(location: serde_saphyr::Location) -> Position {
    Position {
        line: location.line(),
        column: location.column(),
    }
}

/// The message without the position, which stands in front of it.
fn message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::MessageFormatter as _;
    let text = serde_saphyr::DefaultMessageFormatter.format_message(error.without_snippet());
    text.into_owned()
}

fn json_error(error: serde_json::Error) -> FileError {
    let position = Position {
        line: error.line() as u64,
        column: error.column() as u64,
    };
    let text = error.to_string();
    let end = format!(" at line {} column {}", position.line, position.column);
    FileError::Form {
        position: (position.line > 0).then_some(position),
        message: text.strip_suffix(&end).unwrap_or(&text).to_owned(),
    }
}
