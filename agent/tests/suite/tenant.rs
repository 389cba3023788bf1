//! A whole tenant's exports as Intune writes them, made from a seed with every quirk of the real ones, and what the
//! product's own reports would count of the same events. It knows who did what; the importer has only what is written.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Map, Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Columns of the report of elevations, as its documentation lists them.
pub(crate) const COLUMNS: [&str; 22] = [
    "CompanyName",
    "DeviceId",
    "DeviceName",
    "ElevationType",
    "EventDateTime",
    "FileDescription",
    "FilePath",
    "FileVersion",
    "Hash",
    "Id",
    "InternalName",
    "IsSystemInitiated",
    "Justification",
    "ParentProcessName",
    "PolicyId",
    "PolicyName",
    "ProcessType",
    "ProductName",
    "Result",
    "RuleId",
    "Upn",
    "UserType",
];

const FIRST: [&str; 16] = [
    "Anna", "Bela", "Carl", "Dora", "Emil", "Frida", "Georg", "Hanna", "Ivan", "Jana", "Karl",
    "Lena", "Mona", "Nora", "Otto", "Paula",
];
const LAST: [&str; 16] = [
    "Berg", "Lund", "Stein", "Wald", "Bach", "Feld", "Horn", "Kamp", "Moor", "Rath", "Saal",
    "Thal", "Ufer", "Vogt", "Wiese", "Zorn",
];

/// File, version, internal name, product, description, publisher.
const APPS: [[&str; 6]; 8] = [
    [
        "mmc.exe",
        "10.0.26100.7019",
        "mmc.exe",
        "Windows",
        "Management Console",
        "Microsoft Windows",
    ],
    [
        "setup.exe",
        "1.2.3",
        "setup",
        "Suite, all parts",
        "Sets \"everything\" up",
        "Contoso, Ltd.",
    ],
    [
        "setup.exe",
        "1.2.4",
        "setup",
        "Suite, all parts",
        "Sets \"everything\" up",
        "Contoso, Ltd.",
    ],
    ["tool.exe", "", "", "", "", ""],
    [
        "regedit.exe",
        "10.0.26100.1",
        "REGEDIT",
        "Windows",
        "Registry Editor",
        "Microsoft Windows",
    ],
    [
        "vpn.exe",
        "7.0",
        "vpn",
        "VPN",
        "VPN – Client\nfor Windows",
        "Größe & Söhne",
    ],
    [
        "updater.exe",
        "2.0",
        "updater",
        "Updater",
        "Updates",
        "Fabrikam",
    ],
    [
        "conhost.exe",
        "10.0.26100.1",
        "ConHost",
        "Windows",
        "Console Host",
        "Microsoft Windows",
    ],
];

/// What the export says of a type, and the word of the reports for it.
const KINDS: [(&str, &str); 4] = [
    ("UnmanagedElevation", "unmanaged"),
    ("ZeroTouchElevation", "automatic"),
    ("UserConfirmedElevation", "user_confirmed"),
    ("SupportApprovedElevation", "support_approved"),
];

#[derive(Clone, Debug)]
struct Person {
    upn: String,
    /// The other name that Intune calls the person by; empty for one who has none.
    other: String,
    devices: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Event {
    person: usize,
    name: String,
    device: usize,
    day: u32,
    app: usize,
    kind: usize,
    row: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug)]
struct Denial {
    name: String,
    device: usize,
    app: usize,
    count: u64,
}

/// Who elevated what, and what was denied.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    people: Vec<Person>,
    events: Vec<Event>,
    denials: Vec<Denial>,
}

/// File, internal name, version, publisher, SHA-256 and type.
pub(crate) type Application = [String; 6];

/// What the product's own reports count: absent texts are empty, names of people and digests in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reports {
    /// Elevations, each with its moment, device and file.
    pub(crate) elevations: BTreeMap<[String; 3], u64>,
    /// Those that a rule, the default response or an approval led to.
    pub(crate) managed: u64,
    pub(crate) by_application: BTreeMap<Application, u64>,
    /// Publisher and type.
    pub(crate) by_publisher: BTreeMap<[String; 2], u64>,
    /// Managed and unmanaged of each person.
    pub(crate) by_user: BTreeMap<String, (u64, u64)>,
    /// What was denied to a person.
    pub(crate) denied: BTreeMap<[String; 2], u64>,
}

impl Reports {
    /// Counts an elevation; `at` is its moment, device and file.
    pub(crate) fn count(
        &mut self,
        at: [String; 3],
        user: &str,
        application: Application,
        is_managed: bool,
    ) {
        let [_, _, _, publisher, _, kind] = application.clone();
        *self.elevations.entry(at).or_default() += 1;
        self.managed += u64::from(is_managed);
        *self.by_application.entry(application).or_default() += 1;
        *self.by_publisher.entry([publisher, kind]).or_default() += 1;
        let (managed, unmanaged) = self.by_user.entry(user.to_owned()).or_default();
        *(if is_managed { managed } else { unmanaged }) += 1;
    }
}

/// A zip that holds `bytes` under `name`, made by a writer that is not ours.
pub(crate) fn zip_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file(name, SimpleFileOptions::default())
        .expect("a file begins");
    writer.write_all(bytes).expect("the file is written");
    writer.finish().expect("the zip is whole").into_inner()
}

impl Tenant {
    /// A tenant of `people` over `days`; the same seed makes the same one.
    pub(crate) fn new(seed: u64, people: usize, days: u32) -> Self {
        assert!(people <= FIRST.len() * LAST.len(), "names are used once");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people: Vec<Person> = (0..people).map(|at| person(at, &mut rng)).collect();
        let mut tenant = Self {
            people,
            events: Vec::new(),
            denials: Vec::new(),
        };
        for at in 0..tenant.people.len() {
            // Both names of a person occur on a device of theirs, as they do in real exports.
            let own = tenant.people[at].devices[0];
            for name in [
                tenant.people[at].other.clone(),
                tenant.people[at].upn.clone(),
            ] {
                if !name.is_empty() {
                    tenant.add(at, name, own, rng.random_range(0..days), &mut rng);
                }
            }
            for _ in 0..rng.random_range(0..days * 3) {
                let person = &tenant.people[at];
                let other = !person.other.is_empty() && rng.random_range(0..3) == 0;
                let name = if other { &person.other } else { &person.upn }.clone();
                let device = person.devices[rng.random_range(0..person.devices.len())];
                tenant.add(at, name, device, rng.random_range(0..days), &mut rng);
            }
            tenant.deny(at, &mut rng);
        }
        tenant
    }

    fn add(&mut self, person: usize, name: String, device: usize, day: u32, rng: &mut ChaCha8Rng) {
        let app = rng.random_range(0..APPS.len());
        let kind = rng.random_range(0..KINDS.len());
        let number = self.events.len();
        let has_rule = kind != 0 && rng.random_range(0..4) > 0;
        let null = || "<Null>".to_owned();
        let [file, version, internal, product, description, publisher] =
            APPS[app].map(str::to_owned);
        let id: String = (0..8)
            .map(|_| format!("{:08x}", rng.random::<u32>()))
            .collect();
        let moment = DateTime::constant(2026, 10, 25, 0, 0, 0, 0)
            + i64::from(day)
                .days()
                .milliseconds(rng.random_range(0..86_400_000));
        let row = BTreeMap::from([
            ("Id", id),
            ("DeviceId", device_id(device)),
            ("DeviceName", format!("PC-{device:04}")),
            // Seven digits, and no zone.
            (
                "EventDateTime",
                format!("{}0000", moment.strftime("%Y-%m-%d %H:%M:%S.%3f")),
            ),
            ("ElevationType", KINDS[kind].0.to_owned()),
            ("FilePath", format!("C:\\Program Files\\{file}")),
            ("Upn", name.clone()),
            (
                "UserType",
                ["Unknown", "azureAd", "hybrid"][rng.random_range(0..3)].to_owned(),
            ),
            ("ProductName", product),
            ("CompanyName", publisher),
            ("FileVersion", version),
            ("InternalName", internal),
            ("FileDescription", description),
            ("Hash", hash(app).to_uppercase()),
            (
                "Justification",
                ["", "needs \"it\",\r\nsays the vendor", "x"][rng.random_range(0..3)].to_owned(),
            ),
            (
                "Result",
                if kind == 0 {
                    "0"
                } else {
                    ["0", "1603"][rng.random_range(0..2)]
                }
                .to_owned(),
            ),
            (
                "ProcessType",
                ["Parent", "Child", "undefined"][rng.random_range(0..3)].to_owned(),
            ),
            ("ParentProcessName", "explorer.exe".to_owned()),
            (
                "RuleId",
                if has_rule {
                    format!("rule-{}", number % 7)
                } else {
                    null()
                },
            ),
            (
                "PolicyId",
                if has_rule {
                    "policy-1".to_owned()
                } else {
                    null()
                },
            ),
            (
                "PolicyName",
                if has_rule {
                    "Tools, all".to_owned()
                } else {
                    String::new()
                },
            ),
            (
                "IsSystemInitiated",
                ["True", "False"][rng.random_range(0..2)].to_owned(),
            ),
        ]);
        self.events.push(Event {
            person,
            name,
            device,
            day,
            app,
            kind,
            row,
        });
    }

    fn deny(&mut self, person: usize, rng: &mut ChaCha8Rng) {
        let Person { upn, devices, .. } = self.people[person].clone();
        for app in 0..rng.random_range(0..3) {
            let count = rng.random_range(1..40);
            self.denials.push(Denial {
                name: upn.clone(),
                device: devices[0],
                app,
                count,
            });
        }
    }

    /// The report of elevations of some days as CSV, with a byte order mark and Windows' ends of lines. `turn` changes
    /// the order of the columns and of the rows.
    pub(crate) fn csv(&self, days: Range<u32>, turn: usize) -> Vec<u8> {
        let mut columns = COLUMNS.map(str::to_owned).to_vec();
        columns.push("ElevationType_loc".to_owned());
        let width = columns.len();
        columns.rotate_left(turn % width);
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(b"\xef\xbb\xbf".to_vec());
        writer.write_record(&columns).expect("a row is written");
        for event in self.turned(days, turn) {
            let value = |name: &String| match event.row.get(name.as_str()) {
                Some(value) => value.as_str(),
                None => "Nicht verwaltete Erhöhung",
            };
            writer
                .write_record(columns.iter().map(value))
                .expect("a row is written");
        }
        writer.into_inner().expect("the rows are written")
    }

    /// The same as JSON.
    pub(crate) fn json(&self, days: Range<u32>, turn: usize) -> Vec<u8> {
        let object = |event: &Event| -> Value {
            let members = event.row.iter();
            members
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect::<Map<_, _>>()
                .into()
        };
        let events: Vec<Value> = self.turned(days, turn).map(object).collect();
        serde_json::to_vec_pretty(&json!({ "values": events })).expect("it is JSON")
    }

    /// `EpmDeniedReport`.
    pub(crate) fn denied_csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = [
            "UserName",
            "DeviceId",
            "DeviceName",
            "FileName",
            "FileProductName",
            "FileDescription",
            "FileInternalName",
            "FileVersion",
            "HashValue",
            "Publisher",
            "ElevationType",
            "MonthElevationCount",
        ];
        writer.write_record(columns).expect("a row is written");
        for Denial {
            name,
            device,
            app,
            count,
        } in &self.denials
        {
            let [file, version, internal, product, description, publisher] = APPS[*app];
            let (id, count) = (device_id(*device), count.to_string());
            let (device, hash) = (format!("PC-{device:04}"), hash(*app).to_uppercase());
            let row = [
                name,
                &id,
                &device,
                file,
                product,
                description,
                internal,
                version,
                &hash,
                publisher,
                "Denied",
                &count,
            ];
            writer.write_record(row).expect("a row is written");
        }
        writer.into_inner().expect("the rows are written")
    }

    fn turned(&self, days: Range<u32>, turn: usize) -> impl Iterator<Item = &Event> {
        let mut events: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| days.contains(&event.day))
            .collect();
        let count = events.len().max(1);
        events.rotate_left(turn * 31 % count);
        events.into_iter()
    }

    /// What the product's reports count of all of it, made from who did what and not from what is written.
    pub(crate) fn reports(&self) -> Reports {
        let mut reports = Reports::default();
        for event in &self.events {
            let [file, version, internal, _, _, publisher] = APPS[event.app].map(str::to_owned);
            let kind = KINDS[event.kind].1.to_owned();
            let moment = event.row["EventDateTime"].trim_end_matches('0').to_owned();
            let at = [moment, format!("PC-{:04}", event.device), file.clone()];
            let application = [file, internal, version, publisher, hash(event.app), kind];
            let user = self.people[event.person].upn.to_lowercase();
            reports.count(at, &user, application, event.kind != 0);
        }
        for denial in &self.denials {
            let key = [denial.name.to_lowercase(), APPS[denial.app][0].to_owned()];
            *reports.denied.entry(key).or_default() += denial.count;
        }
        reports
    }

    /// Events that are written under another name than the principal one.
    pub(crate) fn under_other_names(&self) -> usize {
        self.events
            .iter()
            .filter(|event| event.name.contains('\\'))
            .count()
    }
}

fn person(at: usize, rng: &mut ChaCha8Rng) -> Person {
    let (first, last) = (FIRST[at % FIRST.len()], LAST[at / FIRST.len()]);
    let (small, family) = (first.to_lowercase(), last.to_lowercase());
    // Shortened names are told by the device of their one person; nobody else may be called so.
    let (upn, other) = match at % 9 {
        7 => (
            format!("{}{family}@contoso.example", &small[..1]),
            format!("AzureAD\\{first}{last}"),
        ),
        // Somebody with the name of somebody else, whom a number tells apart.
        8 => {
            let before = (FIRST[(at - 1) % FIRST.len()], LAST[(at - 1) / FIRST.len()]);
            let name = format!("{}.{}", before.0, before.1).to_lowercase();
            (format!("{name}2@contoso.example"), String::new())
        }
        2 => (
            format!("{small}.{family}@contoso.example"),
            format!("CONTOSO\\{small}.{family}"),
        ),
        _ => (
            format!("{first}.{last}@Contoso.example"),
            format!("AzureAD\\{first}{last}"),
        ),
    };
    // One's own device, and often one that several people share.
    let mut devices = vec![at];
    if at % 9 != 7 && rng.random_range(0..2) == 0 {
        devices.push(1000 + at / 5);
    }
    Person {
        upn,
        other,
        devices,
    }
}

fn device_id(device: usize) -> String {
    format!("7b0c52f4-0000-4000-8000-{device:012}")
}

fn hash(app: usize) -> String {
    format!(
        "{:064x}",
        (app as u128 + 11) * 0x9e37_79b9_7f4a_7c15_f39c_c060
    )
}
