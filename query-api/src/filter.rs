//! `column=value` parameters as conditions. Does no IO; knows nothing of tables but the kind of a column.

use datafusion::common::ScalarValue;
use datafusion::functions::string::expr_fn::lower;
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};
use datafusion::prelude::ident;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::{ColumnInfo, ColumnKind, QueryError, moment};

/// Values of one column that a request may name; each becomes a comparison for every row.
const MAX_VALUES: usize = 100;
/// Characters of one value: longer than any path or command line that is stored whole.
const MAX_VALUE_CHARS: usize = 4_096;

/// All values that a request gives for one column.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// The column they apply to.
    pub(crate) column: ColumnInfo,
    any: Vec<Test>,
    none: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Absent,
    Equal(ScalarValue),
    Compare(Operator, ScalarValue),
    /// LIKE pattern with `\` as its escape, lower case where the column compares so.
    Like(String),
}

impl Filter {
    /// A filter without values yet, which lets everything through.
    pub(crate) fn new(column: ColumnInfo) -> Self {
        Self {
            column,
            any: Vec::new(),
            none: Vec::new(),
        }
    }

    /// Adds one value as written in the request.
    pub(crate) fn add(&mut self, value: &str, now: Timestamp) -> Result<(), QueryError> {
        if self.any.len() + self.none.len() == MAX_VALUES {
            return Err(wrong(
                &self.column,
                "too many values".into(),
                format!("Give at most {MAX_VALUES} values."),
            ));
        }
        if value.chars().count() > MAX_VALUE_CHARS {
            let remedy =
                format!("Give at most {MAX_VALUE_CHARS} characters; * stands for any text.");
            return Err(wrong(&self.column, "the value is too long".into(), remedy));
        }
        match value.strip_prefix('!') {
            Some(rest) => self.none.push(test(&self.column, rest, now)?),
            None => self.any.push(test(&self.column, value, now)?),
        }
        Ok(())
    }

    /// The condition on rows. Never null: a row without a value is matched by `!value` and not by `value`.
    pub(crate) fn condition(&self) -> Expr {
        let any = self
            .any
            .iter()
            .map(|test| test.matches(&self.column))
            .reduce(Expr::or);
        let none = self
            .none
            .iter()
            .map(|test| test.matches(&self.column).is_not_true());
        any.into_iter()
            .chain(none)
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true))
    }
}

impl Test {
    fn matches(&self, column: &ColumnInfo) -> Expr {
        let stored = ident(column.name);
        match self {
            Self::Absent => stored.is_null(),
            Self::Equal(value) if column.kind == ColumnKind::List => {
                array_has(stored, lit(value.clone()))
            }
            Self::Equal(value) => compared(stored, column.kind).eq(lit(value.clone())),
            Self::Compare(operator, value) => binary_expr(stored, *operator, lit(value.clone())),
            Self::Like(pattern) => compared(stored, column.kind).like(lit(pattern.as_str())),
        }
    }
}

/// Names of people, devices and files are compared without regard to case, as Windows does.
fn compared(stored: Expr, kind: ColumnKind) -> Expr {
    if kind == ColumnKind::Text {
        lower(stored)
    } else {
        stored
    }
}

fn test(column: &ColumnInfo, value: &str, now: Timestamp) -> Result<Test, QueryError> {
    use ColumnKind::{Count, Date, Flag, Id, List, Number, Text, Time, Word};
    if value.is_empty() {
        return Ok(Test::Absent);
    }
    let literal = value.strip_prefix('=');
    match column.kind {
        Text | Word | Id if literal.is_none() && value.contains('*') => {
            Ok(Test::Like(like_pattern(column.kind, value)))
        }
        Text => Ok(Test::Equal(ScalarValue::from(
            literal.unwrap_or(value).to_lowercase(),
        ))),
        Word | Id | List => Ok(Test::Equal(ScalarValue::from(literal.unwrap_or(value)))),
        Flag => flag(column, value),
        Count | Number | Time | Date => {
            let (operator, rest) = operator(value);
            let value = ordered_value(column, rest.trim(), now)?;
            Ok(operator.map_or(Test::Equal(value.clone()), |operator| {
                Test::Compare(operator, value)
            }))
        }
    }
}

fn like_pattern(kind: ColumnKind, value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
        .replace('*', "%");
    if kind == ColumnKind::Text {
        escaped.to_lowercase()
    } else {
        escaped
    }
}

fn flag(column: &ColumnInfo, value: &str) -> Result<Test, QueryError> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(Test::Equal(ScalarValue::from(true))),
        "false" | "no" | "0" => Ok(Test::Equal(ScalarValue::from(false))),
        _ => Err(wrong(
            column,
            format!("{value:?} is neither yes nor no"),
            "Write true or false.".into(),
        )),
    }
}

fn operator(value: &str) -> (Option<Operator>, &str) {
    for (sign, operator) in [
        (">=", Operator::GtEq),
        ("<=", Operator::LtEq),
        (">", Operator::Gt),
        ("<", Operator::Lt),
        ("=", Operator::Eq),
    ] {
        if let Some(rest) = value.strip_prefix(sign) {
            return (Some(operator), rest);
        }
    }
    (None, value)
}

fn ordered_value(
    column: &ColumnInfo,
    text: &str,
    now: Timestamp,
) -> Result<ScalarValue, QueryError> {
    match column.kind {
        ColumnKind::Time => {
            let time = moment::parse(column.name, text, now)?;
            Ok(ScalarValue::TimestampMicrosecond(
                Some(time.as_microsecond()),
                Some("UTC".into()),
            ))
        }
        ColumnKind::Date => {
            let day: Date = text.parse().map_err(|_| {
                let remedy =
                    "Write a date such as 2026-11-23, with >=, >, <= or < in front where you like.";
                wrong(column, format!("{text:?} is not a date"), remedy.into())
            })?;
            Ok(ScalarValue::Date32(Some(days_since_1970(day))))
        }
        _ => text.parse::<i64>().map(ScalarValue::from).map_err(|_| {
            let remedy = "Write a whole number, with >=, >, <= or < in front where you like.";
            wrong(column, format!("{text:?} is not a number"), remedy.into())
        }),
    }
}

/// Days between 1970-01-01 and `day`, as Arrow counts dates.
pub(crate) fn days_since_1970(day: Date) -> i32 {
    day.since(Date::constant(1970, 1, 1))
        .map_or(0, |span| span.get_days())
}

fn wrong(column: &ColumnInfo, detail: String, remedy: String) -> QueryError {
    QueryError::BadParameter {
        field: column.name.to_owned(),
        detail,
        remedy,
    }
}
