//! Under which keys a rule may lie, and for which keys a launch asks: whenever an attribute of a rule matches a launch,
//! the launch asks for a key of that attribute. A key is a number; two texts with one number cost a comparison, no more.

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use rustc_hash::FxHasher;

use crate::decision::RuleAttribute;
use crate::matching::{Signer, Subject};
use crate::model::{Audience, CertificateType, Platform};
use crate::paths::separator;
use crate::pattern::{Pattern, Piece};
use crate::request::CertificateFacts;
use crate::set::RuleView;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Hash,
    Name,
    NamePrefix,
    NameSuffix,
    AnyName,
    Folder,
    Below,
    VariableFolder,
    BelowVariable,
    Publisher,
    Issuer,
    Package,
    Description,
    Product,
    Internal,
    Parent,
    User,
    UserGroup,
    Device,
    DeviceGroup,
    ConditionGroup,
}

/// One attribute by which a rule can be found: it matches only launches that ask for one of these keys.
#[derive(Debug)]
pub(super) struct KeyOption {
    pub(super) attribute: RuleAttribute,
    pub(super) keys: Vec<u64>,
}

impl Default for KeyOption {
    fn default() -> Self {
        Self {
            attribute: RuleAttribute::FileName,
            keys: vec![any_name()],
        }
    }
}

fn key(kind: Kind, parts: &[&[u8]]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u8(kind as u8);
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

fn text_key(kind: Kind, text: &str) -> u64 {
    key(kind, &[text.as_bytes()])
}

fn any_name() -> u64 {
    key(Kind::AnyName, &[])
}

/// Every attribute by which a rule can be found, most selective kinds first: of equals, the first is taken.
pub(super) fn options(rule: &RuleView<'_>) -> Vec<KeyOption> {
    let detection = &rule.rule.detection;
    let mut options = Vec::with_capacity(6);
    let mut add = |attribute, keys: Vec<u64>| {
        if !keys.is_empty() {
            options.push(KeyOption { attribute, keys });
        }
    };
    let one = |kind, text: &Option<String>| text.iter().map(|t| text_key(kind, t)).collect();
    let hash = detection
        .file_hash
        .iter()
        .map(|hash| key(Kind::Hash, &[&hash.0]));
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
    let parent = parent.map(|path| text_key(Kind::Parent, path));
    add(RuleAttribute::ParentPath, parent.into_iter().collect());
    let include = &rule.policy.assignment.include;
    let audience: Option<Vec<u64>> = include.iter().map(audience_key).collect();
    add(RuleAttribute::Assignment, audience.unwrap_or_default());
    let groups = rule.rule.conditions.device_groups.iter();
    let groups = groups.map(|group| text_key(Kind::ConditionGroup, group.as_str()));
    add(RuleAttribute::DeviceGroups, groups.collect());
    options
}

fn name_key(name: &Pattern) -> u64 {
    if let Some(exact) = name.exact() {
        return text_key(Kind::Name, exact);
    }
    if let Some(prefix) = name_prefix(name) {
        return text_key(Kind::NamePrefix, prefix);
    }
    name_suffix(name).map_or_else(any_name, |suffix| text_key(Kind::NameSuffix, suffix))
}

/// What a name with wildcards starts with.
fn name_prefix(name: &Pattern) -> Option<&str> {
    match name.pieces().first() {
        Some(Piece::Literal(text)) if name.exact().is_none() => Some(text),
        _ => None,
    }
}

/// What a name that starts with a wildcard ends with.
fn name_suffix(name: &Pattern) -> Option<&str> {
    match (name.pieces().first(), name.pieces().last()) {
        (Some(Piece::Literal(_)), _) => None,
        (_, Some(Piece::Literal(text))) => Some(text),
        _ => None,
    }
}

/// A folder is found by its text, or by the deepest folder that its pattern certainly lies in; behind a variable, by the
/// variable's name and what follows it.
fn folder_key(platform: Platform, folder: &Pattern) -> Option<u64> {
    let end_of_folder = |text: &str| text.rfind(separator(platform)).map_or(0, |at| at + 1);
    match folder.pieces() {
        [Piece::Literal(text)] => Some(text_key(Kind::Folder, text)),
        [Piece::Literal(text), ..] => match end_of_folder(text) {
            0 => None,
            end => Some(text_key(Kind::Below, &text[..end])),
        },
        [Piece::Variable(name), Piece::Literal(rest)] => Some(key(
            Kind::VariableFolder,
            &[name.as_bytes(), rest.as_bytes()],
        )),
        [Piece::Variable(name), Piece::Literal(text), ..] => {
            let rest = &text[..end_of_folder(text)];
            Some(key(
                Kind::BelowVariable,
                &[name.as_bytes(), rest.as_bytes()],
            ))
        }
        _ => None,
    }
}

fn signer_key(signer: &Signer) -> Option<u64> {
    match signer {
        Signer::Certificate(kind, certificate) => {
            let kind = certificate_kind(*kind);
            match (&certificate.thumbprint, &certificate.subject) {
                (Some(thumbprint), _) => Some(key(kind, &[thumbprint.bytes()])),
                (None, Some(subject)) => Some(text_key(kind, subject)),
                (None, None) => None,
            }
        }
        Signer::Package { name, .. } => Some(text_key(Kind::Package, name)),
    }
}

fn certificate_kind(kind: CertificateType) -> Kind {
    match kind {
        CertificateType::Publisher => Kind::Publisher,
        CertificateType::IssuingAuthority => Kind::Issuer,
    }
}

/// `None` where the audience is everybody.
fn audience_key(audience: &Audience) -> Option<u64> {
    match audience {
        Audience::AllUsers | Audience::AllDevices => None,
        Audience::User(id) => Some(text_key(Kind::User, id.as_str())),
        Audience::UserGroup(id) => Some(text_key(Kind::UserGroup, id.as_str())),
        Audience::Device(id) => Some(text_key(Kind::Device, id.as_str())),
        Audience::DeviceGroup(id) => Some(text_key(Kind::DeviceGroup, id.as_str())),
    }
}

/// For which keys launches ask: lengths of prefixes and suffixes that some rule has.
#[derive(Debug, Default)]
pub(super) struct Probes {
    prefixes: Vec<usize>,
    suffixes: Vec<usize>,
}

impl Probes {
    pub(super) fn of(rules: &[RuleView<'_>]) -> Self {
        let names = || rules.iter().map(|rule| &rule.matcher.name);
        let prefixes: BTreeSet<usize> = names().filter_map(name_prefix).map(str::len).collect();
        let suffixes: BTreeSet<usize> = names().filter_map(name_suffix).map(str::len).collect();
        Self {
            prefixes: prefixes.into_iter().collect(),
            suffixes: suffixes.into_iter().collect(),
        }
    }

    /// Calls `ask` with every key that a matching attribute of any rule can have.
    pub(super) fn of_launch(&self, subject: &Subject<'_>, mut ask: impl FnMut(u64)) {
        let request = subject.request;
        let file = &request.file;
        if let Some(hash) = &file.sha256 {
            ask(key(Kind::Hash, &[&hash.0]));
        }
        self.ask_name(&subject.path.name, &mut ask);
        ask_folder(subject, &mut ask);
        ask_certificate(Kind::Publisher, &file.signature.publisher, &mut ask);
        ask_certificate(Kind::Issuer, &file.signature.issuing_authority, &mut ask);
        let texts = [
            (Kind::Package, file.package.map(|package| package.name)),
            (Kind::Description, file.description),
            (Kind::Product, file.product_name),
            (Kind::Internal, file.internal_name),
            (Kind::Parent, subject.parent.as_deref()),
            (Kind::User, request.user.id.map(|id| id.as_str())),
            (Kind::Device, request.device.id.map(|id| id.as_str())),
        ];
        for (kind, text) in texts {
            if let Some(text) = text {
                ask(text_key(kind, text));
            }
        }
        for group in request.user.groups {
            ask(text_key(Kind::UserGroup, group.as_str()));
        }
        for group in request.device.groups {
            ask(text_key(Kind::DeviceGroup, group.as_str()));
            ask(text_key(Kind::ConditionGroup, group.as_str()));
        }
    }

    fn ask_name(&self, name: &str, ask: &mut impl FnMut(u64)) {
        ask(text_key(Kind::Name, name));
        ask(any_name());
        for prefix in self
            .prefixes
            .iter()
            .filter_map(|length| name.get(..*length))
        {
            ask(text_key(Kind::NamePrefix, prefix));
        }
        for length in &self.suffixes {
            let start = name.len().checked_sub(*length);
            if let Some(suffix) = start.and_then(|start| name.get(start..)) {
                ask(text_key(Kind::NameSuffix, suffix));
            }
        }
    }
}

fn ask_folder(subject: &Subject<'_>, ask: &mut impl FnMut(u64)) {
    let separator = separator(subject.request.platform);
    let folder = &*subject.path.folder;
    ask(text_key(Kind::Folder, folder));
    for (at, _) in folder.match_indices(separator) {
        ask(text_key(Kind::Below, &folder[..=at]));
    }
    for (name, value) in subject.request.variables.iter() {
        let Some(rest) = folder.strip_prefix(value) else {
            continue;
        };
        let name = name.as_bytes();
        ask(key(Kind::VariableFolder, &[name, rest.as_bytes()]));
        for (at, _) in rest.match_indices(separator) {
            ask(key(Kind::BelowVariable, &[name, &rest.as_bytes()[..=at]]));
        }
    }
}

fn ask_certificate(kind: Kind, facts: &CertificateFacts<'_>, ask: &mut impl FnMut(u64)) {
    if let Some(subject) = facts.subject {
        ask(text_key(kind, subject));
    }
    if let Some(thumbprint) = &facts.sha1 {
        ask(key(kind, &[thumbprint]));
    }
    if let Some(thumbprint) = &facts.sha256 {
        ask(key(kind, &[thumbprint]));
    }
}
