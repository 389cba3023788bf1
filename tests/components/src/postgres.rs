//! A real PostgreSQL server in a process of its own, with its data and its socket in a temporary folder.
//!
//! It ends with the process that started it, however that ends: the shell around it waits for the end of its input.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the server may take to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Debian keeps the programs, one folder for each version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Runs the server until the end of input, stops it at once, and removes the folder.
const GUARD: &str = r#"
folder=$1; shift
"$@" >"$folder/output" 2>&1 &
server=$!
read -r _
kill -QUIT $server; wait $server; rm -rf "$folder"
"#;

/// A server that runs. Only this user and root can reach its socket, so it asks for no password.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    account: Option<Account>,
    /// Their end is the server's end.
    _guard: (Child, ChildStdin),
}

/// Whom the server runs as where the test runs as root, which the server refuses to.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// The server that all tests of this process share, each with a database of its own. `None` where there is none.
    ///
    /// # Panics
    ///
    /// Where it is there and does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED
            .get_or_init(|| super::or_missing(programs(), "PostgreSQL").map(Self::start))
            .as_ref()
    }

    fn start(programs: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("epm-postgres-").tempdir();
        // The guard removes it.
        let folder = folder.unwrap().keep();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let account = is_root(&folder).then(|| account().expect("Debian's package adds a user"));
        if let Some(Account { user, group }) = account {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let data = folder.join("data");
        let made = command(account, &folder, programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", said(&made.stderr));
        let mut guard = command(account, &folder, "sh".into())
            .args(["-c", GUARD, "sh"])
            .arg(&folder)
            .arg(programs.join("postgres"))
            .args(["-c", "listen_addresses=", "-c", "max_connections=300", "-k"])
            .arg(&folder)
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let input = guard.stdin.take().unwrap();
        let server = Self {
            folder,
            programs,
            account,
            _guard: (guard, input),
        };
        server.wait_until_it_answers();
        server
    }

    /// A new, empty database, as an address.
    ///
    /// # Panics
    ///
    /// Where it cannot be made.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("epm_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let made = self.client("createdb").arg(&name).output().unwrap();
        assert!(made.status.success(), "createdb: {}", said(&made.stderr));
        let socket = self.folder.display();
        format!("postgres://postgres@localhost/{name}?host={socket}")
    }

    fn client(&self, program: &str) -> Command {
        let mut client = command(self.account, &self.folder, self.programs.join(program));
        client.args(["--username=postgres", "--host"]);
        client.arg(&self.folder);
        client
    }

    fn wait_until_it_answers(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = self.client("pg_isready").output().unwrap();
            if asked.status.success() {
                return;
            }
            assert!(
                Instant::now() < until,
                "PostgreSQL does not answer: {}",
                std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The newest installed version's programs.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(INSTALLED)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let programs = path.join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((version, programs))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs)
}

/// What we make belongs to root if we are root.
fn is_root(made: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&made.metadata().unwrap()) == 0
}

fn account() -> Option<Account> {
    let known = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = known.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some(Account {
        user: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn command(account: Option<Account>, folder: &Path, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(Account { user, group }) = account {
        command.uid(user).gid(group);
    }
    command
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
