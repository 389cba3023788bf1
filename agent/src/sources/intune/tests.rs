//! The exports as Intune writes them: every quirk, every shape, and what is stored of them.

use std::io::{Cursor, Write as _};

use epm_proto::v1;
use zip::write::SimpleFileOptions;

use super::super::format::{Format, Head, Reading};
use super::super::recorded::{Recorded, time};
use super::*;
use crate::source::Verdict;

const ID: &str = "5c0ffee05c0ffee05c0ffee05c0ffee05c0ffee05c0ffee05c0ffee05c0ffee0";

fn read(bytes: &[u8]) -> (Recorded, Option<String>) {
    let mut recorded = Recorded::default();
    let Reading::Whole(read) = FORMAT.reading else {
        panic!("an export is read as a whole");
    };
    let outcome = read(&mut Cursor::new(bytes), &time(), &mut recorded);
    (recorded, outcome.err().map(|error| error.to_string()))
}

fn whole(bytes: impl AsRef<[u8]>) -> Recorded {
    let (recorded, error) = read(bytes.as_ref());
    assert_eq!(error, None);
    recorded
}

fn is_recognised(format: &Format, head: &[u8]) -> bool {
    (format.recognises)(&Head::new(head))
}

const HEADER: &str = "Id,DeviceId,DeviceName,EventDateTime,ElevationType,FilePath,Upn,UserType,ProductName,\
CompanyName,FileVersion,Justification,Hash,InternalName,FileDescription,Result,ProcessType,RuleId,\
ParentProcessName,PolicyId,PolicyName,IsSystemInitiated";

fn unmanaged(upn: &str) -> String {
    let hash = "AB".repeat(32);
    format!(
        "{ID},d-1,PC-1,2026-11-19 19:10:54.1234567,UnmanagedElevation,C:\\Tools\\mmc.exe,{upn},Unknown,Console,\
Contoso Tools,10.0.1,,{hash},mmc.exe,\"A \"\"console\"\", new\",0,Parent,<Null>,explorer.exe,<Null>,,False"
    )
}

#[test]
fn a_row_of_the_event_report_becomes_an_elevation_with_everything_that_it_says() {
    let recorded = whole(format!(
        "\u{feff}{HEADER}\r\n{}\r\n",
        unmanaged(r"AzureAD\AnnaBerg")
    ));
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    let observation = recorded.readings[0].observation.as_ref();
    let observation = observation.expect("it is stored");
    // 2026-11-19T19:10:54.123456Z: no zone is UTC.
    assert_eq!(observation.observed_at_us, 1_795_115_454_123_456);
    assert_eq!(observation.class, v1::RecordClass::Unmanaged);
    let elevation = recorded.elevation(0);
    assert_eq!(elevation.outcome(), v1::Outcome::Elevated);
    assert_eq!(elevation.management(), v1::Management::Unmanaged);
    assert_eq!(elevation.decision_source(), v1::DecisionSource::None);
    assert_eq!(elevation.elevation_type(), v1::ElevationType::Unmanaged);
    assert_eq!(elevation.trigger(), v1::Trigger::Unspecified);
    assert_eq!(elevation.sensor(), v1::SensorKind::Intune);
    assert_eq!(elevation.account_class(), v1::AccountClass::Person);
    assert_eq!(elevation.result_code, Some(0));
    assert_eq!(elevation.justification, "");
    let user = elevation.user.as_ref().expect("a user");
    assert_eq!(
        (user.upn.as_str(), user.user_name_raw.as_str()),
        ("", r"AzureAD\AnnaBerg")
    );
    assert_eq!(user.user_type(), v1::UserType::Unspecified);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(file.path, r"C:\Tools\mmc.exe");
    assert_eq!(file.file_name, "mmc.exe");
    assert_eq!(file.sha256, [0xab; 32]);
    assert_eq!(file.company_name, "Contoso Tools");
    assert_eq!(file.file_description, "A \"console\", new");
    let process = elevation.process.as_ref().expect("a process");
    assert_eq!(process.process_type(), v1::ProcessType::Parent);
    assert_eq!(process.parent_path, "explorer.exe");
    assert_eq!(process.system_initiated, Some(false));
    let policy = elevation.policy.as_ref().expect("a policy");
    assert_eq!(*policy, v1::Policy::default(), "<Null> is nothing");
}

#[test]
fn each_type_is_managed_by_what_decided() {
    use v1::{DecisionSource as By, ElevationType as Type, Management as M, Trigger as T};
    // Type, rule, process, initiated by the system; what it becomes.
    let cases = [
        (
            "zeroTouchElevation",
            "r",
            "Parent",
            "False",
            (M::Managed, By::Rule, Type::Automatic, T::Automatic),
        ),
        (
            "UserConfirmedElevation",
            "r",
            "Parent",
            "False",
            (
                M::Managed,
                By::Rule,
                Type::UserConfirmed,
                T::RunWithElevatedAccess,
            ),
        ),
        (
            "UserConfirmedElevation",
            "<Null>",
            "Parent",
            "False",
            (
                M::Managed,
                By::DefaultResponse,
                Type::UserConfirmed,
                T::RunWithElevatedAccess,
            ),
        ),
        (
            "UserConfirmedElevation",
            "r",
            "Child",
            "False",
            (M::Managed, By::Rule, Type::UserConfirmed, T::Child),
        ),
        (
            "SupportApprovedElevation",
            "r",
            "Parent",
            "False",
            (
                M::Managed,
                By::Approval,
                Type::SupportApproved,
                T::RunWithElevatedAccess,
            ),
        ),
        (
            "CurrentUserElevation",
            "r",
            "Parent",
            "False",
            (
                M::Managed,
                By::Rule,
                Type::CurrentUser,
                T::RunWithElevatedAccess,
            ),
        ),
        (
            "UnmanagedElevation",
            "<Null>",
            "Parent",
            "True",
            (M::Unmanaged, By::None, Type::Unmanaged, T::System),
        ),
        (
            "unknownFutureValue",
            "<Null>",
            "Parent",
            "False",
            (
                M::Unspecified,
                By::Unspecified,
                Type::Undetermined,
                T::Unspecified,
            ),
        ),
        (
            "somethingNew",
            "r",
            "Parent",
            "False",
            (M::Managed, By::Rule, Type::Undetermined, T::Unspecified),
        ),
    ];
    for (kind, rule, process, system, expected) in cases {
        let text = format!(
            "Id,EventDateTime,ElevationType,FilePath,RuleId,ProcessType,IsSystemInitiated,Upn\n\
             a,2026-11-19T19:10:54Z,{kind},C:\\a.exe,{rule},{process},{system},anna@contoso.example\n"
        );
        let recorded = whole(text);
        let it = recorded.elevation(0);
        let is = (
            it.management(),
            it.decision_source(),
            it.elevation_type(),
            it.trigger(),
        );
        assert_eq!(is, expected, "{kind} {rule} {process}");
        assert_eq!(it.outcome(), v1::Outcome::Elevated);
        assert_eq!(
            it.user.as_ref().map(|user| user.upn.as_str()),
            Some("anna@contoso.example")
        );
    }
}

#[test]
fn one_person_under_two_names_on_a_device_becomes_one_and_the_raw_name_stays() {
    let rows = [
        r"AzureAD\AnnaBerg",
        "anna.berg@contoso.example",
        r"AzureAD\EveLund",
    ]
    .map(unmanaged);
    let recorded = whole(format!("{HEADER}\n{}\n", rows.join("\n")));
    let users: Vec<(String, String)> = (0..3)
        .filter_map(|at| recorded.elevation(at).user.clone())
        .map(|user| (user.upn, user.user_name_raw))
        .collect();
    let expected = [
        ("anna.berg@contoso.example", r"AzureAD\AnnaBerg"),
        ("anna.berg@contoso.example", "anna.berg@contoso.example"),
        ("", r"AzureAD\EveLund"),
    ];
    assert_eq!(
        users,
        expected.map(|(upn, raw)| (upn.to_owned(), raw.to_owned()))
    );
}

#[test]
fn the_same_event_has_the_same_key_in_every_shape_and_order() {
    let csv = whole(format!("{HEADER}\n{}\n", unmanaged("anna@contoso.example")));
    let upper = ID.to_uppercase();
    let json = format!(
        "{{\"@odata.context\": \"x\", \"value\": [{{\"filePath\": \"C:\\\\a.exe\", \"elevationType\": \
         \"unmanagedElevation\", \"eventDateTime\": \"2026-11-19T19:10:54Z\", \"id\": \"{upper}\", \
         \"result\": 0, \"systemInitiatedElevation\": true, \"ruleId\": null}}]}}"
    );
    assert!(is_recognised(&FORMAT, json.as_bytes()));
    let json = whole(json);
    assert_eq!(csv.keys(), json.keys());
    assert_eq!(json.elevation(0).result_code, Some(0));
    assert_eq!(json.elevation(0).trigger(), v1::Trigger::System);
    assert!(json.skipped.is_empty(), "{:?}", json.skipped);
}

#[test]
fn columns_that_are_not_read_are_counted_once() {
    let csv = format!(
        "{HEADER},ElevationType_loc,Extra\n{},Nicht verwaltet,1\n",
        unmanaged("a@b")
    );
    assert_eq!(whole(csv).skipped, ["localised_column", "unknown_column"]);
    let object = "{\"Id\":\"1\",\"EventDateTime\":\"2026-11-19 19:10:54.0000000\",\"ElevationType\":\"x\",\
                  \"FilePath\":\"a\",\"New\":{\"a\":[1]}}";
    let json = whole(format!(
        "{{\"values\":[{object},{}]}}",
        object.replace("\"1\"", "\"2\"")
    ));
    assert_eq!(json.skipped, ["unknown_column"]);
    assert_eq!(json.readings.len(), 2);
}

#[test]
fn a_report_without_a_column_that_it_needs_is_refused_by_its_name() {
    let without = HEADER.replace("EventDateTime", "Date");
    let head = Head::new(without.as_bytes());
    let why = check(&head).expect_err("it lacks a column");
    assert_eq!(why, NoReport::Lacks("EventDateTime"));
    assert!(!is_recognised(&FORMAT, without.as_bytes()));
    let (recorded, error) = read(without.as_bytes());
    assert_eq!(recorded.unreadable.len(), 1);
    assert_eq!(error, Some(why.to_string()));
    let counts = "CompanyName,ElevationCount,ElevationType,FileName\n";
    assert_eq!(check(&Head::new(counts.as_bytes())), Err(NoReport::Counts));
    let json = b"{\"value\":[{\"id\":\"1\",\"elevationType\":\"x\",\"filePath\":\"a\"}]}";
    assert_eq!(
        check(&Head::new(json)),
        Err(NoReport::Lacks("EventDateTime"))
    );
}

#[test]
fn rows_that_cannot_be_read_cost_themselves() {
    let good = unmanaged("anna@contoso.example");
    let rows = [
        good.clone(),
        good.replace(ID, "<Null>"),
        good.replace("2026-11-19 19:10:54.1234567", "yesterday"),
        "too,few".to_owned(),
        HEADER.to_owned(),
        good,
    ];
    let recorded = whole(format!("{HEADER}\n{}\n", rows.join("\n")));
    assert_eq!(recorded.readings.len(), 2);
    assert_eq!(recorded.unreadable.len(), 3);
    assert_eq!(recorded.skipped, ["heading"]);
}

const DENIED: &str = "UserName,DeviceId,DeviceName,FileName,FileProductName,FileDescription,FileInternalName,\
FileVersion,HashValue,Publisher,ElevationType,MonthElevationCount\n\
anna@contoso.example,d-1,PC-1,setup.exe,Setup,Sets up,setup,1.0,ABC,Contoso,deniedElevation,7\n";

#[test]
fn a_row_of_the_denied_report_is_its_count_in_its_month() {
    let recorded = whole(DENIED);
    assert_eq!(recorded.verdicts(), [Verdict::Denied]);
    let observation = recorded.readings[0].observation.as_ref().expect("stored");
    // The reference is 2026-11-24: the month began on the 1st.
    assert_eq!(observation.observed_at_us, 1_793_491_200_000_000);
    assert_eq!(observation.class, v1::RecordClass::Decision);
    let denied = recorded.elevation(0);
    assert_eq!(
        (denied.outcome(), denied.repeat_count),
        (v1::Outcome::Denied, 7)
    );
    assert_eq!(denied.elevation_type(), v1::ElevationType::Deny);
    let file = denied.file.as_ref().expect("a file");
    assert_eq!(
        (file.file_name.as_str(), file.company_name.as_str()),
        ("setup.exe", "Contoso")
    );
    assert_eq!(
        (file.other_hashes.as_str(), file.internal_name.as_str()),
        ("ABC", "setup")
    );
    // Exported again when there were more: the same observation.
    let later = whole(DENIED.replace(",7\n", ",9\n"));
    assert_eq!(later.keys(), recorded.keys());
    assert_eq!(later.elevation(0).repeat_count, 9);
    let other = whole(DENIED.replace("setup.exe", "Setup2.exe"));
    assert_ne!(other.keys(), recorded.keys());
}

#[test]
fn the_month_of_elevations_has_the_same_columns_and_is_no_denial() {
    let rows = DENIED.replace("deniedElevation", "unmanagedElevation");
    let recorded = whole(rows);
    assert!(recorded.readings.is_empty());
    assert_eq!(recorded.skipped, [denial::MONTH_OF_ELEVATIONS]);
    let uncounted = whole(DENIED.replace(",7\n", ",<Null>\n"));
    assert_eq!(uncounted.unreadable.len(), 1);
}

#[test]
fn a_denied_request_is_stored_and_the_others_are_counted_by_their_state() {
    let request = |id: &str, status: &str| {
        format!(
            "{{\"id\":\"{id}\",\"requestedByUserPrincipalName\":\"anna@contoso.example\",\
             \"requestedOnDeviceId\":\"d-1\",\"deviceName\":\"PC-1\",\"requestCreatedDateTime\":\
             \"2026-11-19T19:10:54.5Z\",\"requestJustification\":\"need it\",\"status\":\"{status}\",\
             \"reviewerJustification\":\"not yours\",\"applicationDetail\":{{\"fileHash\":\"{}\",\
             \"fileName\":\"a.exe\",\"filePath\":\"C:\\\\Tools\",\"publisherName\":\"Contoso\",\
             \"productVersion\":\"1.2\",\"publisherCert\":\"x\"}}}}",
            "ab".repeat(32)
        )
    };
    let requests = [
        request("1", "denied"),
        request("2", "pending"),
        request("3", "approved"),
    ];
    let text = format!("{{\"value\":[{}]}}", requests.join(","));
    assert!(is_recognised(&FORMAT, text.as_bytes()));
    let recorded = whole(text);
    assert_eq!(recorded.verdicts(), [Verdict::Denied]);
    let denied = recorded.elevation(0);
    assert_eq!(denied.decision_source(), v1::DecisionSource::Approval);
    assert_eq!(
        (denied.reason.as_str(), denied.justification.as_str()),
        ("not yours", "need it")
    );
    let file = denied.file.as_ref().expect("a file");
    assert_eq!(
        (file.file_name.as_str(), file.file_version.as_str()),
        ("a.exe", "1.2")
    );
    let skipped = &recorded.skipped;
    assert!(skipped.contains(&"request_pending") && skipped.contains(&"request_approved"));
}

fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let written = zip::DateTime::from_date_and_time(2026, 9, 30, 23, 0, 0).expect("a time");
    let options = SimpleFileOptions::default().last_modified_time(written);
    for (name, text) in files {
        writer.start_file(*name, options).expect("a file begins");
        writer.write_all(text.as_bytes()).expect("it is written");
    }
    writer.finish().expect("the zip is whole").into_inner()
}

#[test]
fn the_zip_that_the_export_job_delivers_is_read_as_what_it_holds() {
    let csv = format!("{HEADER}\n{}\n", unmanaged("anna@contoso.example"));
    let zip = zip_of(&[("EpmElevationReportElevationEvent_1.csv", &csv)]);
    assert!(is_recognised(&FORMAT, &zip));
    assert_eq!(whole(zip).keys(), whole(csv).keys());
    // The month is that of the file in the zip, so that a copy of the zip says the same.
    let denied = whole(zip_of(&[("EpmDeniedReport_1.csv", DENIED)]));
    let observation = denied.readings[0].observation.as_ref().expect("stored");
    assert_eq!(observation.observed_at_us, 1_788_220_800_000_000);
}

#[test]
fn a_zip_of_anything_else_is_refused_in_words() {
    let two = zip_of(&[("a.csv", DENIED), ("b.csv", DENIED)]);
    let (recorded, error) = read(&two);
    assert!(
        recorded.readings.is_empty(),
        "nothing is read before all is known"
    );
    assert_eq!(recorded.unreadable.len(), 1);
    assert!(error.is_some_and(|error| error.contains("more than one file")));
    let other = zip_of(&[("a.csv", "name,city\nanna,bonn\n")]);
    let (_, error) = read(&other);
    assert!(error.is_some_and(|error| error.contains("no export of Intune")));
    assert!(!is_recognised(&FORMAT, &zip_of(&[("a.docx", "x")])));
}
