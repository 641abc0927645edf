//! The HTTP client of everything that asks AWS through its SDK: the SDK's own, whose answers are read to a length. By itself
//! the SDK keeps all of what a token service, or a container's agent, sends in place of credentials.

use std::io;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::reach::Unreached;

use super::proxy;
use super::trust::Authorities;

/// Longest answer: more than the pages of Cost Explorer, which have a limit of their own.
const MAX_ANSWER: usize = 40 << 20;

/// The client that the SDK would make, over connections whose answers end; it trusts some authorities more.
pub(super) fn client(trusted: &Authorities) -> SharedHttpClient {
    proxy::remember();
    let tls = trusted.for_sdk();
    let usual = Builder::new().build_with_connector_fn(move |settings, components| {
        let connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let mut connector = match &tls {
            Some(tls) => connector.tls_context(tls.clone()),
            None => connector,
        };
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Bounded(usual.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct Bounded(SharedHttpConnector);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().to_owned();
        let asked = self.0.call(request);
        HttpConnectorFuture::new(async move {
            asked.await.map(|answer| answer.map(bounded)).map_err(|error| unreached(&url, error))
        })
    }
}

/// The same error, and where it was met: nothing above a connection knows the address.
fn unreached(url: &str, error: ConnectorError) -> ConnectorError {
    let (is_timeout, is_io) = (error.is_timeout(), error.is_io());
    let unreached = Unreached::new(url, proxy::on_the_way_to(url), error);
    match () {
        // The providers of credentials try again themselves.
        () if unreached.is_final() => ConnectorError::user(unreached.into()),
        () if is_timeout => ConnectorError::timeout(unreached.into()),
        () if is_io => ConnectorError::io(unreached.into()),
        () => ConnectorError::other(unreached.into(), None),
    }
}

fn bounded(body: SdkBody) -> SdkBody {
    let told = |error: BoxError| -> BoxError {
        if error.is::<LengthLimitError>() {
            return io::Error::other(format!("the answer is longer than {} MiB", MAX_ANSWER >> 20)).into();
        }
        error
    };
    SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER).map_err(told))
}
