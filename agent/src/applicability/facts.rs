//! What a device is, as it reports it. It must not judge.

use std::path::Path;

/// What a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// linux or windows.
    pub system: String,
    /// Build and revision of Windows, release of Linux's kernel.
    pub version: String,
    /// x86_64, aarch64, ….
    pub architecture: String,
    /// none, active_directory, entra, entra_hybrid, workplace.
    pub join_type: String,
    /// none, policy_file, control_plane, intune, co_managed.
    pub management_authority: String,
    /// single, multi_session.
    pub session_kind: String,
}

/// A key of this machine's account in a directory, and who uses it.
const MACHINE_KEY: &str = "etc/krb5.keytab";
const DIRECTORY_CLIENTS: [&str; 2] = ["etc/sssd/sssd.conf", "var/lib/samba/private/secrets.tdb"];
/// The client of Entra ID for Linux.
const ENTRA_CLIENT: &str = "etc/himmelblau/himmelblau.conf";

impl Facts {
    /// This device, whose file system begins at `root`.
    #[must_use]
    pub fn of_this_device(root: &Path, management_authority: &str) -> Self {
        let system = rustix::system::uname();
        let is_there = |path: &str| root.join(path).exists();
        let join_type = match is_there(MACHINE_KEY) {
            _ if is_there(ENTRA_CLIENT) => "entra",
            true if DIRECTORY_CLIENTS.into_iter().any(is_there) => "active_directory",
            _ => "none",
        };
        Self {
            system: system.sysname().to_string_lossy().to_ascii_lowercase(),
            version: system.release().to_string_lossy().into_owned(),
            architecture: system.machine().to_string_lossy().into_owned(),
            join_type: join_type.to_owned(),
            management_authority: management_authority.to_owned(),
            session_kind: "single".to_owned(),
        }
    }
}
