//! Attacks on the broker and on `elevate` by the users of a device. `docs/threats.md` names each with what stops it.

mod files;
mod input;
mod sockets;

use std::process::{Command, Output, Stdio};

use crate::components::{present, program};

use super::people::User;
use super::world::{World, text};

const CLIENT: &str = include_str!("client.py");

/// Whether the client can be run; otherwise says so.
fn can_speak() -> Option<()> {
    present(program("python3"))
}

/// A client of the test's own as this user.
fn client(world: &World, user: &User, script: &str) -> Command {
    let mut command = user.command("/usr/bin/python3");
    command
        .args(["-c", &format!("{CLIENT}\n{script}")])
        .current_dir("/")
        .env("EPM_SOCKET", world.socket())
        .stdin(Stdio::null());
    command
}

fn speaks(world: &World, user: &User, script: &str) -> String {
    let output = client(world, user, script).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn is_root(output: &Output) -> bool {
    output.status.success() && text(&output.stdout) == "0"
}

fn is_refused(output: &Output) -> bool {
    output.status.code() == Some(1) && output.stdout.is_empty()
}
