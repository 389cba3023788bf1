//! Names and paths with wildcards and variables, compared in one pass without allocating.
//!
//! `?` is one character and `*` any run of them, separators included, so that `C:\Tools\*` is a folder with all below it.
//! It must not decide whether a pattern is acceptable; that is validation's.

use crate::model::Platform;
use crate::paths::{fold, separator};
use crate::request::Variables;

/// A stretch of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it is, folded.
    Literal(Box<str>),
    /// `?`.
    One,
    /// `*`.
    Run,
    /// `%NAME%`, in upper case.
    Variable(Box<str>),
}

/// A pattern that is ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One stretch, which mostly is a text without wildcard or variable.
    One(Piece),
    /// Any other number of stretches.
    Pieces(Box<[Piece]>),
}

impl Pattern {
    /// A file name: wildcards, no variables.
    pub(crate) fn name(platform: Platform, text: &str) -> Self {
        Self::read(&fold(platform, text), false)
    }

    /// A folder. It is compared with folders that end in their separator, so one is put at its end, unless a run of
    /// anything stands there.
    pub(crate) fn folder(platform: Platform, text: &str) -> Self {
        let mut text = fold(platform, text).into_owned();
        let separator = separator(platform);
        if !text.ends_with([separator, '*']) {
            text.push(separator);
        }
        Self::read(&text, true)
    }

    /// A full path.
    pub(crate) fn full_path(platform: Platform, text: &str) -> Self {
        Self::read(&fold(platform, text), true)
    }

    fn read(text: &str, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (piece, taken) = match c {
                '?' => (Piece::One, 1),
                '*' => (Piece::Run, 1),
                '%' if variables => match rest[1..].split_once('%') {
                    Some((name, _)) => {
                        (Piece::Variable(name.to_uppercase().into()), name.len() + 2)
                    }
                    None => (Piece::Literal("%".into()), 1),
                },
                _ => {
                    literal.push(c);
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(piece);
            rest = &rest[taken..];
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        match <[Piece; 1]>::try_from(pieces) {
            Ok([piece]) => Self::One(piece),
            Err(pieces) => Self::Pieces(pieces.into()),
        }
    }

    /// The stretches, in order.
    pub(crate) fn pieces(&self) -> &[Piece] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Pieces(pieces) => pieces,
        }
    }

    /// The text, where the pattern has neither wildcard nor variable.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Self::One(Piece::Literal(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether `text` (folded) fits. A variable that the device does not know fits nothing.
    pub(crate) fn fits(&self, text: &str, variables: &Variables) -> bool {
        if let Some(exact) = self.exact() {
            return exact == text;
        }
        let pieces = self.pieces();
        let mut piece = 0;
        let mut at = 0;
        // Where to go on when what follows the last run does not fit: the piece after it, and one character further on.
        let mut resume: Option<(usize, usize)> = None;
        loop {
            let step = match pieces.get(piece) {
                Some(Piece::Run) => {
                    piece += 1;
                    if piece == pieces.len() {
                        return true;
                    }
                    resume = Some((piece, at));
                    continue;
                }
                Some(Piece::One) => text[at..].chars().next().map(char::len_utf8),
                Some(Piece::Literal(literal)) => prefix(&text[at..], literal),
                Some(Piece::Variable(name)) => match variables.get(name) {
                    Some(value) => prefix(&text[at..], value),
                    None => return false,
                },
                None => (at == text.len()).then_some(0),
            };
            match (step, resume) {
                (Some(_), _) if piece == pieces.len() => return true,
                (Some(taken), _) => {
                    at += taken;
                    piece += 1;
                }
                (None, Some((after_run, from))) => {
                    let Some(skipped) = text[from..].chars().next() else {
                        return false;
                    };
                    at = from + skipped.len_utf8();
                    piece = after_run;
                    resume = Some((after_run, at));
                }
                (None, None) => return false,
            }
        }
    }
}

/// Length of `prefix` where `text` starts with it.
fn prefix(text: &str, prefix: &str) -> Option<usize> {
    text.starts_with(prefix).then_some(prefix.len())
}
