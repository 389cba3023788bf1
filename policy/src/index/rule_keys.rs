//! Under which keys a rule may lie: for each attribute, the keys of which a launch that matches it asks for at least one.

use super::key::{Key, Kind};
use crate::decision::RuleAttribute;
use crate::matching::Signer;
use crate::model::{Audience, CertificateType, Platform};
use crate::paths::separator;
use crate::pattern::{Pattern, Piece};
use crate::set::RuleView;

/// One attribute by which a rule can be found: it matches only launches that ask for one of these keys.
#[derive(Debug)]
pub(super) struct KeyOption {
    pub(super) attribute: RuleAttribute,
    pub(super) keys: Vec<Key>,
}

impl Default for KeyOption {
    fn default() -> Self {
        Self {
            attribute: RuleAttribute::FileName,
            keys: vec![Key::new(Kind::AnyName, &[])],
        }
    }
}

/// Every attribute by which a rule can be found, most selective kinds first: of equals, the first is taken.
pub(super) fn options(rule: &RuleView<'_>) -> Vec<KeyOption> {
    let detection = &rule.rule.detection;
    let mut options = Vec::with_capacity(6);
    let mut add = |attribute, keys: Vec<Key>| {
        if !keys.is_empty() {
            options.push(KeyOption { attribute, keys });
        }
    };
    let one = |kind, text: &Option<String>| text.iter().map(|t| Key::text(kind, t)).collect();
    let hash = detection
        .file_hash
        .iter()
        .map(|hash| Key::new(Kind::Hash, &[&hash.0]));
    add(RuleAttribute::FileHash, hash.collect());
    add(RuleAttribute::FileName, vec![name_key(&rule.matcher.name)]);
    add(
        RuleAttribute::InternalName,
        one(Kind::Internal, &detection.internal_name),
    );
    let folder = rule.matcher.folder.as_ref();
    let folder = folder.and_then(|folder| folder_key(rule.policy.platform, folder));
    add(RuleAttribute::FilePath, folder.into_iter().collect());
    add(
        RuleAttribute::ProductName,
        one(Kind::Product, &detection.product_name),
    );
    add(
        RuleAttribute::FileDescription,
        one(Kind::Description, &detection.file_description),
    );
    let signer = rule.matcher.signature.as_ref().and_then(signer_key);
    add(RuleAttribute::Signature, signer.into_iter().collect());
    let parent = rule.matcher.parent.as_ref().and_then(Pattern::exact);
    let parent = parent.map(|path| Key::text(Kind::Parent, path));
    add(RuleAttribute::ParentPath, parent.into_iter().collect());
    let include = &rule.policy.assignment.include;
    let audience: Option<Vec<Key>> = include.iter().map(audience_key).collect();
    add(RuleAttribute::Assignment, audience.unwrap_or_default());
    let groups = rule.rule.conditions.device_groups.iter();
    let groups = groups.map(|group| Key::text(Kind::ConditionGroup, group.as_str()));
    add(RuleAttribute::DeviceGroups, groups.collect());
    options
}

fn name_key(name: &Pattern) -> Key {
    if let Some(exact) = name.exact() {
        return Key::text(Kind::Name, exact);
    }
    if let Some(prefix) = name_prefix(name) {
        return Key::text(Kind::NamePrefix, prefix);
    }
    match name_suffix(name) {
        Some(suffix) => Key::text(Kind::NameSuffix, suffix),
        None => Key::new(Kind::AnyName, &[]),
    }
}

/// What a name with wildcards starts with.
pub(super) fn name_prefix(name: &Pattern) -> Option<&str> {
    match name.pieces().first() {
        Some(Piece::Literal(text)) if name.exact().is_none() => Some(text),
        _ => None,
    }
}

/// What a name that starts with a wildcard ends with.
pub(super) fn name_suffix(name: &Pattern) -> Option<&str> {
    match (name.pieces().first(), name.pieces().last()) {
        (Some(Piece::Literal(_)), _) => None,
        (_, Some(Piece::Literal(text))) => Some(text),
        _ => None,
    }
}

/// A folder is found by its text, or by the deepest folder that its pattern certainly lies in; behind a variable, by the
/// variable's name and what follows it.
fn folder_key(platform: Platform, folder: &Pattern) -> Option<Key> {
    let end_of_folder = |text: &str| text.rfind(separator(platform)).map_or(0, |at| at + 1);
    match folder.pieces() {
        [Piece::Literal(text)] => Some(Key::text(Kind::Folder, text)),
        [Piece::Literal(text), ..] => match end_of_folder(text) {
            0 => None,
            end => Some(Key::text(Kind::Below, &text[..end])),
        },
        [Piece::Variable(name), Piece::Literal(rest)] => Some(Key::new(
            Kind::VariableFolder,
            &[name.as_bytes(), rest.as_bytes()],
        )),
        [Piece::Variable(name), Piece::Literal(text), ..] => {
            let rest = &text[..end_of_folder(text)];
            Some(Key::new(
                Kind::BelowVariable,
                &[name.as_bytes(), rest.as_bytes()],
            ))
        }
        _ => None,
    }
}

fn signer_key(signer: &Signer) -> Option<Key> {
    match signer {
        Signer::Certificate(kind, certificate) => {
            let kind = certificate_kind(*kind);
            match (&certificate.thumbprint, &certificate.subject) {
                (Some(thumbprint), _) => Some(Key::new(kind, &[thumbprint.bytes()])),
                (None, Some(subject)) => Some(Key::text(kind, subject)),
                (None, None) => None,
            }
        }
        Signer::Package { name, .. } => Some(Key::text(Kind::Package, name)),
    }
}

fn certificate_kind(kind: CertificateType) -> Kind {
    match kind {
        CertificateType::Publisher => Kind::Publisher,
        CertificateType::IssuingAuthority => Kind::Issuer,
    }
}

/// `None` where the audience is everybody.
fn audience_key(audience: &Audience) -> Option<Key> {
    match audience {
        Audience::AllUsers | Audience::AllDevices => None,
        Audience::User(id) => Some(Key::text(Kind::User, id.as_str())),
        Audience::UserGroup(id) => Some(Key::text(Kind::UserGroup, id.as_str())),
        Audience::Device(id) => Some(Key::text(Kind::Device, id.as_str())),
        Audience::DeviceGroup(id) => Some(Key::text(Kind::DeviceGroup, id.as_str())),
    }
}
