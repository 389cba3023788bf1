//! The same change in every form in which Privileges tells it.

use epm_proto::v1;

use super::super::recorded::{Recorded, read_text};
use super::*;
use crate::source::Verdict;

fn told(recorded: &Recorded, at: usize) -> (i64, String, String) {
    let observation = recorded.readings[at].observation.as_ref().expect("stored");
    let elevation = recorded.elevation(at);
    let user = elevation.user.clone().unwrap_or_default();
    (
        observation.observed_at_us,
        user.user_name_raw,
        elevation.justification.clone(),
    )
}

const GRANTED_US: i64 = 1_795_412_512_000_000;

#[test]
fn the_webhook_tells_of_rights_that_are_taken_and_given_back() {
    let text = "{\"admin\":true,\"expires\":\"\",\"machine\":\"M-1\",\"reason\":\"disk\",\
                \"timestamp\":\"2026-11-23T05:41:52Z\",\"user\":\"anna\"}\n\
                {\"admin\":false,\"expires\":\"\",\"machine\":\"M-1\",\"reason\":\"\",\"delayed\":true,\
                \"timestamp\":\"2026-11-23T05:51:52Z\",\"user\":\"anna\"}\n";
    let recorded = read_text(&JSON, text);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated, Verdict::Exit]);
    let expected = (GRANTED_US, "anna".to_owned(), "disk".to_owned());
    assert_eq!(told(&recorded, 0), expected);
    let elevation = recorded.elevation(0);
    assert_eq!(elevation.trigger(), v1::Trigger::AdminRights);
    assert_eq!(elevation.run_as(), v1::RunAs::CurrentUser);
    let exit = recorded.exit(1);
    assert_eq!(exit.duration_ms, Some(600_000));
    assert_eq!(exit.start_key, recorded.keys()[0]);
}

#[test]
fn the_lines_of_every_log_tell_the_same() {
    let lines = [
        "<135>1 2026-11-23T05:41:52.000Z mac1 Privileges 857 PRIV_A - SAPCorp: User anna now has \
         administrator privileges for the following reason: \"disk\"",
        "2026-11-23T05:41:52Z   PrivilegesDaemon   SAPCorp: User anna now has administrator privileges \
         for the following reason: \"disk\"",
        "2026-11-23 05:41:52.000 Df corp.sap.privileges.helper[1369:4df13b] SAPCorp: User anna has now \
         admin rights for the following reason: disk",
        "2026-11-23 06:41:52.000000+0100 0x1a Default 0x0 90 0 PrivilegesDaemon: SAPCorp: User anna now \
         has administrator privileges for the following reason: \"disk\"",
    ];
    for line in lines {
        assert!((TEXT.recognises)(&Head::new(line.as_bytes())), "{line}");
        let recorded = read_text(&TEXT, &format!("{line}\n"));
        assert_eq!(
            told(&recorded, 0),
            (GRANTED_US, "anna".to_owned(), "disk".to_owned()),
            "{line}"
        );
    }
    let device = |at: usize| {
        let recorded = read_text(&TEXT, lines[at]);
        recorded
            .elevation(0)
            .device
            .clone()
            .unwrap_or_default()
            .device_name
    };
    assert_eq!((device(0).as_str(), device(1).as_str()), ("mac1", ""));
    let entry = "{\"timestamp\":\"2026-11-23 06:41:52.000000+0100\",\"subsystem\":\"corp.sap.privileges.daemon\",\
                 \"eventMessage\":\"SAPCorp: User anna now has administrator privileges for the following reason: \
                 \\\"disk\\\"\"}";
    assert!((JSON.recognises)(&Head::new(entry.as_bytes())));
    let recorded = read_text(&JSON, entry);
    assert_eq!(
        told(&recorded, 0),
        (GRANTED_US, "anna".to_owned(), "disk".to_owned())
    );
}

#[test]
fn a_refusal_is_denied_and_rights_from_before_the_log_cannot_be_given_back() {
    let text = "2026-11-23T05:41:52Z x SAPCorp: Failed to change privileges for user anna\n\
                2026-11-23T05:41:53Z x SAPCorp: User anna now has standard user privileges (privileges expired)\n\
                2026-11-23T05:41:54Z x SAPCorp: Imported events from queue: 3\n\
                yesterday x SAPCorp: User anna now has administrator privileges\n\
                noise\n";
    let recorded = read_text(&TEXT, text);
    assert_eq!(recorded.verdicts(), [Verdict::Denied]);
    assert_eq!(recorded.elevation(0).reason, "failed to change privileges");
    assert_eq!(recorded.skipped, [NOTHING_TO_GIVE_BACK, OTHER_ENTRY]);
    assert_eq!(recorded.unreadable.len(), 2);
}

#[test]
fn a_log_of_many_programs_is_not_taken_for_one_of_privileges() {
    let mixed = b"<135>1 2026-11-23T05:41:52Z m Privileges 8 P - SAPCorp: User a has now admin rights\n\
                  <13>1 2026-11-23T05:41:53Z m sudo 9 - - anna : PWD=/ ; USER=root ; COMMAND=/bin/ls\n";
    assert!(!(TEXT.recognises)(&Head::new(mixed)));
    assert!(!(TEXT.recognises)(&Head::new(b"")));
}
