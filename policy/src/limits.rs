//! How much of everything a set of policies may hold, each with its reason. Nothing is decided here.

/// Characters of an id: a GUID with a name in front of it.
pub const MAX_ID_CHARS: usize = 200;
/// Characters of a name, as consoles show it in a line.
pub const MAX_NAME_CHARS: usize = 200;
/// Characters of a description: half a page.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Characters of a file name: what file systems allow.
pub const MAX_FILE_NAME_CHARS: usize = 255;
/// Characters of a path: what Linux allows, and far more than people write.
pub const MAX_PATH_CHARS: usize = 4_096;
/// Wildcards in one pattern. Each may be tried at every character of a path, which the user chooses.
pub const MAX_WILDCARDS: usize = 8;
/// Variables in one path: one to start with, and one for a user's folder.
pub const MAX_VARIABLES: usize = 4;
/// Fewest characters of a description, product or internal name that a rule asks for; fewer would tell nothing apart.
pub const MIN_METADATA_CHARS: usize = 3;
/// Characters of such a text: version resources hold a few lines at most.
pub const MAX_METADATA_CHARS: usize = 1_000;
/// Arguments that a rule lists: they are compared one by one at each launch.
pub const MAX_ARGUMENTS: usize = 200;
/// Characters of a listed argument: a long path with an option before it.
pub const MAX_ARGUMENT_CHARS: usize = 8_192;
/// Device groups that a rule names, and audiences that a policy is assigned to.
pub const MAX_AUDIENCES: usize = 1_000;
/// Rules of one policy: more than anybody reads, as many as a generator writes.
pub const MAX_RULES_PER_POLICY: usize = 100_000;
/// Rules of a set: ten times the largest benchmark.
pub const MAX_RULES: usize = 1_000_000;
/// Settings policies of a set: each is looked at for every launch.
pub const MAX_SETTINGS_POLICIES: usize = 1_000;
/// Rules policies of a set: one for each rule at most.
pub const MAX_RULES_POLICIES: usize = MAX_RULES;
/// Certificate groups of a set: one for each publisher of a large estate.
pub const MAX_CERTIFICATE_GROUPS: usize = 10_000;
/// Violations that are told at once: nobody mends more in one go, and a damaged file of a million rules would have as
/// many.
pub const MAX_VIOLATIONS: usize = 100;
/// Near misses that a decision carries, best first: a person reads the first few.
pub const MAX_NEAR_MISSES: usize = 16;
/// Rules looked at for near misses under one key. Matching rules are never cut; this bounds the search for the others.
pub const MAX_NEAR_MISS_SEARCH: usize = 64;
/// Seconds for which an approval by support lasts, from the approval: 24 hours.
pub const APPROVAL_S: i64 = 24 * 60 * 60;
/// Bytes of the name of an approval: a UUID has 36.
pub const MAX_APPROVAL_ID_BYTES: usize = 64;
/// Launches that one approval is for: an installer is started a few times; what is needed more often deserves a rule.
pub const MAX_APPROVAL_USES: u32 = 100;
/// Days that policy stays on a device after it was switched off or withdrawn.
pub const REMOVAL_DAYS: u16 = 7;
/// Characters of a justification that are kept.
pub const MAX_JUSTIFICATION_CHARS: usize = 256;
/// Findings of one lint: a person works through a few at a time, and each is fixed with others.
pub const MAX_LINT_FINDINGS: usize = 10_000;
/// Pairs of rules that lint compares at most. Few rules share a hash or a certificate; where a hundred thousand do, their
/// pairs would take minutes.
pub const MAX_LINT_PAIRS: usize = 20_000_000;
/// Days before a certificate's end at which lint begins to warn: time to find and test the next one.
pub const EXPIRING_DAYS: i64 = 30;
/// Bytes of a policy file: a hundred thousand rules as JSON need half of it.
pub const MAX_POLICY_FILE_BYTES: usize = 96 * 1024 * 1024;
/// How deep a policy file nests; the model has nine levels.
pub const MAX_YAML_DEPTH: usize = 24;
/// Values of a YAML file: forty for each of a hundred thousand rules.
pub const MAX_YAML_NODES: usize = 4_000_000;
/// Anchors and references of a YAML file: people use a few to repeat a folder or a certificate.
pub const MAX_YAML_ALIASES: usize = 10_000;
/// Values that references repeat, all together: a file must not grow by referring to itself.
pub const MAX_YAML_REPLAYED: usize = 1_000_000;
/// Bytes of a signed bundle: a payload as large as a policy file, in base64, and the envelope around it.
pub const MAX_BUNDLE_BYTES: usize = MAX_POLICY_FILE_BYTES / 3 * 4 + 64 * 1024;
/// How deep a bundle nests; the model has nine levels and the bundle one around them.
pub const MAX_BUNDLE_DEPTH: usize = 24;
/// Signatures of a bundle, and keys that a device trusts: one, a second while keys change, and room for a key offline.
pub const MAX_BUNDLE_KEYS: usize = 8;
