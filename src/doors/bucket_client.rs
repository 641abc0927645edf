//! The HTTP client under a bucket. `object_store`'s own follows redirects, and takes only `Authorization` away where one
//! leads to another host: the session token in `x-amz-security-token` would go with it. Else this one is as that one by
//! default: HTTP/1, and nothing is sent again below `object_store`, which knows what may be.

use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use reqwest::{Client, redirect, retry};

use super::Deadlines;

/// Connects, and stays at the host that was named.
#[derive(Debug)]
pub(super) struct NoRedirects(pub(super) Deadlines);

impl HttpConnector for NoRedirects {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        // What is packed on its way would have another length than the object.
        let client = Client::builder()
            .user_agent(concat!("costlake/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_gzip()
            .http1_only()
            .retry(retry::never())
            .connect_timeout(self.0.connect)
            .timeout(self.0.answer)
            .build()
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(client))
    }
}
