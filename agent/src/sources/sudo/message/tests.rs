//! What each shape of message reads as.

use proptest::prelude::*;

use super::*;

fn run(text: &str) -> Message {
    match parse(text) {
        Parsed::Run(message) => *message,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_padded_user_and_every_field_are_read() {
    let message = run(
        "     tsg : HOST=web1 ; TTY=pts/1 ; CWD=/home/tsg ; USER=root ; TSID=0003FI ; ENV=A=b C=d ; COMMAND=/bin/ls -l",
    );
    assert_eq!(message.user, "tsg");
    assert_eq!(message.host, "web1");
    assert_eq!(message.tty, "pts/1");
    assert_eq!(message.cwd, "/home/tsg");
    assert_eq!(message.tsid, "0003FI");
    assert_eq!(message.target, Target::Account("root".to_owned()));
    assert_eq!(message.command, "/bin/ls -l");
    assert_eq!(message.exit, None);
}

#[test]
fn a_terminal_may_be_missing_or_unknown() {
    assert_eq!(run("a : PWD=/ ; USER=root ; COMMAND=/bin/ls").tty, "");
    assert_eq!(
        run("a : TTY=unknown ; PWD=/ ; USER=root ; COMMAND=/bin/ls").tty,
        ""
    );
    assert_eq!(
        run("a : TTY=none ; PWD=/ ; USER=root ; COMMAND=/bin/ls").tty,
        ""
    );
}

#[test]
fn a_command_is_never_split() {
    let message =
        run("a : PWD=/ ; USER=nobody ; COMMAND=/bin/sh -c 'x ; USER=root ; COMMAND=/bin/y; z'");
    assert_eq!(message.target, Target::Account("nobody".to_owned()));
    assert_eq!(
        message.command,
        "/bin/sh -c 'x ; USER=root ; COMMAND=/bin/y; z'"
    );
    // A variable may hold the word too.
    assert_eq!(
        run("a : USER=root ; ENV=COMMAND=x ; COMMAND=/bin/ls").command,
        "/bin/ls"
    );
}

#[test]
fn denials_put_their_reason_first() {
    for reason in [
        "user NOT in sudoers",
        "command not allowed",
        "3 incorrect password attempts",
    ] {
        let message = run(&format!(
            "a : {reason} ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"
        ));
        assert_eq!(message.reason, reason);
        assert_eq!(message.tty, "pts/0");
    }
}

#[test]
fn the_exit_is_taken_off_the_end_only() {
    let message =
        run("a : PWD=/ ; USER=root ; COMMAND=/bin/sh -c 'kill -9 $$' ; SIGNAL=KILL ; EXIT=137");
    assert_eq!(message.command, "/bin/sh -c 'kill -9 $$'");
    let killed = Exit {
        code: Some(137),
        signal: "KILL".to_owned(),
    };
    assert_eq!(message.exit, Some(killed));
    let message = run("a : USER=root ; COMMAND=/bin/echo ' ; EXIT=0'");
    assert_eq!(message.exit, None);
    assert_eq!(
        start_of("a : USER=root ; COMMAND=/bin/id -u ; EXIT=3"),
        "a : USER=root ; COMMAND=/bin/id -u"
    );
    assert_eq!(
        start_of("a : USER=root ; COMMAND=/bin/id -u"),
        "a : USER=root ; COMMAND=/bin/id -u"
    );
}

#[test]
fn a_folder_cannot_pretend_to_be_the_target() {
    let message = run("a : PWD=/tmp/x ; USER=nobody ; USER=root ; COMMAND=/bin/sh");
    assert_eq!(message.target, Target::Unknown);
    let message = run("a : PWD=/tmp/x ; y ; USER=root ; COMMAND=/bin/sh");
    assert_eq!(message.cwd, "/tmp/x ; y");
}

#[test]
fn octal_escapes_become_the_characters_that_they_stand_for() {
    assert_eq!(unescape("a#012b#011c##012"), "a\nb\tc#\n");
    assert_eq!(unescape("#101 #9 #é12 #01"), "#101 #9 #é12 #01");
    assert_eq!(unescape("/my#040app"), "/my#040app");
    assert_eq!(unescape_path("/my#040app"), "/my app");
}

#[test]
fn lines_that_ran_nothing_are_told_apart_from_damage() {
    assert_eq!(
        parse("pam_unix(sudo:session): session opened for user root(uid=0) by a(uid=1000)"),
        Parsed::Other("session")
    );
    assert_eq!(
        parse("a : PWD=/ ; USER=root ; COMMAND=list"),
        Parsed::Other("no_command")
    );
    assert_eq!(
        parse("unable to resolve host vm"),
        Parsed::Other("no_command")
    );
    assert_eq!(
        parse("a : unable to resolve host vm ; PWD=/ ; USER=root ; COMMAND=/bin/ls"),
        Parsed::Other("notice")
    );
    assert!(matches!(parse("a : TTY=pts/0 ; PWD=/"), Parsed::Broken(_)));
    assert!(matches!(
        parse("a : USER=root ; COMMAND="),
        Parsed::Broken(_)
    ));
    assert!(matches!(
        parse("PWD=/ ; COMMAND=/bin/ls"),
        Parsed::Broken(_)
    ));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "(a : |USER=|COMMAND=| ; |EXIT=|SIGNAL=|#0|#012|é|[ -~]){0,20}") {
        parse(&text);
        start_of(&text);
        unescape_path(&text);
    }
}
