//! What several sensors saw of one process is one row: what it says. Which observations belong together is for `sets.rs`.
//!
//! Pure: the rows are a function of the set of observations, in whatever order they came. A row that stands for several
//! keeps each as it was alone, so that a later observation can be weighed against all of them.

use epm_proto::sightings::{Sensor, Told};
use epm_tables::schema::{Column, ELEVATIONS_TABLE, Kind};
use epm_tables::write::{Cell, Cells};
use serde_json::{Map, Value};

use super::index::{End, Key, Member, Observation, parse_key, sighted};
use super::rank::Rank;

/// What Security 4688 knows better than Sysmon.
const SECURITY_FIRST: &[&str] = &[
    "target_user_name",
    "target_user_id",
    "token_elevation_type",
    "trigger",
];

/// What follows from the outcome: taken from the observation that it is taken from.
const DECIDED: &[&str] = &["outcome", "elevation_type", "run_as", "reason"];

/// What names the record that a row came in: taken together from one observation.
const ENVELOPE: &[&str] = &[
    "event_id",
    "source_event_key",
    "agent_id",
    "epoch",
    "sequence",
    "record_hash",
    "previous_hash",
    "tenant_id",
    "device_id",
    "agent_version",
    "boot_id",
    "reporting_scope",
    "schema_version",
    "observed_at",
    "received_at",
    "event_date",
];

/// What an exit adds to a row.
pub(crate) const EXIT_COLUMNS: [&str; 3] = ["result_code", "duration_ms", "signal"];

pub(crate) fn at(name: &str) -> usize {
    ELEVATIONS_TABLE.index(name)
}

/// The keys of a row's observations.
pub(crate) fn keys(row: &Cells) -> Vec<Key> {
    let own = row[at("source_event_key")].text().and_then(parse_key);
    let merged = match &row[at("merged_source_event_keys")] {
        Cell::TextList(keys) => keys.iter().filter_map(|key| parse_key(key)).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(merged).collect()
}

/// The observations that a row was made of, each as it was alone. A row whose observations cannot be read stands for
/// itself: nothing of it goes.
pub(crate) fn explode(row: Cells) -> Vec<Cells> {
    let observations = row[at("merged_observations")].text().map(parse);
    match observations {
        Some(observations) if !observations.is_empty() => observations,
        _ => vec![row],
    }
}

/// The row of observations that are one process. One alone is its own row.
pub(crate) fn assemble(mut observations: Vec<Cells>) -> Cells {
    if observations.len() == 1 {
        return observations.remove(0);
    }
    let key = |row: &Cells| row[at("source_event_key")].text().map(str::to_owned);
    let observed = |row: &Cells| match row[at("observed_at")] {
        Cell::Time(time) => time,
        _ => i64::MIN,
    };
    observations.sort_by_key(|row| (observed(row), key(row)));
    let first = observations[0].clone();
    let mut richest_first: Vec<&Cells> = observations.iter().collect();
    richest_first.sort_by_key(|row| rank(row));
    let mut security_first = richest_first.clone();
    security_first.sort_by_key(|row| !is_security(row));
    let decider = decider(&richest_first);
    let pick = |column: &Column, index: usize| -> Cell {
        if ENVELOPE.contains(&column.name) {
            return first[index].clone();
        }
        if DECIDED.contains(&column.name) {
            return decider[index].clone();
        }
        let order = if SECURITY_FIRST.contains(&column.name) {
            &security_first
        } else {
            &richest_first
        };
        let known = order
            .iter()
            .map(|row| &row[index])
            .find(|cell| !cell.is_null());
        known.cloned().unwrap_or(Cell::Null)
    };
    let columns = ELEVATIONS_TABLE.columns.iter().enumerate();
    let mut row: Cells = columns.map(|(index, column)| pick(column, index)).collect();
    let mut seen: Vec<String> = observations.iter().flat_map(sensors).collect();
    seen.sort_unstable();
    seen.dedup();
    row[at("sensors")] = Cell::TextList(seen);
    let others = observations[1..].iter().filter_map(key).collect();
    row[at("merged_source_event_keys")] = Cell::TextList(others);
    row[at("merged_observations")] = Cell::Text(write(&observations));
    row
}

fn sensors(row: &Cells) -> Vec<String> {
    match &row[at("sensors")] {
        Cell::TextList(sensors) => sensors.clone(),
        _ => Vec::new(),
    }
}

fn is_security(row: &Cells) -> bool {
    let place = member(row).and_then(|member| member.place);
    place.is_some_and(|(_, sensor)| sensor == Sensor::Security4688)
}

/// Whose facts a row takes first where several sensors know them: the less, the richer.
fn rank(row: &Cells) -> u8 {
    let Some(member) = member(row) else {
        return u8::MAX;
    };
    match (member.told.map(|(_, told)| told), member.place) {
        (Some(Told::Server), _) => 0,
        (Some(Told::Json), _) => 1,
        (Some(Told::Line), _) | (None, Some((_, Sensor::Sysmon1 | Sensor::SudoLine))) => 2,
        (Some(Told::File), _) => 3,
        (None, Some((_, Sensor::Security4688 | Sensor::SudoStarted))) => 4,
        (None, Some((_, Sensor::SudoCommand))) => 5,
        // sudo is not what was asked for.
        (None, Some((_, Sensor::SudoItself)) | None) => 6,
    }
}

/// Who says what became of it: where one sensor cannot say and another can, the other is right.
fn decider<'a>(richest_first: &[&'a Cells]) -> &'a Cells {
    let undecided = Cell::Text("undecided".to_owned());
    let decided = richest_first.iter().find(|row| {
        let outcome = &row[at("outcome")];
        !outcome.is_null() && *outcome != undecided
    });
    decided.unwrap_or(&richest_first[0])
}

fn write(observations: &[Cells]) -> String {
    let object = |row: &Cells| {
        let columns = ELEVATIONS_TABLE.columns.iter().zip(row);
        let known =
            columns.filter_map(|(column, cell)| Some((column.name.to_owned(), json(cell)?)));
        Value::Object(known.collect::<Map<_, _>>())
    };
    Value::from(observations.iter().map(object).collect::<Vec<_>>()).to_string()
}

fn json(cell: &Cell) -> Option<Value> {
    Some(match cell {
        Cell::Null | Cell::Binary(_) => return None,
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::TextList(texts) => Value::from(texts.clone()),
        Cell::Long(number) | Cell::Time(number) => Value::from(*number),
        Cell::Int(number) | Cell::Date(number) => Value::from(*number),
        Cell::Flag(flag) => Value::from(*flag),
    })
}

fn parse(text: &str) -> Vec<Cells> {
    let objects: Vec<Map<String, Value>> = serde_json::from_str(text).unwrap_or_default();
    let cell = |column: &Column, value: Option<&Value>| -> Option<Cell> {
        let value = value?;
        let int = || value.as_i64().and_then(|number| i32::try_from(number).ok());
        Some(match column.kind {
            Kind::Text => Cell::Text(value.as_str()?.to_owned()),
            Kind::TextList => {
                let texts = value.as_array()?.iter().filter_map(Value::as_str);
                Cell::TextList(texts.map(str::to_owned).collect())
            }
            Kind::Long => Cell::Long(value.as_i64()?),
            Kind::Time => Cell::Time(value.as_i64()?),
            Kind::Int => Cell::Int(int()?),
            Kind::Date => Cell::Date(int()?),
            Kind::Flag => Cell::Flag(value.as_bool()?),
            Kind::Binary => return None,
        })
    };
    let row = |object: &Map<String, Value>| -> Cells {
        let columns = ELEVATIONS_TABLE.columns.iter();
        let read = |column: &Column| cell(column, object.get(column.name)).unwrap_or(Cell::Null);
        columns.map(read).collect()
    };
    objects.iter().map(row).collect()
}

/// What an index needs of the observations that `text` keeps, for the row `row_key` at `row`.
pub(crate) fn observations(text: &str, row: usize, row_key: Key) -> Vec<Observation> {
    let parsed = parse(text);
    let observation = |cells: &Cells| -> Option<Observation> {
        let key = cells[at("source_event_key")].text().and_then(parse_key)?;
        let rank = Rank::of_row(cells)?;
        let member = member(cells).map(|member| Member {
            row: row_key,
            ..member
        });
        Some(Observation {
            row,
            key,
            rank,
            end: end(cells),
            member,
        })
    };
    parsed.iter().filter_map(observation).collect()
}

fn end(cells: &Cells) -> End {
    ["result_code", "duration_ms"].map(|name| match cells[at(name)] {
        Cell::Long(number) => Some(number),
        _ => None,
    })
}

/// A single observation, where others may have seen the same.
fn member(cells: &Cells) -> Option<Member> {
    let sensors = sensors(cells);
    let key = cells[at("source_event_key")].text().and_then(parse_key)?;
    let Cell::Time(observed_at) = cells[at("observed_at")] else {
        return None;
    };
    let pid = |name: &str| match cells[at(name)] {
        Cell::Long(pid) => Some(pid),
        _ => None,
    };
    let text = |name: &str| cells[at(name)].text();
    sighted(sensors.first()?, text, pid, observed_at, key)
}

/// Adds to `row` what an exit says. Of two exits that disagree the greater stays, so that their order does not matter.
/// True where the row changed.
pub(crate) fn amend(row: &mut Cells, exit: &[Cell; 3]) -> bool {
    let mut is_changed = false;
    for (name, value) in EXIT_COLUMNS.iter().zip(exit) {
        let held = &mut row[at(name)];
        let is_greater =
            held.is_null() || (*held).partial_cmp(value) == Some(std::cmp::Ordering::Less);
        if !value.is_null() && is_greater {
            *held = value.clone();
            is_changed = true;
        }
    }
    is_changed
}
