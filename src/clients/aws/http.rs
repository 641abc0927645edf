//! The HTTP client of the AWS SDK: the SDK's own, with a limit on the response size. Without it, the SDK buffers
//! whatever a token service or a container's agent sends in place of credentials.

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

use crate::unreached::Unreached;

use crate::clients::proxy;
use crate::clients::trust::Authorities;

/// Largest response: above the separate limit of Cost Explorer's pages.
const MAX_ANSWER: usize = 40 << 20;

/// The SDK's default client, with bounded responses and additional certificate authorities.
pub(in crate::clients) fn client(trusted: &Authorities) -> SharedHttpClient {
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

/// Adds the address to the error: nothing above the connection knows it.
fn unreached(url: &str, error: ConnectorError) -> ConnectorError {
    let (is_timeout, is_io) = (error.is_timeout(), error.is_io());
    let unreached = Unreached::new(url, proxy::on_the_way_to(url), error);
    match () {
        // Credential providers retry by themselves; `user` errors are not retried.
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
