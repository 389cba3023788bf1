//! Makes a zip of one file, as an export job delivers it, by a writer that is not ours.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A zip that holds `bytes` under `name`.
pub(crate) fn of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file(name, SimpleFileOptions::default())
        .expect("a file begins");
    writer.write_all(bytes).expect("the file is written");
    writer.finish().expect("the zip is whole").into_inner()
}
