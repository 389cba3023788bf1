//! The file of `/etc/pam.d` by which people prove to the broker who they are: as everywhere else on the device. It must not
//! choose how: the administrator of the device did.

use std::path::Path;

/// What distributions call the rules that all their services share: Debian and SUSE, then Red Hat and Arch.
const SHARED: [[&str; 2]; 2] = [
    ["common-auth", "common-account"],
    ["system-auth", "system-auth"],
];

/// The file for the system below `root`.
pub(super) fn service(root: &Path) -> String {
    let folder = root.join("etc/pam.d");
    let shared = SHARED
        .iter()
        .find(|files| files.iter().all(|file| folder.join(file).exists()));
    let [authentication, account] = match shared {
        Some([authentication, account]) => [
            format!("include   {authentication}"),
            format!("include   {account}"),
        ],
        // A system without shared rules has the local accounts at least.
        None => ["required  pam_unix.so", "required  pam_unix.so"].map(str::to_owned),
    };
    format!(
        "# How people prove to `elevate` who they are, where a rule asks for it: as everywhere else on this device.\n\
         auth     {authentication}\n\
         account  {account}\n"
    )
}
