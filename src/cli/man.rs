//! `man`: the manual pages, one for the program and one for each command, made from what `--help` is made from.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::{Error, Kind, Result};

use super::args::{Arguments, EXIT_CODES};
use super::completions::shown;

/// `costlake man`.
pub(super) fn write(folder: &Path) -> Result<()> {
    pages(folder).map_err(|error| {
        Error::new(Kind::Config, "cannot write the manual pages")
            .at("folder", folder.display())
            .because(error)
            .advise("name a folder that can be written")
    })
}

fn pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let all = Arguments::command();
    let mut program = shown(&all).about(all.get_about().cloned().unwrap_or_default()).disable_help_subcommand(true);
    program.build();
    for command in program.get_subcommands() {
        let mut see = Roff::new();
        see.control("SH", ["SEE ALSO"]).text([bold("costlake"), roman("(1)")]);
        page(folder, command.clone(), &see)?;
    }
    let more = exit_status();
    page(folder, program, &more)
}

/// A page of one command, with sections of ours at its end.
fn page(folder: &Path, command: clap::Command, more: &Roff) -> io::Result<()> {
    let page = Man::new(command).manual("costlake");
    let mut text = Vec::new();
    page.render(&mut text)?;
    more.to_writer(&mut text)?;
    fs::write(folder.join(page.get_filename()), in_ascii(&String::from_utf8_lossy(&text)))
}

/// roff reads bytes: other characters have names, which are their code points.
fn in_ascii(text: &str) -> String {
    let named = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    text.chars().map(named).collect()
}

fn exit_status() -> Roff {
    let (codes, dates) = EXIT_CODES.rsplit_once('\n').unwrap_or((EXIT_CODES, ""));
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    for code in codes.trim_start_matches("Exit codes: ").trim_end_matches('.').split(';') {
        let (number, meaning) = code.trim().split_once(' ').unwrap_or((code, ""));
        section.control("TP", []).text([bold(number)]).text([roman(meaning)]);
    }
    section.control("SH", ["DATES"]).text([roman(dates)]);
    section
}
