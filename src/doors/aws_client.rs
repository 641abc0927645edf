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
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Longest answer: more than the pages of Cost Explorer, which have a limit of their own.
const MAX_ANSWER: usize = 40 << 20;

/// The client that the SDK would make, over connections whose answers end.
pub(super) fn client() -> SharedHttpClient {
    let usual = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
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
        let asked = self.0.call(request);
        HttpConnectorFuture::new(async move { Ok(asked.await?.map(bounded)) })
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
