//! How much anybody may ask of the broker. Each number has its reason here.

use std::time::Duration;

/// Bytes of one message. Arguments and environment of an elevation are far below: the kernel itself allows 128 KiB for one
/// argument, and a record keeps less.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Descriptors that one side may send before the other has taken them: three streams, the working folder, the terminal.
pub const MAX_DESCRIPTORS: usize = 5;
/// Arguments of a program, its own name included.
pub const MAX_ARGUMENTS: usize = 16 * 1024;
/// Variables that `elevate` offers: the list of those that are kept is shorter.
pub const MAX_VARIABLES: usize = 64;
/// Bytes of a variable that is kept. `LS_COLORS` has about 2 000.
pub const MAX_VARIABLE_BYTES: usize = 8 * 1024;
/// Characters of a justification, as the product counts them.
pub const MAX_JUSTIFICATION_CHARS: usize = 256;
/// Characters of the arguments that a record keeps: with every other field it stays below the largest record.
pub const MAX_RECORDED_ARGUMENTS: usize = 32 * 1024;

/// Elevations of one user that are being judged or wait for an answer: a person answers one prompt at a time, a script
/// may run some beside each other.
pub const MAX_ASKING_PER_USER: usize = 16;
/// The same for all users: each holds a thread and at most one message.
pub const MAX_ASKING: usize = 96;
/// Programs of one user that run elevated: each costs two processes that the user's own limits do not count.
pub const MAX_RUNNING_PER_USER: usize = 128;
/// The same for all users.
pub const MAX_RUNNING: usize = 1024;

/// Time in which `elevate` has to say what it wants. It does so at once.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a person to answer a prompt, as sudo gives.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a policy file is looked at for a change.
pub const POLICY_INTERVAL: Duration = Duration::from_secs(1);
/// Largest file that is copied because its owner could change it while it runs. Installers have some hundred megabytes.
pub const MAX_COPIED_BYTES: u64 = 512 * 1024 * 1024;
