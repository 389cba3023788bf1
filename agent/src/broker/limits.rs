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
/// Times that a wrong password may be given, as with sudo.
pub const AUTHENTICATION_TRIES: u32 = 3;
/// Questions of one authentication: a module asks one or two, and says why it asks again.
pub const MAX_AUTHENTICATION_MESSAGES: usize = 32;
/// Time for all of one authentication: then the process that does it ends, whatever its modules wait for.
pub const LONGEST_AUTHENTICATION: Duration = Duration::from_secs(900);
/// Bytes of a signed approval: it has seven short values and a few signatures.
pub const MAX_APPROVAL_BYTES: u64 = 16 * 1024;
/// Approvals that are looked at: a day's of one device, many times over. Remove old ones.
pub const MAX_APPROVALS: usize = 1024;
/// Time for the agent to judge a child: it reads one file, and writes one record.
pub const CHILD_TIMEOUT: Duration = Duration::from_secs(30);
/// Children of one program with rights of their own that are known at a time: most programs have one, a shell some.
pub const MAX_KNOWN_CHILDREN: usize = 1024;
/// Different files whose refusal is recorded for one program; the rest is counted with the last. Most want one or two.
pub const MAX_REFUSED_FILES: usize = 256;
/// Time for new policies to govern what is recorded, before something is started by them: they are looked at each second.
pub const GOVERN_TIMEOUT: Duration = Duration::from_secs(10);
/// Before something that could not be done or known is tried again; as often the broker tells how it is.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Largest file that is copied because its owner could change it while it runs. Installers have some hundred megabytes.
pub const MAX_COPIED_BYTES: u64 = 512 * 1024 * 1024;
/// Memory that copies for one user hold at a time: two of the largest.
pub const MAX_HELD_BYTES_PER_USER: usize = 1024 * 1024 * 1024;
/// The same for all users: four of the largest, which a device that runs installers has to spare.
pub const MAX_HELD_BYTES: usize = 2 * MAX_HELD_BYTES_PER_USER;
