//! Help texts are reviewed as snapshots, and every flag has its environment variable.

use clap::CommandFactory;
use epm::cli::Cli;

fn help_of(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    found.render_help().to_string()
}

#[test]
fn help_reads_as_reviewed() {
    insta::assert_snapshot!("epm", help_of(&[]));
    for name in [
        "demo",
        "serve",
        "collector",
        "processor",
        "query-api",
        "report",
        "token",
        "verify",
        "rebuild",
    ] {
        insta::assert_snapshot!(format!("epm_{name}"), help_of(&[name]));
    }
}

#[test]
fn every_flag_has_its_environment_variable() {
    let mut command = Cli::command();
    command.build();
    for part in command.get_subcommands().chain([&command]) {
        for flag in part
            .get_arguments()
            .filter(|flag| flag.get_long().is_some())
        {
            let long = flag.get_long().unwrap();
            if ["help", "version"].contains(&long) {
                continue;
            }
            let expected = format!("EPM_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(
                flag.get_env().and_then(|name| name.to_str()),
                Some(expected.as_str()),
                "--{long}"
            );
        }
    }
}
