//! The overview: what happened in a window, who and what stands out, and how far the numbers can be trusted.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::address::{Address, exactly};
use super::cells::{Row, Rows};
use super::health::{self, Fact};
use super::trend::{self, Trend};
use super::{Frame, answer, figures, report_path, trouble};
use crate::access::Reports;
use crate::format::neutralised;
use crate::{QueryError, ReportEngine, ReportPage, ReportRequest};

/// Rows of the lists of applications and users: what can be taken in at a glance.
const TOP_ROWS: usize = 8;
/// What the lists of applications and users leave out: system accounts elevate by themselves all day, and would be
/// all that the lists show.
const WITHOUT_SERVICES: (&str, &str) = ("account_class", "!service");
/// The window that is shown when none is chosen.
const DEFAULT_WINDOW: &str = "30d";
/// Every window: value, title of the link, and how a heading says it.
const WINDOWS: [(&str, &str, &str); 5] = [
    ("24h", "24 hours", "in the last 24 hours"),
    ("7d", "7 days", "in the last 7 days"),
    ("30d", "30 days", "in the last 30 days"),
    ("90d", "90 days", "in the last 90 days"),
    ("all", "All", "since the first event"),
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    windows: Vec<WindowLink>,
    heading: &'static str,
    /// Why there is nothing to show.
    empty: String,
    /// Nothing has ever arrived: say how to begin.
    untouched: bool,
    tiles: Vec<Tile>,
    trend: Trend,
    tops: Vec<Top>,
    health: Vec<Fact>,
}

#[derive(Debug)]
struct WindowLink {
    title: &'static str,
    address: String,
    current: bool,
}

/// One number and what it means.
#[derive(Debug)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    link: String,
}

/// The most frequent of something.
#[derive(Debug)]
struct Top {
    title: &'static str,
    all: String,
    rows: Vec<TopRow>,
}

#[derive(Debug)]
struct TopRow {
    name: String,
    detail: String,
    total: String,
    link: String,
    /// Widths of the bar's parts in per mille of the longest one.
    managed: i64,
    unmanaged: i64,
    other: i64,
    reading: String,
}

/// The answers that the page is made of.
struct Answers {
    totals: ReportPage,
    days: ReportPage,
    applications: ReportPage,
    users: ReportPage,
}

/// The overview.
pub(super) async fn show(reports: Reports, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    match chosen(&pairs) {
        Ok(window) => match reports.to_read("overview").await {
            Ok(engine) => match ask(&engine, window).await {
                Ok(answers) => answer(StatusCode::OK, &view(window, &answers)),
                Err(error) => trouble::failed(&error, "/"),
            },
            Err(problem) => trouble::show(problem),
        },
        Err(error) => trouble::failed(&error, "/"),
    }
}

fn chosen(pairs: &[(String, String)]) -> Result<&'static str, QueryError> {
    let wrong = |field: &str, detail: String, remedy: &str| QueryError::BadParameter {
        field: field.to_owned(),
        detail,
        remedy: remedy.to_owned(),
    };
    let mut window = DEFAULT_WINDOW;
    for (name, value) in pairs {
        if name != "window" {
            let remedy = "The overview takes window only; filter on the page of a report.";
            return Err(wrong(
                name,
                "the overview has no such parameter".to_owned(),
                remedy,
            ));
        }
        window = WINDOWS
            .iter()
            .find(|(known, ..)| known == value)
            .map(|(known, ..)| *known)
            .ok_or_else(|| {
                let remedy = "Choose one of 24h, 7d, 30d, 90d, all.";
                wrong("window", format!("{value:?} is not a window"), remedy)
            })?;
    }
    Ok(window)
}

/// The window as REST has it; None for all.
fn since(window: &str) -> Option<String> {
    (window != "all").then(|| window.to_owned())
}

async fn ask(engine: &ReportEngine, window: &str) -> Result<Answers, QueryError> {
    let request = |report: &str, columns: &[&str], limit: usize| ReportRequest {
        since: since(window),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        limit: Some(limit),
        ..ReportRequest::new(report)
    };
    let total = Some("-total".to_owned());
    let counts = [
        "total",
        "managed",
        "unmanaged",
        "denied",
        "failed",
        "undecided",
        "users",
        "devices",
        "applications",
    ];
    let totals = ReportRequest {
        sort: total.clone(),
        ..request("trend", &counts, 1)
    };
    let days = request(
        "trend",
        &["event_date", "total", "managed", "unmanaged", "denied"],
        crate::engine::MAX_PAGE_ROWS,
    );
    let parts = ["total", "managed", "unmanaged", "users"];
    let application = ["product_name", "file_name"];
    let (name, value) = WITHOUT_SERVICES;
    let without_services = vec![(name.to_owned(), value.to_owned())];
    let applications = ReportRequest {
        sort: total.clone(),
        filters: without_services.clone(),
        ..request(
            "by-application",
            &[&application[..], &parts].concat(),
            TOP_ROWS,
        )
    };
    let user = ["user_name", "devices"];
    let users = ReportRequest {
        sort: total,
        filters: without_services,
        ..request("by-user", &[&user[..], &parts[..3]].concat(), TOP_ROWS)
    };
    let (totals, days, applications, users) = futures::try_join!(
        engine.run(&totals),
        engine.run(&days),
        engine.run(&applications),
        engine.run(&users),
    )?;
    Ok(Answers {
        totals,
        days,
        applications,
        users,
    })
}

fn view(window: &'static str, answers: &Answers) -> Overview {
    let now = Timestamp::now();
    let totals = Totals::of(&answers.totals);
    let status = &answers.days.status;
    // The processor makes its tables when it starts, so that a table is there says nothing.
    let untouched = status.completeness.devices == 0 && totals.total == 0;
    let heading = WINDOWS.iter().find(|(known, ..)| *known == window);
    Overview {
        frame: Frame::new("Overview", "/"),
        windows: WINDOWS
            .iter()
            .map(|(value, title, _)| WindowLink {
                title,
                address: Address::new("/").and("window", value).to_string(),
                current: *value == window,
            })
            .collect(),
        heading: heading.map_or("", |(.., heading)| heading),
        empty: match totals.total {
            0 => status
                .empty_reason
                .clone()
                .unwrap_or_else(|| "No elevation happened in this window.".to_owned()),
            _ => String::new(),
        },
        untouched,
        tiles: tiles(&totals, status, window),
        trend: trend::of(&answers.days, now),
        tops: vec![
            Top {
                title: "Top applications",
                all: of_people(in_window(&report_path("by-application"), window)).to_string(),
                rows: top(&answers.applications, |row| application(row, window)),
            },
            Top {
                title: "Top users",
                all: of_people(in_window(&report_path("by-user"), window)).to_string(),
                rows: top(&answers.users, |row| user(row, window)),
            },
        ],
        health: health::facts(status, now),
    }
}

/// The counts of the whole window.
#[derive(Debug, Default)]
struct Totals {
    total: i64,
    managed: i64,
    unmanaged: i64,
    denied: i64,
    failed: i64,
    undecided: i64,
    users: i64,
    devices: i64,
    applications: i64,
}

impl Totals {
    fn of(page: &ReportPage) -> Self {
        let Some(row) = Rows::of(page).iter().next() else {
            return Self::default();
        };
        Self {
            total: row.count("total"),
            managed: row.count("managed"),
            unmanaged: row.count("unmanaged"),
            denied: row.count("denied"),
            failed: row.count("failed"),
            undecided: row.count("undecided"),
            users: row.count("users"),
            devices: row.count("devices"),
            applications: row.count("applications"),
        }
    }
}

fn in_window(path: &str, window: &str) -> Address {
    match since(window) {
        Some(since) => Address::new(path).and("since", &since),
        None => Address::new(path),
    }
}

/// The same reading as the lists.
fn of_people(address: Address) -> Address {
    let (name, value) = WITHOUT_SERVICES;
    address.and(name, value)
}

fn tiles(totals: &Totals, status: &crate::DataStatus, window: &str) -> Vec<Tile> {
    let elevations = in_window(&report_path("elevations"), window);
    let tile = |label, value, note, link: Address| Tile {
        label,
        value,
        note,
        link: link.to_string(),
    };
    let known = &status.completeness;
    let share = figures::percent(
        totals.managed as f64,
        (totals.managed + totals.unmanaged) as f64,
    );
    vec![
        tile(
            "Elevations",
            figures::count(totals.total),
            format!("of {} applications", figures::count(totals.applications)),
            elevations.clone(),
        ),
        tile(
            "Managed share",
            share.unwrap_or_else(|| "–".to_owned()),
            format!(
                "{} managed, {} unmanaged",
                figures::count(totals.managed),
                figures::count(totals.unmanaged)
            ),
            in_window(&report_path("managed-elevations"), window),
        ),
        tile(
            "Denied",
            figures::count(totals.denied),
            format!(
                "{} failed or cancelled, {} undecided",
                figures::count(totals.failed),
                figures::count(totals.undecided)
            ),
            elevations.and("outcome", "denied"),
        ),
        tile(
            "Users",
            figures::count(totals.users),
            format!("on {} devices", figures::count(totals.devices)),
            in_window(&report_path("by-user"), window),
        ),
        tile(
            "Devices reporting",
            figures::unsigned(known.reporting),
            format!(
                "of {} known, {} silent",
                figures::unsigned(known.devices),
                figures::unsigned(known.silent)
            ),
            Address::new("#health"),
        ),
    ]
}

fn top(page: &ReportPage, named: impl Fn(Row<'_>) -> (String, String, Address)) -> Vec<TopRow> {
    let most = Rows::of(page)
        .iter()
        .map(|row| row.count("total"))
        .max()
        .unwrap_or(0)
        .max(1);
    Rows::of(page)
        .iter()
        .map(|row| {
            let (name, detail, link) = named(row);
            let [total, managed, unmanaged] =
                ["total", "managed", "unmanaged"].map(|name| row.count(name));
            let other = (total - managed - unmanaged).max(0);
            let width = |count: i64| count.saturating_mul(1_000) / most;
            TopRow {
                name,
                detail,
                total: figures::count(total),
                link: link.to_string(),
                managed: width(managed),
                unmanaged: width(unmanaged),
                other: width(other),
                reading: format!(
                    "{} managed, {} unmanaged, {} other",
                    figures::count(managed),
                    figures::count(unmanaged),
                    figures::count(other)
                ),
            }
        })
        .collect()
}

fn application(row: Row<'_>, window: &str) -> (String, String, Address) {
    let (product, file) = (row.text("product_name"), row.text("file_name"));
    let group = |value: &Option<String>| value.as_deref().map_or_else(String::new, exactly);
    let link = of_people(in_window(&report_path("elevations"), window))
        .and("product_name", &group(&product))
        .and("file_name", &group(&file));
    // A system account is a user and not a person.
    let users = health::plural(row.count("users").unsigned_abs(), "user", "users");
    let (name, detail) = match (product, file) {
        (Some(product), Some(file)) => (product, format!("{file} · {users}")),
        (Some(name), None) | (None, Some(name)) => (name, users),
        (None, None) => ("(no name)".to_owned(), users),
    };
    (neutralised(&name), neutralised(&detail), link)
}

fn user(row: Row<'_>, window: &str) -> (String, String, Address) {
    let user = row.text("user_name");
    let link = of_people(in_window(&report_path("elevations"), window)).and(
        "user_name",
        &user.as_deref().map_or_else(String::new, exactly),
    );
    let devices = health::plural(row.count("devices").unsigned_abs(), "device", "devices");
    let name = user.map_or_else(|| "(no name)".to_owned(), |name| neutralised(&name));
    (name, devices, link)
}
