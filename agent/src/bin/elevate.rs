//! `elevate`: runs a program as administrator, where the device's policies allow it.

use std::process::ExitCode;

fn main() -> ExitCode {
    epm_agent::elevate::main()
}
