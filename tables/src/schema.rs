//! The columns of every table: one list each, from which the Arrow schema and the field reference are made.
//!
//! A column is added at the end of its list and never changes its type. It must not know how a value is computed.

mod devices;
mod elevations;
mod reference;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use self::devices::{DEAD_LETTERS, DEVICES};
pub use self::elevations::{ELEVATIONS, USAGE, USAGE_DIMENSIONS};
pub use self::reference::field_reference;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A list of texts.
    TextList,
    /// A whole number of 64 bits.
    Long,
    /// A whole number of 32 bits.
    Int,
    /// True or false.
    Flag,
    /// A time in UTC, to the microsecond.
    Time,
    /// A day in UTC.
    Date,
    /// Bytes.
    Binary,
}

impl Kind {
    /// The Arrow type.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::TextList => DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
            Self::Long => DataType::Int64,
            Self::Int => DataType::Int32,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Binary => DataType::Binary,
        }
    }
}

/// One column. Every column may be null: a source that does not say is not guessed for.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means, with unit and source.
    pub doc: &'static str,
}

/// A short way to write a column in a list.
pub(crate) const fn column(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, doc }
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name, and folder under the tables' address.
    pub name: &'static str,
    /// What a row is.
    pub row: &'static str,
    /// Columns in order.
    pub columns: &'static [Column],
    /// The column by which files are kept apart.
    pub partition: Option<&'static str>,
}

/// One row for each elevation.
pub const ELEVATIONS_TABLE: Table = Table {
    name: "elevations",
    row: "one elevation: attempt, grant, denial, cancellation or failure, joined with its exit",
    columns: ELEVATIONS,
    partition: Some("event_date"),
};

/// Daily counts.
pub const USAGE_TABLE: Table = Table {
    name: "usage",
    row: "the elevations of one day that agree in every dimension; a key may have several rows between compactions, so \
          readers sum",
    columns: USAGE,
    partition: Some("event_date"),
};

/// One row for each agent.
pub const DEVICES_TABLE: Table = Table {
    name: "devices",
    row: "one agent, as its newest record says",
    columns: DEVICES,
    partition: None,
};

/// What could not be folded.
pub const DEAD_LETTERS_TABLE: Table = Table {
    name: "dead_letters",
    row: "one log entry that could not be folded, or that the collector refused",
    columns: DEAD_LETTERS,
    partition: Some("received_date"),
};

/// Every table, in the order in which they are committed.
pub const TABLES: [Table; 4] = [
    DEAD_LETTERS_TABLE,
    ELEVATIONS_TABLE,
    USAGE_TABLE,
    DEVICES_TABLE,
];

impl Table {
    /// The Arrow schema.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(column.name, column.kind.data_type(), true);
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }

    /// Where the column stands.
    ///
    /// # Panics
    ///
    /// Where there is no such column, which is a mistake in the program.
    #[must_use]
    pub fn index(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .unwrap_or_else(|| panic!("table {} has no column {name}", self.name))
    }
}
