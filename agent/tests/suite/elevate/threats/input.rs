//! Tricks with command lines, texts and environments.

use std::path::Path;

use epm_proto::v1;
use serde_json::json;

use super::super::behaviour::Shell;
use super::super::people::User;
use super::super::pty::Terminal;
use super::super::world::{World, copy, rule, settings, text, with, write_program};
use super::{can_speak, client, is_refused, speaks};

/// Ends a line, clears a screen, types into a terminal's title, turns writing around, hides.
const NASTY: &str = "a\nb\r\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}gpj\u{2066}\u{200b}\u{7f}";

fn has_hidden(text: &str) -> bool {
    text.chars().any(|c| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[test]
fn nobody_can_name_whom_a_program_runs_as() {
    let Some(shell) = Shell::new() else { return };
    let sh = shell.world.path("bin/sh").to_string_lossy().into_owned();
    for words in [
        ["-u", "#-1"],
        ["-u", "#4294967295"],
        ["--user", "root"],
        ["-g", "0"],
        ["-R", "/tmp"],
        ["-e", "/etc/passwd"],
    ] {
        let words = [words[0], words[1], &sh, "-c", "id -u"];
        let output = shell.world.ran(&shell.anna, &words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
    }
    assert!(shell.world.recorded().is_empty());
}

#[test]
fn backslashes_and_the_name_of_elevate_change_nothing() {
    let Some(shell) = Shell::new() else { return };
    let (elevate, sh) = (shell.world.path("bin/elevate"), shell.world.path("bin/sh"));
    // As in CVE-2021-3156: another name of the program, and an argument that ends with a backslash.
    let script = format!(
        "exec -a sudoedit {} -- {} -c 'printf \"[%s]\" \"$@\"' name 'a\\' '\\' \"$(printf '%20000s' | tr ' ' '\\\\')\"",
        elevate.display(),
        sh.display()
    );
    let output = shell
        .anna
        .command("bash")
        .args(["-c", &script])
        .env("EPM_SOCKET", shell.world.socket())
        .output();
    let expected = format!("[a\\][\\][{}]", "\\".repeat(20_000));
    assert_eq!(text(&output.expect("it runs").stdout), expected);
}

#[test]
fn no_arguments_at_all_are_a_wrong_command_line() {
    let Some(world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    if can_speak().is_none() {
        return;
    }
    let anna = User::new("");
    // As in CVE-2021-4034: not even the name of the program is there.
    let script = format!("os.execv('{}', [])", world.path("bin/elevate").display());
    let refused = client(&world, &anna, &script).output().expect("it runs");
    // Python does not do it, so the kernel is asked.
    assert!(!refused.status.success());
    let script = format!(
        "import ctypes\nlibc = ctypes.CDLL(None)\nnone = (ctypes.c_char_p * 1)(None)\nlibc.execv(b'{}', none)",
        world.path("bin/elevate").display()
    );
    let output = client(&world, &anna, &script).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = speaks(
        &world,
        &anna,
        "c = connect(); send(c, ask([]), given()); print(everything(c))",
    );
    assert!(said.contains("not allowed"), "{said}");
    assert!(world.recorded().is_empty());
}

#[test]
fn what_a_person_writes_cannot_forge_a_record_a_log_or_a_terminal() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/true"));
    let nasty = world.open_folder().join(NASTY.replace('/', ""));
    std::fs::copy(&tool, &nasty).expect("it can be copied");
    let reason = json!({"validation": {"business_justification": true}});
    let rules = vec![with(rule("tool", "user_confirmed", &tool), reason)];
    world.write_policy(settings(None), rules);
    world.start();
    let output = world.ran(
        &anna,
        &["--reason", NASTY, &tool.to_string_lossy(), NASTY, "plain"],
    );
    assert!(output.status.success(), "{output:?}");
    let recorded = world.last_of(1);
    for written in [
        &recorded.start.justification,
        &recorded.file().arguments,
        &recorded.start.reason,
    ] {
        assert!(!has_hidden(written), "{written:?}");
    }
    assert!(
        recorded.file().arguments.ends_with(" plain"),
        "{:?}",
        recorded.file().arguments
    );
    let output = world.ran(&anna, &[&nasty.to_string_lossy()]);
    assert!(is_refused(&output));
    let said = text(&output.stderr);
    assert!(!has_hidden(&said), "{said:?}");
    let recorded = world.last_of(2);
    assert!(!has_hidden(&recorded.file().path) && !has_hidden(&recorded.file().file_name));
    for line in world.logged() {
        assert!(
            !line.contains("gpj"),
            "logs carry no texts of people: {line:?}"
        );
    }
}

#[test]
fn a_question_shows_the_file_as_it_is() {
    let Some(world) = World::with(Some("user_confirmation"), |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    let nasty = world.open_folder().join(NASTY);
    std::fs::copy("/usr/bin/true", &nasty).expect("it can be copied");
    let command = world.elevate(&anna, &[&nasty.to_string_lossy()]);
    let mut person = Terminal::run(&command, anna.uid);
    let asked = person.sees("[y/N] ");
    assert!(!has_hidden(asked.trim_end()), "{asked:?}");
    person.types("n\n");
    person.ends();
}

#[test]
fn a_reason_or_an_answer_that_comes_through_a_pipe_is_nobodys_yes() {
    let Some(world) = World::with(Some("user_confirmation"), |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    let script = format!(
        "yes | setsid --wait {} /usr/bin/id; echo code=${{PIPESTATUS[1]}}",
        world.path("bin/elevate").display()
    );
    let output = anna
        .command("bash")
        .args(["-c", &script])
        .env("EPM_SOCKET", world.socket())
        .output();
    assert_eq!(text(&output.expect("it runs").stdout), "code=1");
    assert_eq!(world.last_of(1).start.outcome(), v1::Outcome::Cancelled);
}

#[test]
fn loaders_shells_and_interpreters_take_no_orders_from_the_environment() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let script = world.path("bin/bash-script");
    write_program(&script, "#!/bin/bash\nid -u\necho ${EVIL:-none}\n");
    world.write_policy(settings(None), vec![rule("script", "automatic", &script)]);
    world.start();
    let evil = world.open_folder().join("evil.sh");
    std::fs::write(&evil, "EVIL=yes\nid() { echo 666; }\n").expect("it can be written");
    let evil = evil.to_string_lossy().into_owned();
    let mut command = world.elevate(&anna, &[&script.to_string_lossy()]);
    for name in [
        "BASH_ENV",
        "ENV",
        "LD_PRELOAD",
        "LD_AUDIT",
        "GCONV_PATH",
        "NLSPATH",
        "LC_TIME",
        "LANGUAGE",
    ] {
        command.env(name, &evil);
    }
    command
        .env("BASH_FUNC_id%%", "() { echo 666; }")
        .env("LC_EVIL", "() { echo 666; }")
        .env("SHELLOPTS", "xtrace")
        .env("PS4", "$(id >&2)");
    let output = command.output().expect("it runs");
    assert_eq!(text(&output.stdout), "0\nnone", "{output:?}");
}

#[test]
fn elevate_has_no_rights_of_its_own() {
    use std::os::unix::fs::MetadataExt as _;
    let built = std::fs::metadata(env!("CARGO_BIN_EXE_elevate")).expect("it is built");
    assert_eq!(built.mode() & 0o7000, 0, "it is not setuid");
    let Some(world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    // Whatever a user makes of its own copy, the broker asks the kernel.
    let own = world.open_folder().join("elevate");
    copy(&world.path("bin/elevate"), &own);
    let output = anna
        .command(&own.to_string_lossy())
        .args(["/usr/bin/id", "-u"])
        .env("EPM_SOCKET", world.socket())
        .output();
    let output = output.expect("it runs");
    assert!(is_refused(&output), "{output:?}");
}
