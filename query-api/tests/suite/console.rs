//! The console's pages, as a browser gets them.

use axum::http::StatusCode;

use crate::tables::{Elevation, Server};

const HOSTILE: &str = "\"><script>alert('x')</script>&amp;.exe";

/// Twelve elevations of two people on three days, four of them managed.
fn known() -> Vec<Elevation> {
    let mut all = Vec::new();
    for index in 0..12 {
        let user = if index % 3 == 0 {
            "ann@contoso.example"
        } else {
            "bob@contoso.example"
        };
        let management = if index % 3 == 0 {
            "managed"
        } else {
            "unmanaged"
        };
        let file = ["setup.exe", "cmd.exe", "putty.exe", "regedit.exe"][index % 4];
        all.push(
            Elevation::of(user, file, management).ago(i32::try_from(index).expect("small") % 3),
        );
    }
    all
}

/// The text between two marks, the first time they come.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text
        .find(start)
        .unwrap_or_else(|| panic!("{start:?} is not in {text}"))
        + start.len();
    text[from..].split(end).next().unwrap_or_default()
}

/// Every link of a page, decoded as a browser does.
fn links(page: &str) -> Vec<String> {
    page.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|link| link.replace("&#38;", "&").replace("&amp;", "&"))
        .collect()
}

#[tokio::test]
async fn the_overview_shows_the_numbers_of_rest() {
    let server = Server::with(&known()).await;
    let page = server.get("/?window=7d").await;
    assert_eq!(page.status, StatusCode::OK);
    let columns = "total,managed,unmanaged,users,applications";
    let rest = server
        .json(&format!(
            "/api/v1/reports/trend?since=7d&columns={columns}&sort=-total"
        ))
        .await;
    let totals = &rest["rows"][0];
    assert_eq!(totals["total"], 12, "{rest}");
    for (label, number) in [
        ("Elevations", &totals["total"]),
        ("Users", &totals["users"]),
    ] {
        let start = format!("<span class=\"label\">{label}</span> <strong>");
        assert_eq!(
            between(&page.body, &start, "<"),
            number.to_string(),
            "{label}"
        );
    }
    let share = "<span class=\"label\">Managed share</span> <strong>";
    assert_eq!(between(&page.body, share, "<"), "33.3 %");
    let note = format!(
        "{} managed, {} unmanaged",
        totals["managed"], totals["unmanaged"]
    );
    assert!(page.body.contains(&note), "{note}");
    let days = server.json("/api/v1/reports/trend?since=7d").await;
    for day in days["rows"].as_array().expect("rows") {
        let name = day["event_date"].as_str().expect("a day");
        let title = format!(
            "{name}: {} managed, {} unmanaged",
            day["managed"], day["unmanaged"]
        );
        assert!(page.body.contains(&title), "{title}");
    }
}

#[tokio::test]
async fn a_report_shows_the_rows_of_rest_in_their_order() {
    let server = Server::with(&known()).await;
    for report in ["by-application", "by-publisher", "by-user", "trend"] {
        let rest = server
            .json(&format!("/api/v1/reports/{report}?since=30d"))
            .await;
        let page = server
            .get(&format!("/reports/{report}?since=30d"))
            .await
            .body;
        let body = between(&page, "<tbody>", "</tbody>").to_owned();
        let rows: Vec<&str> = body.split("<tr>").skip(1).collect();
        let expected = rest["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), expected.len(), "{report}");
        for (row, expected) in rows.iter().zip(expected) {
            let total = format!("<td class=\"number\">{}</td>", expected["total"]);
            assert!(row.contains(&total), "{report}: {row} has no {total}");
        }
    }
    let rest = server.json("/api/v1/reports/managed-elevations").await;
    let page = server.get("/reports/managed-elevations").await.body;
    assert_eq!(rest["meta"]["total_rows"], 4);
    assert_eq!(
        between(&page, "<p class=\"showing\"><strong>", "<"),
        "4 rows"
    );
}

#[tokio::test]
async fn filters_survive_in_every_link_that_keeps_the_question() {
    let server = Server::with(&known()).await;
    let page = server
        .get("/reports/elevations?since=30d&user_name=bob%40contoso.example&limit=2&sort=file_name")
        .await
        .body;
    let links = links(&page);
    let kept = ["since=30d", "user_name=bob%40contoso.example"];
    let keeping = |start: &str, also: &str| {
        let found = links
            .iter()
            .find(|link| link.starts_with(start) && link.contains(also));
        let link = found.unwrap_or_else(|| panic!("no link {start}…{also}"));
        assert!(kept.iter().all(|pair| link.contains(pair)), "{link}");
        link.clone()
    };
    for format in ["json", "csv", "ndjson", "parquet", "arrow"] {
        keeping("/api/v1/reports/elevations?", &format!("format={format}"));
    }
    keeping("/reports/elevations?", "sort=-file_name");
    let next = keeping("/reports/elevations?", "cursor=");
    assert!(page.contains("aria-sort=\"ascending\""));
    assert!(page.contains("Showing 2 of 8 rows"));
    let next = server.get(&next).await;
    assert_eq!(next.status, StatusCode::OK);
    assert!(next.body.contains("Showing 2 of 8 rows") && next.body.contains("First page"));
    let without: Vec<_> = links
        .iter()
        .filter(|link| link.starts_with("/reports/elevations?") && !link.contains("user_name"))
        .collect();
    assert!(!without.is_empty(), "the filter can be removed");
}

#[tokio::test]
async fn a_row_of_a_group_leads_to_its_elevations() {
    let server = Server::with(&known()).await;
    let page = server
        .get("/reports/by-user?since=30d&management=unmanaged")
        .await
        .body;
    let body = between(&page, "<tbody>", "</tbody>");
    let link = links(body).into_iter().next().expect("a link");
    assert_eq!(
        link,
        "/reports/elevations?since=30d&management=unmanaged&user_name=bob%40contoso.example"
    );
    let page = server.get(&link).await.body;
    assert!(page.contains("<strong>8 rows</strong>"));
}

#[tokio::test]
async fn a_sent_form_becomes_a_clean_address() {
    let server = Server::with(&known()).await;
    let sent = "/reports/elevations?form=1&keep=sort%3Dfile_name&keep=product_name%3D&since=30d&until=&user_name=BOB\
                &file_name=%3Dcmd.exe&management=unmanaged&outcome=";
    let reply = server.get(sent).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(
        reply.header("location"),
        "/reports/elevations?sort=file_name&product_name=&since=30d&user_name=*BOB*&file_name=%3Dcmd.exe&management=unmanaged"
    );
    let page = server
        .get("/reports/elevations?user_name=*BOB*&file_name=%3Dcmd.exe")
        .await
        .body;
    assert!(page.contains("contains BOB") && page.contains("is cmd.exe"));
    assert!(page.contains("name=\"user_name\" value=\"*BOB*\""));
}

#[tokio::test]
async fn hostile_text_is_shown_and_does_nothing() {
    let mut one = Elevation::of(HOSTILE, HOSTILE, "unmanaged");
    one.product = Some(HOSTILE.to_owned());
    one.publisher = Some("\u{202e}evil' onmouseover='x".to_owned());
    let server = Server::with(&[one]).await;
    let filter: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for address in [
        "/".to_owned(),
        "/reports/elevations".to_owned(),
        "/reports/by-application".to_owned(),
        "/reports/by-publisher".to_owned(),
        format!("/reports/elevations?file_name={filter}"),
        format!("/reports/elevations?since={filter}"),
        format!("/reports/{filter}"),
        format!("/?{filter}=1"),
    ] {
        let page = server.get(&address).await.body;
        assert!(!page.contains("<script"), "{address}: {page}");
        assert!(!page.contains("' onmouseover='x"), "{address}");
        assert!(!page.contains('\u{202e}'), "{address}");
    }
    let page = server.get("/reports/by-application").await.body;
    let body = between(&page, "<tbody>", "</tbody>");
    assert!(body.contains("&#60;script&#62;"), "{body}");
    let link = links(body).into_iter().next().expect("a link");
    assert!(
        server
            .get(&link)
            .await
            .body
            .contains("<strong>1 row</strong>"),
        "{link}"
    );
}

#[tokio::test]
async fn without_data_the_overview_says_what_to_do() {
    let server = Server::empty();
    let page = server.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in [
        "epm-agent import FILE",
        "epm demo",
        "No agent has delivered anything",
    ] {
        assert!(page.body.contains(words), "{words}");
    }
    let page = server.get("/reports/elevations").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("No agent has delivered anything"));
}

#[tokio::test]
async fn a_window_without_elevations_leads_to_those_that_are_there() {
    let server = Server::with(&[Elevation::of("ann", "cmd.exe", "managed").ago(400)]).await;
    let page = server.get("/?window=7d").await.body;
    assert!(page.contains("/?window=all"));
    let page = server.get("/?window=all").await.body;
    assert!(page.contains(": 1 managed, 0 unmanaged"));
}

#[tokio::test]
async fn a_mistake_is_a_page_with_its_field_and_remedy() {
    let server = Server::with(&known()).await;
    for (address, status, words) in [
        ("/reports/nothing", StatusCode::NOT_FOUND, "by-application"),
        ("/nothing", StatusCode::NOT_FOUND, "there is nothing at"),
        (
            "/reports/elevations?since=tomorrowish",
            StatusCode::BAD_REQUEST,
            "RFC 3339",
        ),
        (
            "/reports/elevations?colour=red",
            StatusCode::BAD_REQUEST,
            "<code class=\"field\">colour</code>",
        ),
        (
            "/reports/elevations?cursor=x",
            StatusCode::BAD_REQUEST,
            "cursor",
        ),
        (
            "/?window=2d",
            StatusCode::BAD_REQUEST,
            "24h, 7d, 30d, 90d, all",
        ),
    ] {
        let page = server.get(address).await;
        assert_eq!(page.status, status, "{address}");
        assert_eq!(
            page.header("content-type"),
            "text/html; charset=utf-8",
            "{address}"
        );
        assert!(page.body.contains(words), "{address}: {}", page.body);
    }
    let reply = server.get("/api/v1/nothing").await;
    assert_eq!(reply.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn pages_may_load_nothing_but_their_own_style_and_icon() {
    let server = Server::with(&known()).await;
    let page = server.get("/").await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    assert!(
        !page.body.contains(" style=")
            && !page.body.contains("<style")
            && !page.body.contains("<script")
    );
    let assets: Vec<String> = links(&page.body)
        .into_iter()
        .filter(|link| link.starts_with("/assets/"))
        .collect();
    assert_eq!(assets.len(), 2);
    for asset in assets {
        let reply = server.get(&asset).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(
            reply.header("cache-control").contains("immutable"),
            "{asset}"
        );
        assert!(
            !reply.body.contains("http://") || asset.contains("favicon"),
            "{asset}"
        );
    }
    assert_eq!(
        server
            .get("/assets/console.css")
            .await
            .header("cache-control"),
        "no-cache"
    );
}
