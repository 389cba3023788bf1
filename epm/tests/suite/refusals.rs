//! What the binary says and how it ends when it is given something that it cannot use.

use std::process::{Command, Output};

fn epm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_epm"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = epm(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} should say {word:?}: {said}"
        );
    }
}

#[test]
fn an_unknown_flag_is_an_error() {
    refused(
        &["serve", "--data", "/nowhere", "--colour", "blue"],
        2,
        &["--colour"],
    );
}

#[test]
fn a_seed_that_is_no_number_names_the_flag_and_the_remedy() {
    refused(&["demo", "--seed", "blue"], 2, &["--seed", "whole number"]);
}

#[test]
fn a_fleet_of_no_devices_names_the_flag_and_the_remedy() {
    refused(&["demo", "--devices", "0"], 2, &["--devices", "from 1 to"]);
}

#[test]
fn an_address_without_a_port_names_the_flag_and_an_example() {
    refused(
        &["serve", "--data", "/nowhere", "--http", "localhost"],
        2,
        &["--http", "127.0.0.1:8080"],
    );
}

#[test]
fn a_log_that_is_neither_folder_nor_topic_names_the_flag_and_the_remedy() {
    let log = |address: &str, words: &[&str]| {
        let arguments = ["collector", "--log", address];
        refused(&arguments, 2, &[&["--log"], words].concat());
    };
    log("http://broker/topic", &["a folder, or kafka://"]);
    log("kafka://broker:9092", &["the topic is missing"]);
    log(
        "kafka://broker/topic?acks=0",
        &["there is no option acks", "replication-factor"],
    );
    log(
        "kafka://broker/topic?properties=/nowhere/at/all",
        &["/nowhere/at/all"],
    );
}

#[test]
fn a_password_in_the_address_of_a_topic_is_refused() {
    let output = epm(&[
        "collector",
        "--log",
        "kafka://broker/t?sasl-password=hunter2",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no option sasl-password;"), "{said}");
}

#[test]
fn a_server_without_a_data_folder_names_the_flag() {
    refused(&["serve"], 2, &["--data"]);
}
