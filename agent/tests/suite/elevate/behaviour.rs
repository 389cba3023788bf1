//! What sudo's manual says of terminals, pipes, signals, exits and what a program inherits, shown of `elevate` with a shell
//! that runs elevated. `docs/elevate.md` is the list.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::people::User;
use super::pty::Terminal;
use super::world::{World, rule, settings, text};

/// A device on which Anna may run a shell as root.
pub(super) struct Shell {
    pub(super) world: World,
    pub(super) anna: User,
}

impl Shell {
    pub(super) fn new() -> Option<Self> {
        let world = World::with(None, |world| {
            let shell = world.install("sh", Path::new("/bin/sh"));
            vec![rule("shell", "automatic", &shell)]
        })?;
        Some(Self {
            world,
            anna: User::new(""),
        })
    }

    fn path(&self) -> String {
        self.world.path("bin/sh").to_string_lossy().into_owned()
    }

    /// Runs a script elevated, without a terminal.
    pub(super) fn run(&self, script: &str) -> Output {
        self.world.ran(&self.anna, &[&self.path(), "-c", script])
    }

    /// The same, for what it writes.
    pub(super) fn says(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    }

    /// `elevate` with a script, for a test to start.
    pub(super) fn command(&self, script: &str) -> Command {
        self.world
            .elevate(&self.anna, &[&self.path(), "-c", script])
    }

    /// Runs a script elevated at a terminal.
    pub(super) fn terminal(&self, script: &str) -> Terminal {
        Terminal::run(&self.command(script), self.anna.uid)
    }

    /// A shell of Anna's own at a terminal, in which `elevate` and `$SH` are at hand.
    fn own_shell(&self) -> Terminal {
        let mut command = self.anna.command("/bin/bash");
        command
            .args(["--norc", "--noprofile", "-i"])
            .current_dir("/")
            .env("PS1", "ready> ")
            // No marks of pasting around what it writes.
            .env("TERM", "dumb")
            .env("HISTFILE", "/dev/null")
            .env("EPM_SOCKET", self.world.socket())
            .env("SH", self.path())
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.world.path("bin").display()),
            );
        let mut terminal = Terminal::run(&command, self.anna.uid);
        terminal.sees("ready> ");
        terminal
    }
}

#[test]
fn exit_codes_are_passed_on() {
    let Some(shell) = Shell::new() else { return };
    for code in [0, 1, 2, 126, 127, 255] {
        let output = shell.run(&format!("exit {code}"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn a_program_that_a_signal_ends_ends_elevate_by_the_same_signal() {
    let Some(shell) = Shell::new() else { return };
    for signal in [
        libc_signal("TERM"),
        libc_signal("KILL"),
        libc_signal("SEGV"),
    ] {
        let status = shell
            .command(&format!("kill -{signal} $$"))
            .status()
            .expect("it runs");
        assert_eq!(status.signal(), Some(signal));
    }
    // And so a shell sees 128 and the number.
    let mut own = shell.own_shell();
    own.types("elevate $SH -c 'kill -TERM $$'; echo code=$?\n");
    own.sees("code=143");
    let recorded = shell.world.last_of(4);
    assert_eq!(recorded.exit.expect("it ended").signal, "TERM");
}

fn libc_signal(name: &str) -> i32 {
    let said = Command::new("bash")
        .args(["-c", &format!("kill -l {name}")])
        .output();
    text(&said.expect("bash").stdout).parse().expect("a number")
}

#[test]
fn pipes_stay_pipes_and_output_and_errors_stay_apart() {
    let Some(shell) = Shell::new() else { return };
    let mut running = shell
        .command("cat; echo to-errors >&2; test -t 1 || echo no-terminal")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let lines: String = (0..20_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    let mut input = running.stdin.take().expect("piped");
    let sent = lines.clone();
    let writing = std::thread::spawn(move || input.write_all(sent.as_bytes()));
    let output = running.wait_with_output().expect("it ends");
    writing.join().expect("it wrote").expect("all was taken");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        lines + "no-terminal\n"
    );
    assert_eq!(text(&output.stderr), "to-errors");
}

#[test]
fn a_reader_that_goes_away_ends_the_program_as_in_any_pipeline() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types(
        "elevate $SH -c 'while echo y; do :; done' | head -n 1; echo codes=${PIPESTATUS[*]}\n",
    );
    own.sees("codes=141 0");
}

#[test]
fn an_input_that_is_closed_is_empty() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("elevate $SH -c 'cat; echo end=$?' <&-\n");
    own.sees("end=0");
}

#[test]
fn the_program_has_a_terminal_of_its_own_with_the_size_of_the_persons() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.resize(31, 97);
    own.types("tty; elevate $SH -c 'tty; stat -c owner=%u $(tty); stty size'; echo end\n");
    own.sees("/dev/pts/");
    let first = own.sees("\r\n");
    own.sees("/dev/pts/");
    let second = own.sees("\r\n");
    assert_ne!(first, second, "not the terminal of whoever asked");
    own.sees("owner=0");
    own.sees("31 97");
    own.sees("end");
}

#[test]
fn a_window_that_changes_its_size_tells_the_program() {
    let Some(shell) = Shell::new() else { return };
    let script = "trap 'stty size; exit 0' WINCH; echo waiting; while :; do read line; done";
    let mut terminal = shell.terminal(script);
    terminal.sees("waiting");
    terminal.resize(40, 120);
    terminal.sees("40 120");
    assert!(terminal.ends().1.success());
}

#[test]
fn settings_of_the_terminal_are_the_programs_and_come_back() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("stty -a > /dev/null; before=$(stty -g)\n");
    own.sees("ready> ");
    own.types("elevate $SH -c 'stty -echo; echo asked; read word; stty echo; echo got=$word'\n");
    own.sees("asked\r\n");
    own.types("secret\n");
    let between = own.sees("got=secret");
    assert!(
        !between.contains("secret"),
        "{between:?}: it was not shown while it was typed"
    );
    own.sees("ready> ");
    own.types("[ \"$before\" = \"$(stty -g)\" ] && echo same\n");
    own.sees("\nsame");
}

#[test]
fn control_c_interrupts_the_program_and_not_only_elevate() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("elevate $SH -c 'trap \"echo caught; exit 3\" INT; echo waiting; while :; do read l; done'\n");
    own.sees("waiting\r\n");
    own.types("\u{3}");
    own.sees("caught");
    own.sees("ready> ");
    own.types("echo code=$?\n");
    own.sees("code=3");
    own.types("elevate $SH -c 'echo again; read l'\n");
    own.sees("again\r\n");
    own.types("\u{3}");
    own.sees("ready> ");
    own.types("echo code=$?\n");
    own.sees("code=130");
}

#[test]
fn a_job_is_stopped_goes_on_in_the_background_and_comes_back() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("elevate $SH -c 'echo one; read a; echo got=$a'\n");
    own.sees("one\r\n");
    own.types("\u{1a}");
    own.sees("Stopped");
    own.sees("ready> ");
    own.types("jobs\n");
    own.sees("Stopped");
    own.sees("ready> ");
    own.types("fg\n");
    own.sees("elevate");
    own.sees("\r\n");
    own.types("word\n");
    own.sees("got=word");
    own.sees("ready> ");
    // In the background it runs until it wants the terminal.
    own.types("set -b\n");
    own.sees("ready> ");
    own.types("elevate $SH -c 'echo two; read a; echo got=$a' &\n");
    own.sees("two\r");
    own.sees("Stopped");
    own.types("fg\n");
    own.sees("\r\n");
    own.types("other\n");
    own.sees("got=other");
}

#[test]
fn signals_to_elevate_reach_the_program() {
    let Some(shell) = Shell::new() else { return };
    for name in ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM"] {
        let script =
            format!("trap 'echo {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let mut running = shell
            .command(&script)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut said = std::io::BufReader::new(running.stdout.take().expect("piped"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).expect("it says");
        assert_eq!(line, "ready\n");
        // As the user may: it is the user's own process.
        let kill = shell
            .anna
            .command("kill")
            .args([&format!("-{name}"), &running.id().to_string()])
            .status();
        assert!(kill.expect("kill").success());
        let status = running.wait().expect("it ends");
        assert_eq!(status.code(), Some(9), "{name}");
        line.clear();
        std::io::BufRead::read_line(&mut said, &mut line).expect("it says");
        assert_eq!(line, format!("{name}\n"));
    }
}

#[test]
fn the_program_gets_the_hang_up_of_a_terminal_that_goes_away() {
    let Some(shell) = Shell::new() else { return };
    let mut terminal = shell.terminal("echo waiting; read line");
    terminal.sees("waiting");
    let mut session = terminal.hangs_up();
    session.wait().expect("it ends");
    let recorded = shell.world.last_of(1);
    assert_eq!(recorded.exit.expect("it ended").signal, "HUP");
}

#[test]
fn an_elevate_that_is_killed_takes_the_program_with_it_as_a_hang_up() {
    let Some(shell) = Shell::new() else { return };
    let mut running = shell
        .command("echo ready; while :; do sleep 0.05; done")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = std::io::BufReader::new(running.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut said, &mut String::new()).expect("it says");
    running.kill().expect("it can be killed");
    running.wait().expect("it is dead");
    assert_eq!(shell.world.last_of(1).exit.expect("it ended").signal, "HUP");
}

#[test]
fn the_working_folder_is_the_persons() {
    let Some(shell) = Shell::new() else { return };
    let folder = shell.world.open_folder();
    let output = shell
        .command("pwd")
        .current_dir(&folder)
        .output()
        .expect("it runs");
    assert_eq!(text(&output.stdout), folder.to_string_lossy());
    assert_eq!(
        shell.world.last_of(1).process().working_directory,
        folder.to_string_lossy()
    );
}

#[test]
fn the_umask_is_the_persons_and_at_least_022() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    for (mask, expected) in [
        ("000", "0022"),
        ("077", "0077"),
        ("027", "0027"),
        ("007", "0027"),
    ] {
        own.types(&format!(
            "umask {mask}; elevate $SH -c 'echo mask=$(umask)'\n"
        ));
        own.sees(&format!("mask={expected}"));
        own.sees("ready> ");
    }
}

#[test]
fn limits_and_niceness_are_the_persons_and_no_core_is_left() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("ulimit -n 77; ulimit -f 1234; ulimit -Hs 8192; ulimit -c unlimited\n");
    own.types("echo before=$(nice).\n");
    own.sees("before=");
    own.sees("before=");
    let before: u32 = own.sees(".").parse().expect("a number");
    own.types("nice -n 7 elevate $SH -c 'echo \"$(ulimit -n) $(ulimit -f) $(ulimit -Hs) $(ulimit -c) $(nice)\"'\n");
    // The shell counts files in blocks of 512 bytes.
    own.sees(&format!("\n77 2468 8192 0 {}\r", before + 7));
}

#[test]
fn descriptors_beyond_the_streams_are_closed() {
    let Some(shell) = Shell::new() else { return };
    let mut own = shell.own_shell();
    own.types("exec 5</etc/passwd 9</etc/passwd 20</etc/passwd\n");
    own.types(
        "elevate $SH -c 'for n in $(seq 0 64); do [ -e /proc/$$/fd/$n ] && echo open=$n; done'\n",
    );
    let seen = own.sees("open=2\r\n") + &own.sees("ready> ");
    assert!(seen.contains("open=0\r\nopen=1\r\n"), "{seen}");
    assert_eq!(
        seen.matches("open=").count(),
        2 + 1,
        "{seen}: its own command has one"
    );
}

#[test]
fn the_environment_is_made_anew_and_keeps_only_what_is_harmless() {
    let Some(shell) = Shell::new() else { return };
    let mut command = shell.command("env");
    command.env_clear().env("EPM_SOCKET", shell.world.socket());
    for (name, value) in [
        ("TERM", "vt100"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "Europe/Berlin"),
        ("LD_PRELOAD", "/tmp/evil.so"),
        ("LD_LIBRARY_PATH", "/tmp"),
        ("PATH", "/tmp:/usr/bin:/bin"),
        ("BASH_ENV", "/tmp/evil"),
        ("ENV", "/tmp/evil"),
        ("IFS", "x"),
        ("EDITOR", "vi -- /etc/shadow"),
        ("PERL5LIB", "/tmp"),
        ("PYTHONPATH", "/tmp"),
        ("HOME", "/tmp"),
        ("SUDO_COMMAND", "x"),
    ] {
        command.env(name, value);
    }
    let output = command.output().expect("it runs");
    let mut found: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    // The shell's own.
    found.retain(|line| {
        !line.starts_with("PWD=") && !line.starts_with("OLDPWD=") && !line.starts_with("_=")
    });
    found.sort();
    let anna = &shell.anna;
    let mut expected = vec![
        "HOME=/root".to_owned(),
        "LC_ALL=C.UTF-8".to_owned(),
        "LOGNAME=root".to_owned(),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "SHELL=/bin/bash".to_owned(),
        format!("SUDO_GID={}", anna.gid),
        format!("SUDO_UID={}", anna.uid),
        format!("SUDO_USER={}", anna.name),
        "TERM=vt100".to_owned(),
        "TZ=Europe/Berlin".to_owned(),
        "USER=root".to_owned(),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn ids_and_groups_are_roots_and_the_persons_are_gone() {
    let Some(shell) = Shell::new() else { return };
    assert_eq!(shell.says("id -u; id -ru; id -g; id -G"), "0\n0\n0\n0");
}

#[test]
fn a_name_without_a_slash_is_looked_for_in_the_systems_folders_only() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let id = Path::new("/usr/bin/id");
    world.write_policy(settings(None), vec![rule("id", "automatic", id)]);
    world.start();
    let evil = world.open_folder().join("id");
    std::fs::write(&evil, "#!/bin/sh\necho evil\n").expect("it can be written");
    let mut command = world.elevate(&anna, &["id", "-u"]);
    command.current_dir(world.open_folder()).env(
        "PATH",
        format!("{}:/usr/bin:/bin", world.open_folder().display()),
    );
    assert_eq!(text(&command.output().expect("it runs").stdout), "0");
}

#[test]
fn arguments_arrive_as_they_were_given() {
    let Some(shell) = Shell::new() else { return };
    let odd = [
        "a b",
        "",
        "\\",
        "$HOME",
        "`id`",
        "*",
        "ü",
        "--",
        "-c",
        "line\nbreak",
    ];
    let sh = shell.path();
    let mut words = vec![
        &*sh,
        "-c",
        "for a in \"$@\"; do printf '[%s]' \"$a\"; done",
        "name",
    ];
    words.extend(odd);
    let output = shell.world.ran(&shell.anna, &words);
    let expected: String = odd.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn nothing_of_the_agents_own_is_left_in_the_program() {
    let Some(shell) = Shell::new() else { return };
    // Ignored and blocked signals, no-new-privileges and the session are as a program expects them.
    let said = shell.says("grep -E '^(SigIgn|SigBlk|NoNewPrivs):' /proc/self/status");
    let values: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(
        values,
        ["0000000000000000", "0000000000000000", "0"],
        "{said}"
    );
}
