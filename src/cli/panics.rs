//! Panics, reported like every other error: without secrets, with advice and an exit code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

use crate::error::{Error, Kind, printable};

use super::screen;

/// Installs a panic hook that prints through `screen`, which redacts secrets; Rust's default hook does not.
pub(super) fn tell_without_secrets() {
    set_hook(Box::new(|panic| screen::failure(&told(panic))));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let text = panic.payload_as_str().unwrap_or("a panic without text");
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
    format!("panicked{place}: {}{trace}", printable(text))
}

/// The exit code of `work`; if it panicked, `broke_off` reports the error first.
pub(super) fn guarded(work: impl FnOnce() -> u8, broke_off: impl FnOnce(&Error)) -> u8 {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let error = Error::new(Kind::Internal, "costlake crashed; this is a bug")
            .advise("what was committed is safe, and the next run goes on from there; please report the lines above");
        broke_off(&error);
        error.kind().exit_code()
    })
}
