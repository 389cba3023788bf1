//! A report as a file that is sent while it is read. A failure on the way breaks the transfer off, so that half a
//! file is never taken for a whole one.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::format::metadata_pairs;
use crate::{Encoder, Format, QueryError, ReportStream};

/// The answer that carries a stream as a file.
pub(super) fn file(format: Format, encoder: Encoder, report: ReportStream) -> Response {
    let name = format!("{}.{}", report.report.name, format.name());
    let pairs = metadata_pairs(report.report, report.window, &report.status);
    let mut response = Body::from_stream(pieces(encoder, report)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    add_metadata(&mut response, pairs);
    response
}

/// Puts what a report says about itself into headers.
pub(super) fn add_metadata(response: &mut Response, pairs: Vec<(&'static str, String)>) {
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
}

enum Step {
    Rows(Box<Encoder>, Box<ReportStream>),
    Done,
}

fn pieces(
    encoder: Encoder,
    report: ReportStream,
) -> impl Stream<Item = Result<Bytes, QueryError>> + Send {
    stream::unfold(
        Step::Rows(Box::new(encoder), Box::new(report)),
        |step| async move {
            let Step::Rows(mut encoder, mut report) = step else {
                return None;
            };
            let piece = match report.rows.next().await {
                Some(Ok(batch)) => encoder.batch(&batch),
                Some(Err(error)) => Err(error),
                None => return Some((encoder.finish(), Step::Done)),
            };
            match piece {
                Ok(bytes) => Some((Ok(bytes), Step::Rows(encoder, report))),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a download broke off"
                    );
                    Some((Err(error), Step::Done))
                }
            }
        },
    )
}
