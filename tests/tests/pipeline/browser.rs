//! The console in a real browser: what people see are the numbers of REST, and the pages need nothing but this server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use epm_agent::sources::simulated::Fleet;
use serde_json::Value;
use tokio::process::Command;

use crate::components;
use crate::house::House;
use crate::log::TestLog;

/// How long a browser may take for a page, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Size of the window in CSS pixels.
const WINDOW: (u32, u32) = (1280, 900);
/// A screenshot of an empty page of that size is some 5 kB; one with text and a chart is a hundred.
const LEAST_SCREENSHOT_BYTES: usize = 30_000;
const DAY_US: i64 = 86_400_000_000;
const DAYS: u32 = 10;
const REPORTS: [&str; 5] = [
    "elevations",
    "managed-elevations",
    "by-application",
    "by-publisher",
    "by-user",
];

/// A page after the browser has made it.
struct Page {
    dom: String,
    screenshot: Vec<u8>,
}

struct Browser {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Browser {
    async fn open(&self, address: &str, more: &[&str]) -> Page {
        let screenshot = self.folder.path().join("page.png");
        let profile = self.folder.path().join("profile");
        let running = Command::new(&self.program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args([
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
            ])
            .arg(format!("--window-size={},{}", WINDOW.0, WINDOW.1))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--screenshot={}", screenshot.display()))
            .arg("--dump-dom")
            .args(more)
            .arg(address)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, running)
            .await
            .expect("the browser shows a page")
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{address}: {said}");
        let screenshot = std::fs::read(&screenshot)
            .unwrap_or_else(|error| panic!("{address}: no screenshot ({error}): {said}"));
        Page {
            dom: String::from_utf8(output.stdout).unwrap(),
            screenshot,
        }
    }
}

/// A fleet whose programme ends now, so that the overview's own window holds it.
async fn house() -> House {
    let until_us = jiff::Timestamp::now().as_microsecond();
    let start_us = until_us - i64::from(DAYS) * DAY_US;
    let fleet = Fleet::new(21, 12).with_programme(start_us, DAYS);
    House::with_history(&TestLog::Folder, &fleet, start_us, until_us)
        .await
        .0
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).map_or(rest, |(inner, _)| inner)
}

/// The text of a piece of a page, without its tags.
fn text(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for character in html.chars() {
        match character {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => out.push(character),
            _ => {}
        }
    }
    let out = out.replace("&nbsp;", " ").replace("&lt;", "<");
    let out = out.replace("&gt;", ">").replace("&quot;", "\"");
    out.replace("&amp;", "&").trim().to_owned()
}

/// Every piece of `html` between tags `name`.
fn elements(html: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    html.split(open.as_str())
        .skip(1)
        .filter(|rest| rest.starts_with([' ', '>']))
        .map(|rest| {
            let (_, inner) = rest.split_once('>').unwrap();
            inner.split(close.as_str()).next().unwrap().to_owned()
        })
        .collect()
}

fn number(text: &str) -> i64 {
    let digits = text.replace(',', "");
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn is_from_here_alone(page: &Page, path: &str) {
    for attribute in ["src=\"", "href=\"", "action=\"", "url("] {
        for rest in page.dom.split(attribute).skip(1) {
            let local = rest.starts_with(['/', '#', '?']) && !rest.starts_with("//");
            assert!(local, "{path}: {attribute}{}", &rest[..rest.len().min(60)]);
        }
    }
    let has_script = page.dom.contains("<script") || page.dom.contains("javascript:");
    assert!(!has_script, "{path} needs no JavaScript");
    for event in [" onclick=", " onload=", " onchange=", " onerror="] {
        assert!(!page.dom.contains(event), "{path} has {event}");
    }
}

fn is_a_picture(png: &[u8], path: &str) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{path}: a PNG");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), WINDOW, "{path}: its size");
    let bytes = png.len();
    assert!(bytes > LEAST_SCREENSHOT_BYTES, "{path}: {bytes} bytes");
}

async fn is_the_overview(house: &House, page: &Page) {
    let query =
        "since=30d&sort=-total&columns=total,managed,unmanaged,denied,users,devices,applications";
    let rest = house.json(&format!("/api/v1/reports/trend?{query}")).await;
    let totals = &rest["rows"][0];
    let tile = |label: &str| {
        let tile = between(
            &page.dom,
            &format!("<span class=\"label\">{label}</span>"),
            "</li>",
        );
        let value = text(between(tile, "<strong>", "</strong>"));
        let note = text(between(tile, "<span class=\"note\">", "</span>"));
        (value, note)
    };
    for (label, name) in [
        ("Elevations", "total"),
        ("Denied", "denied"),
        ("Users", "users"),
    ] {
        assert_eq!(number(&tile(label).0), totals[name], "the tile {label}");
    }
    let first_number = |note: &str, word: usize| number(note.split(' ').nth(word).unwrap());
    let share = tile("Managed share").1;
    assert_eq!(first_number(&share, 0), totals["managed"], "{share}");
    assert_eq!(first_number(&share, 2), totals["unmanaged"], "{share}");
    assert_eq!(
        first_number(&tile("Elevations").1, 1),
        totals["applications"]
    );
    assert_eq!(first_number(&tile("Users").1, 1), totals["devices"]);
    let known = &rest["meta"]["completeness"];
    assert_eq!(number(&tile("Devices reporting").0), known["reporting"]);

    let days = house
        .json("/api/v1/reports/trend?since=30d&limit=100&sort=-event_date")
        .await;
    let shown = between(&page.dom, "<table class=\"compact\">", "</table>");
    let shown = elements(between(shown, "<tbody>", "</tbody>"), "tr");
    let days = days["rows"].as_array().unwrap();
    let with_elevations: Vec<Vec<String>> = shown
        .iter()
        .map(|row| {
            let day = text(&elements(row, "th")[0]);
            let counts = elements(row, "td").into_iter().map(|cell| text(&cell));
            std::iter::once(day).chain(counts).collect::<Vec<_>>()
        })
        .filter(|row| row[1] != "0")
        .collect();
    assert_eq!(with_elevations.len(), days.len(), "days of the chart");
    for (row, day) in with_elevations.iter().zip(days) {
        assert_eq!(row[0], day["event_date"].as_str().unwrap());
        for (cell, name) in row[1..]
            .iter()
            .zip(["total", "managed", "unmanaged", "denied"])
        {
            assert_eq!(number(cell), day[name], "{} {name}", row[0]);
        }
    }
    let bars = between(&page.dom, "<ol class=\"bars\">", "</ol>");
    let query = "since=30d&columns=product_name,file_name,total&limit=8&account_class=!service";
    let tops = house
        .json(&format!("/api/v1/reports/by-application?{query}"))
        .await;
    let values: Vec<i64> = bars
        .split("<span class=\"value\">")
        .skip(1)
        .map(|rest| number(rest.split('<').next().unwrap()))
        .collect();
    let tops: Vec<i64> = tops["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["total"].as_i64().unwrap())
        .collect();
    assert_eq!(values, tops, "the top applications");
}

async fn is_the_report(house: &House, report: &str, page: &Page) {
    let rest = house.json(&format!("/api/v1/reports/{report}")).await;
    let rows = rest["rows"].as_array().unwrap();
    let total = rest["meta"]["total_rows"].as_i64().unwrap();
    let showing = text(between(&page.dom, "<p class=\"showing\">", "</p>"));
    let said = showing.split(' ').rev().nth(1).unwrap();
    assert_eq!(number(said), total, "{report}: {showing}");

    let columns: Vec<&Value> = elements(between(&page.dom, "<thead>", "</thead>"), "th")
        .iter()
        .map(|header| {
            let title = text(header);
            let mut columns = rest["meta"]["columns"].as_array().unwrap().iter();
            columns
                .find(|column| column["title"] == title.as_str())
                .unwrap_or_else(|| panic!("{report} has no column {title}"))
        })
        .collect();
    let shown = elements(between(&page.dom, "<tbody>", "</tbody>"), "tr");
    assert_eq!(shown.len(), rows.len(), "{report}: rows");
    assert!(!rows.is_empty(), "{report} has rows");
    for (at, (row, expected)) in shown.iter().zip(rows).enumerate() {
        let cells = elements(row, "td");
        assert_eq!(cells.len(), columns.len(), "{report}, row {at}");
        for (cell, column) in cells.iter().zip(&columns) {
            let name = column["name"].as_str().unwrap();
            let (cell, value) = (text(cell), &expected[name]);
            match column["kind"].as_str().unwrap() {
                "count" => assert_eq!(number(&cell), *value, "{report}, row {at}: {name}"),
                "text" => {
                    let value = value.as_str().unwrap_or_default();
                    let is_same = cell == value || (value.is_empty() && cell == "(none)");
                    assert!(is_same, "{report}, row {at}: {name}: {cell:?}, {value:?}");
                }
                _ => {}
            }
        }
    }
}

fn browser(program: PathBuf) -> Browser {
    Browser {
        program,
        folder: tempfile::tempdir().unwrap(),
    }
}

/// Keeps a screenshot where somebody wants to look at it.
fn keep(png: &[u8], name: &str) {
    if let Some(folder) = std::env::var_os("EPM_TEST_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_in_a_browser_show_the_numbers_of_rest() {
    let Some(program) = components::chromium() else {
        return;
    };
    let browser = browser(program);
    let house = house().await;
    let overview = browser.open(&house.address("/"), &[]).await;
    is_from_here_alone(&overview, "/");
    is_a_picture(&overview.screenshot, "/");
    keep(&overview.screenshot, "overview");
    is_the_overview(&house, &overview).await;
    for report in REPORTS {
        let path = format!("/reports/{report}");
        let page = browser.open(&house.address(&path), &[]).await;
        is_from_here_alone(&page, &path);
        is_a_picture(&page.screenshot, &path);
        keep(&page.screenshot, report);
        is_the_report(&house, report, &page).await;
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_is_told_to_load_nothing_from_elsewhere_and_to_run_nothing() {
    let house = House::open().await;
    for path in ["/", "/reports/elevations", "/reports/none"] {
        let answer = house.get(path).await;
        let policy = between(&answer.headers, "content-security-policy: ", "\r\n");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script-src"), "{path}: {policy}");
        assert!(!policy.contains("http"), "{path}: {policy}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dark_and_light_are_what_the_system_prefers() {
    let Some(program) = components::chromium() else {
        return;
    };
    let browser = browser(program);
    let house = House::open().await;
    let address = house.address("/");
    let light = browser
        .open(&address, &["--blink-settings=preferredColorScheme=1"])
        .await;
    let dark = browser
        .open(&address, &["--blink-settings=preferredColorScheme=0"])
        .await;
    assert!(light.dom.contains("Nothing has arrived yet"));
    assert_ne!(light.screenshot, dark.screenshot);
    house.close().await;
}
