//! Which service a call is for. It must not look into a call.

use std::convert::Infallible;
use std::task::{Context, Poll};

use epm_proto::v1::delivery_server::DeliveryServer;
use epm_proto::v1::enrolment_server::EnrolmentServer;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};

use crate::{delivery, enrolment};

/// What every path of the enrolment service begins with.
const ENROLMENT: &str = "/epm.v1.Enrolment/";

/// The services of one collector.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) delivery: DeliveryServer<delivery::Service>,
    /// Only where there is TLS.
    pub(crate) enrolment: Option<EnrolmentServer<enrolment::Service>>,
}

impl Service<http::Request<Body>> for Routes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Generated services are always ready: what bounds calls is in them.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match &mut self.enrolment {
            Some(enrolment) if request.uri().path().starts_with(ENROLMENT) => {
                enrolment.call(request)
            }
            // It answers what it does not know.
            _ => self.delivery.call(request),
        }
    }
}
