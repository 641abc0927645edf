//! `sandbox`: serves the imitation of both APIs as a separate process.

use crate::error::{Error, Kind, Result};
use crate::sandbox::{Sandbox, Settings, serve as serve_sandbox};

use super::args::Global;
use super::{clock, progress, screen, tell_clock, wait_for_signal};

/// `costlake sandbox`.
pub(super) async fn serve(global: &Global, listen: &str) -> Result<u8> {
    progress::start(global);
    let clock = clock()?;
    tell_clock(clock);
    let failed = |error: std::io::Error| {
        let failed = Error::new(Kind::Config, "cannot listen").at("address", listen).because(error);
        failed.advise("--listen takes an address and a free port, such as 127.0.0.1:8081")
    };
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    screen::out(&format!(
        "imitating Cost Explorer and Datadog at {url}\n\n\
         export AWS_ENDPOINT_URL_COST_EXPLORER={url} AWS_ENDPOINT_URL_STS={url} COSTLAKE_DATADOG_URL={url}\n\
         export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_REGION=us-east-1 DD_API_KEY=sandbox DD_APP_KEY=sandbox\n\n\
         move its clock: curl -d '{{\"now\":\"2026-12-01T06:00:00Z\"}}' {url}/_sandbox/clock"
    ));
    let sandbox = Sandbox::new(Settings::new(clock.now()));
    if clock.fixed().is_none() {
        sandbox.follow_the_clock();
    }
    serve_sandbox(listener, sandbox, wait_for_signal()).await.map_err(failed)?;
    Ok(0)
}
