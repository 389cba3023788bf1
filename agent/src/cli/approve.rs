//! `approve`: signs an approval, on the device of whoever supports others, with a key that theirs trust. It must not need
//! an agent or a policy.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use epm_policy::Sha256;
use epm_policy::bundle::{SignedApproval, SigningKey};
use uuid::Uuid;

use super::failure::{ExitCode, Failure};
use super::{bounded_read, terminal};
use crate::clock::now_us;

/// A key in PEM has some hundred bytes.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// Options of `approve`.
#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    /// Private Ed25519 key, PEM (openssl genpkey -algorithm ed25519); devices trust its public half.
    #[arg(long, value_name = "FILE", env = "EPM_KEY")]
    pub key: PathBuf,
    /// For whom: the user's id, as the refused request says.
    #[arg(long, value_name = "ID", env = "EPM_USER")]
    pub user: String,
    /// Where: the device's id, as the refused request says.
    #[arg(long, value_name = "ID", env = "EPM_DEVICE")]
    pub device: String,
    /// What: SHA-256 of the program.
    #[arg(long, value_name = "SHA256", env = "EPM_FILE_HASH", value_parser = Sha256::parse)]
    pub file_hash: Sha256,
    /// For how long, from now.
    #[arg(long, value_name = "DURATION", env = "EPM_LASTING", default_value = "24h", value_parser = humantime::parse_duration)]
    pub lasting: Duration,
    /// For how many launches.
    #[arg(long, value_name = "N", env = "EPM_USES", default_value_t = 1)]
    pub uses: u32,
}

pub(super) fn approve(args: &ApproveArgs) -> Result<(), Failure> {
    let unusable = |why: String| {
        Failure::new(
            ExitCode::File,
            format!("{} cannot be used: {why}", args.key.display()),
            "Make a key with openssl genpkey -algorithm ed25519 -out FILE.",
        )
    };
    let pem =
        bounded_read(&args.key, MAX_KEY_BYTES).map_err(|error| unusable(error.to_string()))?;
    let key = SigningKey::from_pem(&String::from_utf8_lossy(&pem))
        .map_err(|error| unusable(error.to_string()))?;
    let now_s = now_us().div_euclid(1_000_000);
    let lasting_s = i64::try_from(args.lasting.as_secs()).unwrap_or(i64::MAX);
    let approval = SignedApproval {
        id: Uuid::new_v4().to_string(),
        user: args.user.as_str().into(),
        device: args.device.as_str().into(),
        file: args.file_hash,
        approved_s: now_s,
        ends_s: now_s.saturating_add(lasting_s),
        uses: args.uses,
    };
    let sealed = approval
        .seal(&[&key])
        .map_err(|error| Failure::new(ExitCode::Usage, error.to_string(), ""))?;
    terminal::say(sealed);
    Ok(())
}
