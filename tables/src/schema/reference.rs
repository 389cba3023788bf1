//! The field reference as a page, made from the column lists.

use std::fmt::Write as _;

use super::TABLES;

/// The content of `tables/SCHEMA.md`.
#[must_use]
pub fn field_reference() -> String {
    let mut page = String::from(
        "# Tables\n\nMade from the column lists in `tables/src/schema/`; a test keeps it true. Every column may be null: \
         a source that does not say is not guessed for.\n",
    );
    for table in TABLES {
        let partition = table
            .partition
            .map_or("not partitioned".to_owned(), |column| {
                format!("partitioned by `{column}`")
            });
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\nOne row is {}; {partition}.\n\n| column | type | meaning |\n|---|---|---|\n",
            table.name, table.row
        );
        for column in table.columns {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                column.name,
                column.kind.data_type(),
                column.doc
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::field_reference;

    #[test]
    fn the_field_reference_is_what_the_schema_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SCHEMA.md");
        let held = std::fs::read_to_string(path).unwrap_or_default();
        let made = field_reference();
        if held != made && std::env::var_os("EPM_UPDATE_REFERENCE").is_some() {
            std::fs::write(path, &made).expect("SCHEMA.md can be written");
        } else {
            assert!(
                held == made,
                "tables/SCHEMA.md is stale: run the tests once with EPM_UPDATE_REFERENCE=1"
            );
        }
    }
}
