//! Progress on stderr: a bar per job on a terminal, nothing elsewhere (the log has it).

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cents::Cents;
use crate::pipeline::{Event, Listener};
use crate::redact::redact;
use crate::report::RequestStats;

use super::args::{Global, LogFormat};
use super::fit::cut;
use super::screen::{has_colours, is_watched, plural, words_written};

/// Runs whose bars are all on the screen, without one that counts them.
const ALL_SHOWN: usize = 8;

/// The bars of a run.
#[derive(Clone, Default)]
pub(super) struct Bars {
    all: MultiProgress,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    asked: HashMap<String, (u64, RequestStats)>,
}

impl Bars {
    /// A listener that draws the pipeline's events.
    pub(super) fn listener(&self) -> Listener {
        let bars = self.clone();
        Arc::new(move |event| bars.show(event))
    }

    /// Bars on the same screen for runs beside these.
    pub(super) fn beside(&self) -> Self {
        Self { all: self.all.clone(), state: Arc::default() }
    }

    /// The bar below those of the runs, which counts the ones that have ended; none where all have a bar at once.
    pub(super) fn of_all(&self, runs: usize) -> Option<ProgressBar> {
        let bar = (runs > ALL_SHOWN).then(|| self.all.add(ProgressBar::new(runs as u64)))?;
        dress(&bar, "");
        bar.set_prefix("all");
        bar.tick();
        Some(bar)
    }

    fn show(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { job, fetches, .. } => {
                let bar = self.all.insert(0, ProgressBar::new(fetches));
                dress(&bar, "{wide_msg}");
                bar.set_prefix(cut(&job, 24));
                bar.tick();
                *state = State { bar: Some(bar), asked: HashMap::new() };
            }
            Event::FetchStarted { .. } | Event::Waiting(_) => {}
            Event::Page { partition, rows, asked } => {
                state.asked.insert(partition, (rows, asked));
                state.tell();
            }
            Event::FetchEnded { .. } => {
                if let Some(bar) = &state.bar {
                    bar.inc(1);
                }
                state.tell();
            }
            Event::JobEnded { .. } => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// What every bar looks like, with `rest` behind it.
fn dress(bar: &ProgressBar, rest: &str) {
    let looks = if has_colours() { "{bar:12.cyan/dim}" } else { "{bar:12}" };
    let line = format!("{{prefix:<24}} {looks} {{pos:>3}}/{{len}} {rest}");
    if let Ok(style) = ProgressStyle::with_template(&line) {
        bar.set_style(style.progress_chars("━━╌"));
    }
}

impl State {
    fn tell(&self) {
        let Some(bar) = &self.bar else { return };
        let rows: u64 = self.asked.values().map(|(rows, _)| rows).sum();
        let mut total = RequestStats::default();
        for (_, asked) in self.asked.values() {
            total.add(asked);
        }
        let cost = total.cost();
        let dollars = if cost > Cents::ZERO { format!("  {cost} USD") } else { String::new() };
        bar.set_message(format!("{}  {}{dollars}", plural(total.pages, "page"), plural(rows, "row")));
    }
}

/// Writes log lines between the bars, without secrets: libraries log more than they should.
#[derive(Clone)]
struct BetweenBars(Option<MultiProgress>);

impl Write for BetweenBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let write = || io::stderr().lock().write_all(redact(&text).as_bytes());
        let written = match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        };
        words_written(&written);
        // On an error `tracing_subscriber` would print to stderr, and panic if that fails too.
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for BetweenBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged where neither `COSTLAKE_LOG` nor `RUST_LOG` says it. The SDK warns about every place without
/// credentials, and the TLS verifier about every rejected certificate; our own error reports both once.
fn usual_filter(quiet: bool, verbose: u8, on_terminal: bool) -> String {
    let own = match (verbose, on_terminal) {
        _ if quiet => return "error,rustls_platform_verifier=off".to_owned(),
        (0, true) => "",
        (0 | 1, _) => ",costlake=info",
        _ => ",costlake=debug",
    };
    format!("warn,aws_config=error,rustls_platform_verifier=off{own}")
}

/// Starts the log and, on a terminal, the bars. `COSTLAKE_LOG` (or else `RUST_LOG`) takes a filter such as
/// `costlake=debug`, and goes before `-v`.
pub(super) fn start(global: &Global) -> Option<Bars> {
    let bars = (is_watched() && !global.quiet && global.log_format == LogFormat::Text).then(Bars::default);
    let usual = usual_filter(global.quiet, global.verbose, bars.is_some());
    let given = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let filter = given("COSTLAKE_LOG").or_else(|| given("RUST_LOG")).and_then(|text| EnvFilter::try_new(text).ok());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(usual)))
        .with_writer(BetweenBars(bars.as_ref().map(|bars| bars.all.clone())))
        .with_ansi(has_colours())
        .with_target(false);
    // A second start in one process (tests) keeps the first log.
    let _ = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => {
            super::screen::tell_in_the_log();
            builder.json().try_init()
        }
    };
    bars
}

#[cfg(test)]
mod tests {
    use super::usual_filter;

    #[test]
    fn what_is_logged_by_default() {
        let own = |quiet, verbose, on_terminal| {
            let filter = usual_filter(quiet, verbose, on_terminal);
            filter.split_once(",costlake=").map(|(_, level)| level.to_owned()).unwrap_or_default()
        };
        assert_eq!([own(false, 0, true), own(false, 1, true), own(false, 2, true)], ["", "info", "debug"]);
        assert_eq!([own(false, 0, false), own(false, 1, false), own(false, 3, false)], ["info", "info", "debug"]);
        assert_eq!(usual_filter(true, 0, true), "error,rustls_platform_verifier=off");
    }
}
