//! `attributes`: what rules can know about files. It reads files and package databases, and must not write anything.

mod document;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::failure::{ExitCode, Failure, with_causes};
use super::terminal;
use crate::file_facts::contents::Depth;
use crate::file_facts::package::Packages;
use crate::file_facts::trust::TrustedRoots;
use crate::file_facts::{self, FactsError, Witnesses};

pub(super) use document::{Document, status};

/// Bytes of a file of roots: a system's whole store has half a million.
const MAX_ROOTS_BYTES: u64 = 16 << 20;

/// Options of `attributes`.
#[derive(Clone, Debug, Args)]
pub struct AttributesArgs {
    /// Files to look at.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Answer as JSON, one object a file, one a line.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
    /// Root certificates that signers are judged by, PEM. Without them trust is not judged.
    #[arg(long, value_name = "FILE", env = "EPM_TRUSTED_ROOTS")]
    pub trusted_roots: Option<PathBuf>,
}

pub(super) fn attributes(args: &AttributesArgs) -> Result<(), Failure> {
    let witnesses = witnesses(args.trusted_roots.as_deref())?;
    let now_s = Timestamp::now().as_second();
    let mut unreadable = None;
    for (number, path) in args.files.iter().enumerate() {
        let looked = file_facts::open(path)
            .and_then(|file| file_facts::look(&file, path, Depth::Everything, &witnesses, now_s));
        match looked {
            Ok(facts) if args.json => {
                let document = Document::of(&facts);
                terminal::say(serde_json::to_string(&document).unwrap_or_default());
            }
            Ok(facts) => {
                if number > 0 {
                    terminal::say("");
                }
                terminal::say(text::text(&facts));
            }
            Err(error) => {
                let failure = unreadable_file(&error);
                if unreadable.is_some() {
                    terminal::complain(&failure);
                }
                unreadable.get_or_insert(failure);
            }
        }
    }
    unreadable.map_or(Ok(()), Err)
}

/// Why there are no facts, and what to do.
pub(super) fn unreadable_file(error: &FactsError) -> Failure {
    let remedy = match error {
        FactsError::Changed { .. } => "Wait until nobody writes to it, then look again.",
        FactsError::NotAFile { .. } => "Name a file, not a folder or a device.",
        FactsError::Open { .. } | FactsError::Read { .. } => "",
    };
    Failure::new(ExitCode::File, with_causes(error), remedy)
}

/// Package databases of this system, and the roots that were named.
pub(super) fn witnesses(trusted_roots: Option<&Path>) -> Result<Witnesses, Failure> {
    let packages = Packages::default().with_repositories();
    let Some(path) = trusted_roots else {
        return Ok(Witnesses {
            packages,
            ..Witnesses::default()
        });
    };
    let failed = |error: &dyn std::error::Error| {
        let message = format!("{}: {}", path.display(), with_causes(error));
        Failure::new(
            ExitCode::File,
            message,
            "Name a file of root certificates in PEM with --trusted-roots FILE.",
        )
    };
    let text = super::bounded_read(path, MAX_ROOTS_BYTES).map_err(|error| failed(&error))?;
    let roots = TrustedRoots::from_pem(&text).map_err(|error| failed(&error))?;
    Ok(Witnesses { packages, roots })
}
