//! The note of the highest version that was ever accepted: a checksum, then JSON. It is checked before it is believed.

use std::path::PathBuf;

use epm_policy::bundle::HighestSeen;

use super::Finding;

/// The note's content.
pub(super) fn encode(seen: &HighestSeen) -> Vec<u8> {
    let json = serde_json::to_string(seen).unwrap_or_default();
    format!("{:08x}\n{json}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
}

fn decode(bytes: &[u8]) -> Option<HighestSeen> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (checksum, json) = text.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    let sound = checksum == format!("{:08x}", crc32c::crc32c(json.as_bytes()));
    sound.then(|| serde_json::from_str(json).ok()).flatten()
}

/// The greatest of the notes that are sound.
pub(super) fn greatest(
    notes: &[(PathBuf, Vec<u8>)],
    findings: &mut Vec<Finding>,
) -> Option<HighestSeen> {
    let mut greatest: Option<HighestSeen> = None;
    for (path, bytes) in notes {
        match decode(bytes) {
            None => findings.push(Finding::HighestDamaged { path: path.clone() }),
            Some(seen) if greatest.is_none_or(|known| known.version < seen.version) => {
                greatest = Some(seen);
            }
            Some(_) => {}
        }
    }
    greatest
}
