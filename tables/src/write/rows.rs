//! Rows into Arrow columns, in the order of a table's column list, and single rows out of them.
//!
//! Every value is named, and a name that is not the next column's is caught in tests. It must not know what a value means.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryBuilder, BooleanBuilder, Date32Builder, Int32Builder,
    Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Field, Int32Type, Int64Type, SchemaRef, TimestampMicrosecondType,
};

use crate::schema::{Kind, Table};

/// Longest digest that is written as hexadecimal digits, in bytes.
const LONGEST_HEX: usize = 32;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Cell {
    /// Nothing is known.
    Null,
    /// UTF-8 text.
    Text(String),
    /// A list of texts.
    TextList(Vec<String>),
    /// 64 bits.
    Long(i64),
    /// 32 bits.
    Int(i32),
    /// True or false.
    Flag(bool),
    /// Microseconds since 1970, UTC.
    Time(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Cell {
    /// The value of `row` in `column`.
    #[must_use]
    pub fn read(column: &ArrayRef, row: usize) -> Self {
        if column.is_null(row) {
            return Self::Null;
        }
        match column.data_type() {
            DataType::Utf8 => Self::Text(column.as_string::<i32>().value(row).to_owned()),
            DataType::List(_) => {
                let list = column.as_list::<i32>().value(row);
                let texts = list.as_string::<i32>();
                Self::TextList(texts.iter().flatten().map(str::to_owned).collect())
            }
            DataType::Int64 => Self::Long(column.as_primitive::<Int64Type>().value(row)),
            DataType::Int32 => Self::Int(column.as_primitive::<Int32Type>().value(row)),
            DataType::Boolean => Self::Flag(column.as_boolean().value(row)),
            DataType::Timestamp(..) => {
                Self::Time(column.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            DataType::Date32 => Self::Date(column.as_primitive::<Date32Type>().value(row)),
            DataType::Binary => Self::Binary(column.as_binary::<i32>().value(row).to_vec()),
            other => unreachable!("no column has the type {other}"),
        }
    }

    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True where nothing is known.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// All values of one row, in the order of the columns.
pub type Cells = Vec<Cell>;

/// The values of `row`.
#[must_use]
pub fn read_cells(rows: &RecordBatch, row: usize) -> Cells {
    let read = |column| Cell::read(column, row);
    rows.columns().iter().map(read).collect()
}

#[derive(Debug)]
enum ColumnBuilder {
    Text(StringBuilder),
    TextList(ListBuilder<StringBuilder>),
    Long(Int64Builder),
    Int(Int32Builder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Binary(BinaryBuilder),
}

impl ColumnBuilder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::TextList => Self::TextList(
                ListBuilder::new(StringBuilder::new()).with_field(Field::new(
                    "element",
                    DataType::Utf8,
                    true,
                )),
            ),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Int => Self::Int(Int32Builder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Binary => Self::Binary(BinaryBuilder::new()),
        }
    }

    fn append(&mut self, cell: &Cell) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(value)) => column.append_value(value),
            (Self::TextList(column), Cell::TextList(values)) => {
                column.append_value(values.iter().map(Some));
            }
            (Self::Long(column), Cell::Long(value)) => column.append_value(*value),
            (Self::Int(column), Cell::Int(value)) => column.append_value(*value),
            (Self::Flag(column), Cell::Flag(value)) => column.append_value(*value),
            (Self::Time(column), Cell::Time(value)) => column.append_value(*value),
            (Self::Date(column), Cell::Date(value)) => column.append_value(*value),
            (Self::Binary(column), Cell::Binary(value)) => column.append_value(value),
            (column, Cell::Null) => column.append_null(),
            (column, cell) => unreachable!("{cell:?} does not fit {column:?}"),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(column) => column.append_null(),
            Self::TextList(column) => column.append_null(),
            Self::Long(column) => column.append_null(),
            Self::Int(column) => column.append_null(),
            Self::Flag(column) => column.append_null(),
            Self::Time(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Binary(column) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::TextList(column) => Arc::new(column.finish()),
            Self::Long(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Binary(column) => Arc::new(column.finish()),
        }
    }
}

/// Builds rows of one table. Every method writes the next column of the row; its name is given so that a reader sees
/// which, and so that a mistake is caught.
#[derive(Debug)]
pub struct RowsBuilder {
    definition: Table,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    at: usize,
    rows: usize,
}

macro_rules! setter {
    ($(#[$doc:meta])* $method:ident, $variant:ident, $value:ty) => {
        $(#[$doc])*
        #[inline]
        pub fn $method(&mut self, name: &'static str, value: Option<$value>) {
            if let ColumnBuilder::$variant(column) = self.next(name) {
                column.append_option(value);
            } else {
                unreachable!("column {name} is of another kind");
            }
        }
    };
}

impl RowsBuilder {
    /// Builds rows of `definition`.
    #[must_use]
    pub fn new(definition: Table) -> Self {
        let columns = definition.columns.iter();
        Self {
            schema: definition.schema(),
            columns: columns
                .map(|column| ColumnBuilder::new(column.kind))
                .collect(),
            definition,
            at: 0,
            rows: 0,
        }
    }

    /// Whole rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    fn next(&mut self, name: &'static str) -> &mut ColumnBuilder {
        let at = self.at;
        debug_assert_eq!(
            self.definition.columns.get(at).map(|column| column.name),
            Some(name),
            "columns are written in their order"
        );
        self.at += 1;
        &mut self.columns[at]
    }

    setter!(/// 64 bits.
        long, Long, i64);
    setter!(/// 32 bits.
        int, Int, i32);
    setter!(/// True or false.
        flag, Flag, bool);
    setter!(/// Microseconds since 1970, UTC.
        time, Time, i64);
    setter!(/// Days since 1970-01-01.
        date, Date, i32);
    setter!(/// Bytes.
        binary, Binary, &[u8]);
    setter!(/// Text, as it is: an empty one stays empty.
        optional_text, Text, &str);

    /// Text; an empty one is a null, because the wire cannot tell them apart.
    #[inline]
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.optional_text(name, Some(value).filter(|value| !value.is_empty()));
    }

    /// Bytes as lower-case hexadecimal digits; none is a null. At most 32 bytes are written.
    #[inline]
    pub fn hex(&mut self, name: &'static str, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 2 * LONGEST_HEX];
        let written = bytes.len().min(LONGEST_HEX);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        self.text(
            name,
            std::str::from_utf8(&digits[..2 * written]).unwrap_or_default(),
        );
    }

    /// A list of texts; an empty one is a null.
    pub fn texts<'a>(
        &mut self,
        name: &'static str,
        values: impl ExactSizeIterator<Item = &'a str>,
    ) {
        if let ColumnBuilder::TextList(column) = self.next(name) {
            if values.len() == 0 {
                column.append_null();
            } else {
                column.append_value(values.map(Some));
            }
        } else {
            unreachable!("column {name} is of another kind");
        }
    }

    /// Ends the row.
    ///
    /// # Panics
    ///
    /// Where a column was left out, which is a mistake in the program.
    #[inline]
    pub fn end_row(&mut self) {
        assert_eq!(self.at, self.columns.len(), "a row has every column");
        self.at = 0;
        self.rows += 1;
    }

    /// A whole row.
    pub fn push(&mut self, cells: &[Cell]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.append(cell);
        }
        self.rows += 1;
    }

    /// The rows so far; the builder starts again empty.
    ///
    /// # Panics
    ///
    /// Where a row was not ended, which is a mistake in the program.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .expect("every row has every column, and columns have the types of the schema")
    }
}
