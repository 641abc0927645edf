//! `serve`: runs the scheduler and the status page until a signal.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::clients::webhook::Webhook;
use crate::error::{Error, Kind, Result};
use crate::scheduler::Scheduler;
use crate::scheduler::notify::Notifier;
use crate::scheduler::tick::Ticker;
use crate::web::auth::{Access, read_token};
use crate::web::cache::State;
use crate::web::router;
use crate::web::server::{self, Timeouts};

use super::args::Global;
use super::{client_config, context_until, open_lake, progress, screen, tell_clock};

/// How long runs may finish their writes after a signal.
const SETTLE_WITHIN: Duration = Duration::from_secs(8);

/// The arguments of `serve`.
pub(super) struct Serve<'a> {
    pub(super) listen: &'a str,
    pub(super) token_file: Option<&'a PathBuf>,
    pub(super) allowed_hosts: &'a [String],
    pub(super) allow_actions: bool,
    pub(super) page_url: Option<&'a str>,
}

/// `costlake serve`.
pub(super) async fn serve(global: &Global, asked: &Serve<'_>) -> Result<u8> {
    progress::start(global);
    let (listener, address) = listen(asked.listen).await?;
    let access = access(asked, address.ip())?;
    let webhook = Webhook::read(|name| std::env::var(name).ok(), global.allow_http)?;
    let page_url = asked.page_url.map(page_url).transpose()?;
    let notifier = webhook.map(|webhook| Notifier::to(webhook, page_url));
    let (location, _) = open_lake(global).await?;
    let context = context_until(global, client_config(global), None, 0).await?;
    tell_clock(context.clock);
    let cancel = context.cancel.clone();
    let scheduler = Scheduler::new(context, &global.jobs, notifier)?;
    let state = State::new(scheduler.clone(), access, location.to_string());
    let tick = Ticker::begin(&scheduler).await?;
    look_again_on_hangup(&scheduler)?;
    tell_plans(&scheduler, address, global);
    let page = tokio::spawn(server::serve(listener, router(state), Timeouts::default(), cancel.clone()));
    cancel.cancelled().await;
    tick.end().await;
    if !scheduler.ended(SETTLE_WITHIN).await {
        let left = scheduler.jobs.running().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        screen::tell(&format!("ending before these runs have: {left}; the next run looks first what became of them"));
    }
    let _ = page.await;
    Ok(0)
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Config, "cannot listen")
            .at("address", address)
            .because(error)
            .advise("--listen takes an address and a port, such as 127.0.0.1:8080")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Checks the address that messages link to.
fn page_url(text: &str) -> Result<&str> {
    let is_plain =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if Url::parse(text).is_ok_and(|url| is_plain(&url) && url.password().is_none()) {
        return Ok(text);
    }
    Err(Error::new(Kind::Config, "the address of the page is no http or https URL without a query and a password")
        .at("flag", "--page-url")
        .advise("give it as people open it, such as https://costlake.example.com"))
}

fn access(asked: &Serve<'_>, listen: IpAddr) -> Result<Access> {
    let token = match asked.token_file {
        Some(file) => {
            let (token, warning) = read_token(file)?;
            if let Some(warning) = warning {
                screen::tell(&format!("warning: {warning}"));
            }
            Some(token)
        }
        None => None,
    };
    Access::new(token.as_deref(), listen, asked.allowed_hosts, asked.allow_actions)
}

/// SIGHUP reloads all job files.
fn look_again_on_hangup(scheduler: &Arc<Scheduler>) -> Result<()> {
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| Error::new(Kind::Internal, "cannot hear signals").because(error))?;
    let scheduler = scheduler.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            scheduler.look_again();
        }
    });
    Ok(())
}

fn tell_plans(scheduler: &Scheduler, address: SocketAddr, global: &Global) {
    let current = scheduler.jobs.states();
    screen::out(&format!("page: http://{address}/   jobs: {}   lake: {}", global.jobs.display(), global.lake()));
    if current.is_empty() {
        screen::out("there are no job files yet; a new one starts when it is there");
    }
    for of_table in current.chunk_by(|a, b| a.job.unit.table == b.job.unit.table) {
        let Some(first) = of_table.first() else { continue };
        let next = match first.next(scheduler.clock().now()).first() {
            Some(next) => format!("next {}", next.format("%Y-%m-%d %H:%M %Z")),
            None => "by hand only: no schedule".to_owned(),
        };
        let accounts = match &first.job.unit.account {
            Some(_) => format!(", {}", screen::plural(of_table.len() as u64, "account")),
            None => String::new(),
        };
        screen::out(&format!("  {:<32} {next}{accounts}", first.job.unit.table));
    }
    for line in scheduler.jobs.broken().iter().flat_map(crate::job::BrokenJob::lines) {
        screen::failure(&line);
    }
    if scheduler.clock().fixed().is_some() {
        screen::tell("the clock stands still: what is due runs once, and no later slot comes");
    }
}

#[cfg(test)]
mod tests {
    use super::page_url;

    #[test]
    fn messages_link_to_pages_alone() {
        for good in ["https://costs.example.com", "http://10.0.0.1:8080/costlake/"] {
            assert_eq!(page_url(good).ok(), Some(good));
        }
        for bad in ["costs.example.com", "ftp://x", "javascript:alert(1)", "https://u:p@x", "https://x/?token=1", ""] {
            assert!(page_url(bad).is_err(), "{bad}");
        }
    }
}
