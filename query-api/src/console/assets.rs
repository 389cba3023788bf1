//! The files that pages refer to, from inside the binary. Their addresses change with their content, so that a browser
//! may keep them for ever and never shows a page with an old style.

use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

const STYLE: &str = include_str!("../../assets/console.css");
const ICON: &str = include_str!("../../assets/favicon.svg");

/// For addresses that name the content: a year, which is as long as browsers take `immutable` seriously.
const KEEP: &str = "public, max-age=31536000, immutable";
/// For addresses that do not: ask each time.
const ASK: &str = "no-cache";

pub(super) fn style_address() -> String {
    format!("/assets/console.css?v={:016x}", content_hash(STYLE))
}

pub(super) fn icon_address() -> String {
    format!("/assets/favicon.svg?v={:016x}", content_hash(ICON))
}

pub(super) async fn style(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    file(STYLE, "text/css; charset=utf-8", &pairs)
}

pub(super) async fn icon(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    file(ICON, "image/svg+xml", &pairs)
}

fn file(content: &'static str, media_type: &'static str, pairs: &[(String, String)]) -> Response {
    let version = format!("{:016x}", content_hash(content));
    let named = pairs
        .iter()
        .any(|(name, value)| name == "v" && *value == version);
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CACHE_CONTROL,
            if named { KEEP } else { ASK }.to_owned(),
        ),
        (header::ETAG, format!("\"{version}\"")),
    ];
    (headers, content).into_response()
}

/// FNV-1a: names content, protects nothing.
const fn content_hash(content: &str) -> u64 {
    let bytes = content.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}
