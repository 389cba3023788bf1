//! How well a rule holds on to the one file that it means. It must not look at other rules or say what to do.

use crate::lint::places::{Writable, writable_by_users};
use crate::model::{Platform, Rule, SignatureSource};
use crate::pattern::{Pattern, Piece};

/// How strongly a file is known, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// By its name alone, which anybody can give to any file. Not permitted in a rule that is used.
    NameOnly,
    /// By its signature and its name: any file of the publisher passes once it is renamed.
    SignatureAndName,
    /// By its signature and by texts that the signature covers.
    SignatureAndMetadata,
    /// The same, in a folder that users cannot write to.
    SignatureMetadataAndProtectedPath,
    /// By its bytes.
    Hash,
}

impl Strength {
    /// The grade of a rule.
    #[must_use]
    pub fn of(platform: Platform, rule: &Rule) -> Self {
        let detection = &rule.detection;
        if detection.file_hash.is_some() {
            return Self::Hash;
        }
        let told_apart = match detection.signature {
            SignatureSource::NotConfigured => return Self::NameOnly,
            // A package lists its files by path, so a name in it means one or a few of them.
            SignatureSource::Package { .. } => !anything(platform, &detection.file_name),
            _ => has_metadata(rule),
        };
        let path = detection.file_path.as_deref();
        let protected = path.is_some_and(|path| writable_by_users(platform, path) == Writable::No);
        match (told_apart, protected) {
            (false, _) => Self::SignatureAndName,
            (true, false) => Self::SignatureAndMetadata,
            (true, true) => Self::SignatureMetadataAndProtectedPath,
        }
    }
}

/// Whether the rule asks for a text that the signature covers.
fn has_metadata(rule: &Rule) -> bool {
    let detection = &rule.detection;
    let texts = [
        &detection.product_name,
        &detection.internal_name,
        &detection.file_description,
    ];
    texts.iter().any(|text| text.is_some())
}

/// Whether a file name is nothing but wildcards, up to its extension.
pub(crate) fn anything(platform: Platform, file_name: &str) -> bool {
    let stem = match platform {
        Platform::Windows => file_name
            .rsplit_once('.')
            .map_or(file_name, |(stem, _)| stem),
        Platform::Linux => file_name,
    };
    let pattern = Pattern::name(platform, stem);
    let wild = |piece: &Piece| matches!(piece, Piece::Run | Piece::One);
    pattern.pieces().iter().all(wild)
}
