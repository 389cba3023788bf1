//! A tenant's exports of 30 days, overlapping and in every shape: what is stored of them counts as the product does.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use epm_agent::import::summary::Counter;
use epm_agent::import::{self, ImportError, Options, Refusal};
use epm_agent::source::{Reading, Readings};
use epm_proto::v1::record::Body;
use epm_proto::v1::{self, Outcome};
use jiff::Timestamp;

use crate::tenant::{Reports, Tenant, zip_of};

const DAYS: u32 = 30;

/// Keeps what would be stored, once for each key. Of several records the one that knows most stays, as in the tables.
#[derive(Default)]
struct Stored {
    elevations: BTreeMap<Vec<u8>, (i64, v1::Elevation)>,
    skipped: BTreeMap<&'static str, u64>,
    unreadable: u64,
}

impl Readings for Stored {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        let observation = reading.observation.expect("every record is stored");
        let key = observation.source_key.expect("every record has a key");
        let Body::Elevation(elevation) = observation.body else {
            panic!("an export holds elevations");
        };
        let at = observation.observed_at_us;
        let key = key.as_bytes().to_vec();
        self.elevations.entry(key).or_insert((at, elevation));
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, _detail: &str) -> ControlFlow<()> {
        self.unreadable += 1;
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        *self.skipped.entry(reason).or_default() += 1;
        ControlFlow::Continue(())
    }
}

impl Stored {
    /// What the reports of the tables count: a person is the principal name, or the name as recorded.
    fn reports(&self) -> Reports {
        let mut reports = Reports::default();
        for (at, elevation) in self.elevations.values() {
            let user = elevation.user.clone().unwrap_or_default();
            let file = elevation.file.clone().unwrap_or_default();
            let device = elevation.device.clone().unwrap_or_default().device_name;
            let name = if user.upn.is_empty() {
                user.user_name_raw
            } else {
                user.upn
            };
            let name = name.to_lowercase();
            if elevation.outcome() == Outcome::Denied {
                *reports.denied.entry([name, file.file_name]).or_default() +=
                    u64::from(elevation.repeat_count);
                continue;
            }
            let moment = Timestamp::from_microsecond(*at).expect("a moment");
            let moment = moment.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
            let moment = moment.trim_end_matches('0').to_owned();
            let sha256 = file
                .sha256
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let kind = elevation.elevation_type().as_str_name();
            let kind = kind.trim_start_matches("ELEVATION_TYPE_").to_lowercase();
            let application = [
                file.file_name.clone(),
                file.internal_name,
                file.file_version,
                file.company_name,
                sha256,
                kind,
            ];
            let is_managed = elevation.management() == v1::Management::Managed;
            reports.count(
                [moment, device, file.file_name],
                &name,
                application,
                is_managed,
            );
        }
        reports
    }
}

fn import(path: &Path, into: &mut dyn Readings) -> Result<(), ImportError> {
    import::read_file(path, &Options::default(), &mut |_| {}, into).map(drop)
}

#[test]
fn a_tenants_export_of_thirty_days_counts_as_the_product_does_however_it_is_cut() {
    for seed in 0..3 {
        let tenant = Tenant::new(seed, 120, DAYS);
        assert!(
            tenant.under_other_names() > 500,
            "people have several names"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let exports = [
            (
                "EpmElevationReportElevationEvent_1.csv",
                tenant.csv(0..DAYS, 0),
            ),
            ("events.csv", tenant.csv(0..20, 5)),
            ("events.json", tenant.json(10..DAYS, 3)),
            (
                "events.zip",
                zip_of(
                    "EpmElevationReportElevationEvent_2.csv",
                    &tenant.csv(7..DAYS, 11),
                ),
            ),
            (
                "events-json.zip",
                zip_of(
                    "EpmElevationReportElevationEvent_3.json",
                    &tenant.json(0..9, 1),
                ),
            ),
            ("EpmDeniedReport_1.csv", tenant.denied_csv()),
            (
                "denied.zip",
                zip_of("EpmDeniedReport_1.csv", &tenant.denied_csv()),
            ),
        ];
        let paths = exports.map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("an export is written");
            path
        });
        let expected = tenant.reports();
        // The whole window alone, and with parts of it again in every shape; the denials once or twice.
        for chosen in [&[0, 5][..], &[0, 1, 2, 3, 4, 5, 5, 0]] {
            let mut stored = Stored::default();
            for at in chosen {
                import(&paths[*at], &mut stored).expect("an export is read");
            }
            assert_eq!(stored.unreadable, 0);
            let reports = stored.reports();
            assert_eq!(reports.by_user, expected.by_user, "seed {seed}");
            assert_eq!(reports, expected, "seed {seed}");
        }
        let mut denied = Stored::default();
        import(&paths[6], &mut denied).expect("an export is read");
        assert_eq!(denied.reports().denied, expected.denied);
    }
}

#[test]
fn the_dry_run_says_what_an_export_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("export.zip");
    let tenant = Tenant::new(7, 20, DAYS);
    let zip = zip_of(
        "EpmElevationReportElevationEvent_1.csv",
        &tenant.csv(0..DAYS, 2),
    );
    fs::write(&path, zip).expect("an export is written");
    let mut counter = Counter::new(&path);
    import(&path, &mut counter).expect("an export is read");
    let summary = counter.finish();
    let intune = summary.intune.expect("it is Intune's");
    let count: u64 = tenant.reports().elevations.values().sum();
    assert_eq!(
        (intune.records, intune.elevations, intune.denied),
        (count, count, 0)
    );
    assert_eq!(summary.skipped, BTreeMap::from([("localised_column", 1)]));
    assert_eq!(summary.unreadable, 0);
}

#[test]
fn an_export_without_a_column_is_refused_by_its_name_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = String::from_utf8(Tenant::new(1, 3, 2).csv(0..2, 0)).expect("it is text");
    let path = folder.path().join("export.csv");
    fs::write(&path, csv.replacen(",Id,", ",Other,", 1)).expect("an export is written");
    let mut stored = Stored::default();
    let error = import(&path, &mut stored).expect_err("a column is missing");
    let ImportError::Refused { refusal, .. } = &error else {
        panic!("a refusal, not {error:?}");
    };
    assert!(matches!(refusal, Refusal::Incomplete(_)));
    assert!(
        error.to_string().contains("without the column Id"),
        "{error}"
    );
    assert!(stored.elevations.is_empty());
}
