//! Paths of programs and names of hosts as Windows events write them. It must not touch a file system: the paths are another machine's.

/// What the redirectors of network shares are called below `\Device\`.
const NETWORK_DEVICES: [&str; 4] = ["mup", "lanmanredirector", "webdavredirector", "rdpdr"];

/// The last part of `path`; a program without a path (`MemCompression`) is its own name.
pub(in crate::sources) fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// The first label of a host name.
pub(in crate::sources) fn short_host(computer: &str) -> &str {
    computer.split('.').next().unwrap_or(computer)
}

/// Whether `path` is on another machine; nothing where there is no path.
pub(in crate::sources) fn is_network_path(path: &str) -> Option<bool> {
    let path = path.trim();
    if path.is_empty() {
        return None;
    }
    let lower = path.to_lowercase().replace('/', "\\");
    let local_form = |prefix: &str| lower.strip_prefix(prefix);
    if let Some(device) =
        local_form("\\device\\").or_else(|| local_form("\\\\?\\globalroot\\device\\"))
    {
        let name = device.split('\\').next().unwrap_or_default();
        return Some(NETWORK_DEVICES.contains(&name));
    }
    // `\\?\`, `\??\` and `\\.\` only say how to read what follows; `UNC\` after them is a share.
    if let Some(rest) = local_form("\\\\?\\")
        .or_else(|| local_form("\\??\\"))
        .or_else(|| local_form("\\\\.\\"))
    {
        return Some(rest.starts_with("unc\\"));
    }
    Some(lower.starts_with("\\\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_the_last_part() {
        assert_eq!(file_name("C:\\Windows\\System32\\cmd.exe"), "cmd.exe");
        assert_eq!(
            file_name("\\Device\\Mup\\VBoxSvr\\share\\tool.exe"),
            "tool.exe"
        );
        assert_eq!(file_name("MemCompression"), "MemCompression");
        assert_eq!(file_name(""), "");
    }

    #[test]
    fn shares_are_network_paths_in_every_spelling() {
        for path in [
            "\\\\tsclient\\c\\a.exe",
            "\\Device\\Mup\\VBoxSvr\\a.exe",
            "\\\\?\\UNC\\server\\share\\a.exe",
            "\\??\\UNC\\server\\share\\a.exe",
            "//server/share/a.exe",
        ] {
            assert_eq!(is_network_path(path), Some(true), "{path}");
        }
    }

    #[test]
    fn local_paths_are_not() {
        for path in [
            "C:\\a.exe",
            "\\??\\C:\\Windows\\system32\\conhost.exe",
            "\\\\?\\C:\\a.exe",
            "\\Device\\HarddiskVolumeShadowCopy7\\a.exe",
            "MemCompression",
        ] {
            assert_eq!(is_network_path(path), Some(false), "{path}");
        }
        assert_eq!(is_network_path(" "), None);
    }
}
