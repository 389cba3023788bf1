//! What a scope, a missing right or a missing token hides.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use epm_control::{BuiltInRole, Limit, Scope};
use epm_query_api::ReadAccess;
use serde_json::json;

use super::house::{ELSEWHERE, HERE, House, only};

#[tokio::test]
async fn a_scope_hides_every_row_count_and_request_of_other_devices() {
    let house = House::open(ReadAccess::Required).await;
    let request = house.request("1000").await;
    let reader = BuiltInRole::EndpointPrivilegeReader;
    let whole = house.caller(reader, Scope::EVERYTHING).await;
    let here = house.caller(reader, only(HERE)).await;
    let elsewhere = house.caller(reader, only(ELSEWHERE)).await;
    let nowhere = Scope {
        groups: Limit::OneOf(BTreeSet::new()),
        tags: Limit::Any,
    };
    let nowhere = house.caller(reader, nowhere).await;
    let files = async |token: &str, address: &str| -> BTreeSet<String> {
        let answer = house.get(address, token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let rows = answer.body["rows"].as_array().expect("rows").clone();
        assert_eq!(
            answer.body["meta"]["total_rows"],
            json!(rows.len()),
            "{}",
            answer.text
        );
        rows.iter()
            .map(|row| row["file_name"].as_str().expect("a file").to_owned())
            .collect()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    for address in [
        "/api/v1/reports/elevations",
        "/api/v1/reports/by-application?columns=file_name,total",
        "/api/v1/reports/by-application?columns=file_name,total&since=30d",
        "/api/v1/reports/elevations?device=PC-*",
    ] {
        assert_eq!(
            files(&whole, address).await,
            set(&["disk.exe", "net.exe"]),
            "{address}"
        );
        assert_eq!(files(&here, address).await, set(&["disk.exe"]), "{address}");
        assert_eq!(
            files(&elsewhere, address).await,
            set(&["net.exe"]),
            "{address}"
        );
        assert_eq!(files(&nowhere, address).await, set(&[]), "{address}");
    }
    for (token, seen) in [(&whole, 1), (&here, 1), (&elsewhere, 0), (&nowhere, 0)] {
        let devices = house.get("/api/v1/reports/devices", token).await.body;
        assert_eq!(devices["rows"].as_array().expect("rows").len(), seen);
        let listed = house.get("/api/v1/requests", token).await.body;
        let requests = listed["requests"].as_array().expect("requests");
        assert_eq!(requests.len(), seen);
        assert!(requests.iter().all(|of| of["id"] == json!(request)));
    }
    let page = house.get("/", &here).await;
    assert!(page.text.contains("disk.exe") && !page.text.contains("net.exe"));
}

#[tokio::test]
async fn files_need_the_right_to_take_records_out() {
    let house = House::open(ReadAccess::Required).await;
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    let manager = house
        .caller(BuiltInRole::EndpointPrivilegeManager, Scope::EVERYTHING)
        .await;
    for format in ["csv", "ndjson", "parquet", "arrow"] {
        let address = format!("/api/v1/reports/elevations?format={format}");
        assert_eq!(house.get(&address, &admin).await.status, StatusCode::OK);
        let refused = house.get(&address, &manager).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.text.contains("telemetry.export"),
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn where_reading_is_open_only_reading_is() {
    let house = House::open(ReadAccess::Open).await;
    for path in [
        "/",
        "/reports/elevations",
        "/api/v1/reports",
        "/api/v1/status",
    ] {
        let answer = house.send("GET", path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    for (method, path) in [
        ("GET", "/api/v1/roles"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/audit"),
    ] {
        let answer = house.send(method, path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"epm\"");
    }
    // Who presents a token is who it says, or nobody.
    for wrong in ["", "epm-api-1", "Basic"] {
        let answer = house.get("/api/v1/reports", wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let closed = House::open(ReadAccess::Required).await;
    for path in [
        "/",
        "/reports/elevations",
        "/api/v1/reports",
        "/api/v1/status",
    ] {
        let answer = closed.send("GET", path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
