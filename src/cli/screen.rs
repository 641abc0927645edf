//! All output goes through here: results on stdout, messages on stderr. Colour only on a terminal and without
//! `NO_COLOR`, or as `--color` says; it never carries information that the text does not. A failed write (full disk) sets the exit code.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::error::{Error, Kind, Result, combined_exit_code};
use crate::redact::redact;

use super::fit;

pub(super) use crate::text::{bytes, count, plural};

/// Prints a result on stdout.
pub(super) fn out(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let text = redact(text);
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    result_written(written.and_then(|()| stdout.flush()));
}

/// Prints data on stdout: to a file or a program as it is, to a terminal without its escape sequences.
pub(super) fn data(text: &str) {
    if std::io::stdout().is_terminal() {
        return out(text);
    }
    let mut stdout = std::io::stdout().lock();
    let text = redact(text);
    result_written(
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()),
    );
}

/// Prints the help, the version, or an error in the arguments.
pub(super) fn answer(answer: &clap::Error) {
    result_written(answer.print().and_then(|()| std::io::stdout().flush()));
}

/// Whether any write failed.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Records a failed write; true the first time. A closed pipe (`| head`) is no failure.
fn is_newly_lost(written: &std::io::Result<()>) -> bool {
    let is_lost = written.as_ref().is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    is_lost && !IS_LOST.swap(true, Ordering::Relaxed)
}

fn result_written(written: std::io::Result<()>) {
    if is_newly_lost(&written) {
        let lost = Error::new(Kind::Store, "what was printed is lost, in part or whole");
        let lost = lost.advise("make room where it goes and ask again; what the command did to the lake is done");
        error(&match written {
            Ok(()) => lost,
            Err(cause) => lost.because(cause),
        });
    }
}

/// Records the result of a write to stderr; a failure has no other place to be reported.
pub(super) fn words_written(written: &std::io::Result<()>) {
    is_newly_lost(written);
}

/// The exit code of a command that ends with `code`, combined with that of a failed write.
pub(super) fn settled(code: u8) -> u8 {
    let lost = if IS_LOST.load(Ordering::Relaxed) { Kind::Store.exit_code() } else { 0 };
    combined_exit_code([code, lost])
}

/// Whether the log is JSON, so that stderr may contain nothing else.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Sends messages to the JSON log from now on.
pub(super) fn tell_in_the_log() {
    LOG_IS_JSON.store(true, Ordering::Relaxed);
}

/// Prints a message on stderr.
pub(super) fn tell(text: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        tracing::info!("{text}");
        return;
    }
    let text = redact(text);
    let text = match message_width() {
        Some(width) => fit::fold(&text, width, 2).join("\n"),
        None => text.into_owned(),
    };
    write_message(&text);
}

fn write_message(text: &str) {
    let mut stderr = anstream::stderr().lock();
    words_written(&stderr.write_all(redact(text).as_bytes()).and_then(|()| stderr.write_all(b"\n")));
}

/// Prints a JSON document on stdout.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value);
    out(&text.map_err(|error| Error::new(Kind::Internal, "cannot print JSON").because(error))?);
    Ok(())
}

/// Prints an error with its causes and advice, once.
pub(super) fn error(error: &Error) {
    failure(&error.report());
}

/// Prints the text of a failure.
pub(super) fn failure(text: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        tracing::error!("{text}");
        return;
    }
    let (style, text) = (RED.bold(), format!("error: {text}"));
    let lines = message_width().map_or_else(|| vec![text.clone()], |width| fit::fold(&redact(&text), width, 2));
    let painted = lines.join("\n").replacen("error", &format!("{style}error{style:#}"), 1);
    write_message(&painted);
}

/// Whether stderr takes colours.
pub(super) fn has_colours() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Whether stderr is a terminal.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether stdin and stderr are terminals, so that a question can be answered.
pub(super) fn can_be_asked() -> bool {
    std::io::stdin().is_terminal() && is_watched()
}

/// Asks a question; any answer but y or yes is no.
pub(super) fn ask(question: &str) -> bool {
    let mut stderr = anstream::stderr().lock();
    let question = fit::fold(&format!("{question} [y/N]"), width() - 2, 2).join("\n");
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if matches!(read, Ok(0)) {
        let _ = writeln!(stderr);
    }
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a text; an empty answer is `usual`.
pub(super) fn ask_text(question: &str, usual: &str) -> Result<String> {
    let mut stderr = anstream::stderr().lock();
    let question = fit::fold(&format!("{question} [{}]:", usual.replace(',', ", ")), width() - 2, 2).join("\n");
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) => Err(Error::new(Kind::Config, "there was no answer").advise("answer, or give it with a flag")),
        Ok(_) if line.trim().is_empty() => Ok(usual.to_owned()),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(Error::new(Kind::Config, "cannot read the answer").because(error)),
    }
}

pub(super) const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
pub(super) const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
pub(super) const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();

/// A table for the screen; the columns in `right` are right-aligned. The style of a row applies to its last cell.
pub(super) fn grid(header: &[&str], right: &[usize], rows: impl IntoIterator<Item = (Vec<String>, Style)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    fit::table(&fit::Shape { header, right, paints_last: true, width: width() }, &rows)
}

/// Columns of the screen: those of `COLUMNS` or of the terminal, within bounds; 80 elsewhere.
pub(super) fn width() -> usize {
    asked_width().or_else(|| terminal_width(&std::io::stdout())).unwrap_or(80).clamp(40, 160)
}

/// Columns of messages; `None` where each stays one line, to be searched: in a log.
fn message_width() -> Option<usize> {
    asked_width().or_else(|| terminal_width(&std::io::stderr())).map(|width| width.clamp(40, 160))
}

fn asked_width() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0)
}

fn terminal_width(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let size = if stream.is_terminal() { rustix::termios::tcgetwinsize(stream).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Prints a text on stdout, folded; what follows a break is indented by `indent` more.
pub(super) fn folded(text: &str, indent: usize) {
    out(&fit::fold(text, width(), indent).join("\n"));
}

/// A name in bold, and what is said of it beside it, or below it where both do not fit.
pub(super) fn titled(name: &str, said: &str) -> String {
    let taken = name.width() + 2 + anstream::adapter::strip_str(said).to_string().width();
    let gap = if taken <= width() { "  " } else { "\n  " };
    format!("{BOLD}{name}{BOLD:#}{gap}{said}")
}

/// Prints a note below a table.
pub(super) fn note(text: &str) {
    for line in fit::fold(&format!("  note: {text}"), width(), 2) {
        out(&format!("{DIM}{line}{DIM:#}"));
    }
}
