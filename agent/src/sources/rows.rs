//! Comma separated rows, taken out of bytes that come in pieces: RFC 4180 with either end of line, quotes that may hold
//! line ends, and a byte order mark in front. It must not know what a column means.

use std::ops::ControlFlow;

use super::format::Flow;

/// Largest row that is kept, in bytes. A row holds a few texts of some hundred characters; a longer one has lost its
/// closing quote.
const ROW_LIMIT: usize = 1 << 20;

/// Most fields of a row; the widest export has some dozens.
const FIELDS_LIMIT: usize = 1024;

const TOO_LONG: &str = "a row longer than 1 MiB or wider than 1024 fields";
const CUT: &str = "the file ends inside a quoted field";

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// One row, its quotes taken away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        let (bytes, ends) = (self.bytes, self.ends);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(start, end)| &bytes[start..*end])
    }
}

/// What the cutter hands on: a row, or why a stretch is none.
pub(crate) type Cut<'a> = Result<Row<'a>, &'static str>;

/// Cuts bytes into rows. The same bytes give the same rows, however they come.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    state: State,
    // How much of a byte order mark the file begins with; past three nothing is looked for.
    mark: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    // Behind a quote inside a quoted field: its end, or half of a quote that stands for itself.
    Quote,
    // Behind a quoted field, up to the next separator.
    Closed,
    // In a row beyond the limits.
    Lost,
}

impl Rows {
    /// The next bytes of the file; each row that ends in them goes to `each`.
    pub(crate) fn bytes(&mut self, bytes: &[u8], each: &mut dyn FnMut(Cut<'_>) -> Flow) -> Flow {
        for byte in bytes {
            if self.mark < BYTE_ORDER_MARK.len() && *byte == BYTE_ORDER_MARK[self.mark] {
                self.mark += 1;
                continue;
            }
            self.mark = BYTE_ORDER_MARK.len();
            self.byte(*byte, each)?;
        }
        ControlFlow::Continue(())
    }

    /// The file ends here.
    pub(crate) fn finish(&mut self, each: &mut dyn FnMut(Cut<'_>) -> Flow) -> Flow {
        match self.state {
            State::Quoted => each(Err(CUT)),
            State::FieldStart if self.ends.is_empty() => ControlFlow::Continue(()),
            _ => self.end_row(each),
        }
    }

    fn byte(&mut self, byte: u8, each: &mut dyn FnMut(Cut<'_>) -> Flow) -> Flow {
        match (self.state, byte) {
            (State::Quoted, b'"') => self.state = State::Quote,
            (State::Quoted, byte) => self.keep(byte),
            (State::Quote, b'"') => {
                self.state = State::Quoted;
                self.keep(byte);
            }
            (State::FieldStart, b'"') => self.state = State::Quoted,
            (_, b'\n') => return self.end_row(each),
            (State::Lost, _) => {}
            (_, b',') => self.end_field(),
            (State::Quote | State::Closed, b'\r') => self.state = State::Closed,
            // Text behind a closing quote belongs to nobody's format; it is kept, so that nothing vanishes.
            (_, byte) => {
                self.state = State::Plain;
                self.keep(byte);
            }
        }
        ControlFlow::Continue(())
    }

    fn keep(&mut self, byte: u8) {
        if self.bytes.len() >= ROW_LIMIT {
            self.lose();
        } else {
            self.bytes.push(byte);
        }
    }

    fn lose(&mut self) {
        self.bytes = Vec::new();
        self.ends.clear();
        self.state = State::Lost;
    }

    fn end_field(&mut self) {
        if self.ends.len() >= FIELDS_LIMIT {
            return self.lose();
        }
        self.ends.push(self.bytes.len());
        self.state = State::FieldStart;
    }

    fn end_row(&mut self, each: &mut dyn FnMut(Cut<'_>) -> Flow) -> Flow {
        let is_lost = self.state == State::Lost;
        if self.state == State::Plain && self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        // A line without anything is no row.
        let is_empty = matches!(self.state, State::Plain | State::FieldStart)
            && self.ends.is_empty()
            && self.bytes.is_empty();
        if !is_lost && !is_empty {
            self.end_field();
        }
        let flow = if is_lost || self.state == State::Lost {
            each(Err(TOO_LONG))
        } else if is_empty {
            ControlFlow::Continue(())
        } else {
            each(Ok(Row {
                bytes: &self.bytes,
                ends: &self.ends,
            }))
        };
        self.bytes.clear();
        self.ends.clear();
        self.state = State::FieldStart;
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], piece: usize) -> Vec<Result<Vec<String>, &'static str>> {
        let mut rows = Rows::default();
        let mut found = Vec::new();
        let mut each = |cut: Cut<'_>| {
            found.push(cut.map(|row| {
                assert_eq!(row.len(), row.fields().count());
                let text = |field| String::from_utf8_lossy(field).into_owned();
                row.fields().map(text).collect::<Vec<_>>()
            }));
            ControlFlow::Continue(())
        };
        for piece in text.chunks(piece) {
            let _ = rows.bytes(piece, &mut each);
        }
        let _ = rows.finish(&mut each);
        found
    }

    #[test]
    fn rows_are_the_same_however_the_bytes_are_cut() {
        let text = b"\xef\xbb\xbf\"a\",b\r\n\r\n1,\"two\r\n\"\"lines\"\"\"\n,\n\"\"\n\"x\"y,z";
        for piece in 1..text.len() {
            let rows: Vec<_> = cut(text, piece).into_iter().flatten().collect();
            assert_eq!(
                rows,
                [
                    vec!["a", "b"],
                    vec!["1", "two\r\n\"lines\""],
                    vec!["", ""],
                    vec![""],
                    vec!["xy", "z"],
                ]
            );
        }
    }

    #[test]
    fn what_another_writer_quotes_is_read_back() {
        let fields = [
            "plain",
            "with, comma",
            "with \"quotes\"",
            "two\nlines",
            "",
            " blank ",
        ];
        let mut writer = csv::Writer::from_writer(Vec::new());
        for _ in 0..3 {
            writer.write_record(fields).expect("a row is written");
        }
        let text = writer.into_inner().expect("the rows are written");
        for piece in [1, 7, text.len()] {
            let rows: Vec<_> = cut(&text, piece).into_iter().flatten().collect();
            assert_eq!(rows, [fields; 3]);
        }
    }

    #[test]
    fn a_row_without_end_costs_itself_and_the_next_one_is_read() {
        let mut long = vec![b'x'; ROW_LIMIT + 9];
        long.extend_from_slice(b"\nnext\n");
        assert_eq!(
            cut(&long, 4096),
            [Err(TOO_LONG), Ok(vec!["next".to_owned()])]
        );
        let wide = [vec![b','; 2 * FIELDS_LIMIT], b"\nnext".to_vec()].concat();
        assert_eq!(
            cut(&wide, 4096),
            [Err(TOO_LONG), Ok(vec!["next".to_owned()])]
        );
        assert_eq!(
            cut(b"a\n\"open\nrow\n", 3),
            [Ok(vec!["a".to_owned()]), Err(CUT)]
        );
    }
}
