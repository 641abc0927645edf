//! What went wrong in a command, told at its end: each cause once, with everything it stops, and broken job files too.

use crate::error::{Error, Kind, combined_exit_code};
use crate::job::BrokenJob;
use crate::report::{JobReport, Said, causes};
use crate::unit::Unit;

use super::screen;

/// Jobs named beside a note; further ones are counted.
const NAMED: usize = 3;

/// The failures of a command, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Failures {
    said: Vec<Said>,
    broken: Vec<String>,
    codes: Vec<u8>,
}

impl Failures {
    /// The failures that broken job files are.
    pub(super) fn of(broken: &[BrokenJob]) -> Self {
        let codes = broken.iter().map(|_| Kind::Config.exit_code()).collect();
        Self { broken: broken.iter().map(text_of).collect(), codes, ..Self::default() }
    }

    /// Adds the failure of a job.
    pub(super) fn add(&mut self, unit: &Unit, error: &Error) {
        self.add_text(&unit.to_string(), error.report(), error.kind());
    }

    /// Adds the failure of a job as text.
    pub(super) fn add_text(&mut self, job: &str, text: String, kind: Kind) {
        self.said.push(Said { job: job.to_owned(), partitions: Vec::new(), text });
        self.codes.push(kind.exit_code());
    }

    /// Adds the failures of a run.
    pub(super) fn add_run(&mut self, report: &JobReport) {
        self.said.extend(report.said());
        self.codes.push(report.exit_code);
    }

    /// Adds an exit code that nothing is to be said of.
    pub(super) fn add_code(&mut self, code: u8) {
        self.codes.push(code);
    }

    /// The exit code of all together.
    pub(super) fn code(&self) -> u8 {
        combined_exit_code(self.codes.iter().copied())
    }

    /// Tells them on stderr.
    pub(super) fn tell(&self) {
        for text in causes(&self.said).iter().map(|cause| cause.report()).chain(self.broken.iter().cloned()) {
            screen::failure(&text);
        }
    }
}

/// The problems of a job file, a line each.
fn text_of(broken: &BrokenJob) -> String {
    broken.lines().join("\n  ")
}

/// Prints notes below a table: each text once, with the jobs it is about where there are several jobs.
pub(super) fn notes(jobs: usize, notes: &[(String, String)]) {
    let mut once: Vec<(&str, Vec<&str>)> = Vec::new();
    for (job, text) in notes {
        match once.iter_mut().find(|(known, _)| known == text) {
            Some((_, of)) if of.contains(&job.as_str()) => {}
            Some((_, of)) => of.push(job),
            None => once.push((text, vec![job])),
        }
    }
    for (text, of) in once {
        screen::note(&if jobs > 1 { format!("{text} ({})", named(&of, jobs)) } else { text.to_owned() });
    }
}

/// The first few names, and how many more.
fn named(of: &[&str], jobs: usize) -> String {
    if of.len() == jobs {
        return format!("all {jobs}");
    }
    match of.len().checked_sub(NAMED) {
        None | Some(0) => of.join(", "),
        Some(more) => format!("{} and {more} more", of[..NAMED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, named, text_of};
    use crate::error::{Error, Kind};
    use crate::job::BrokenJob;
    use crate::job::section::Problem;

    #[test]
    fn a_broken_file_counts_and_is_told_whole() {
        let problem = |message: &str| Problem::new("window.begin", message);
        let mut broken = BrokenJob { file: "jobs/x.toml".into(), problems: vec![problem("is missing")] };
        assert_eq!(text_of(&broken), "jobs/x.toml: window.begin: is missing");
        broken.problems.push(problem("is odd"));
        assert_eq!(text_of(&broken), "jobs/x.toml: window.begin: is missing\n  jobs/x.toml: window.begin: is odd");
        let mut failures = Failures::of(&[broken]);
        assert_eq!(failures.code(), 2);
        failures.add(&"a".into(), &Error::new(Kind::Interrupted, "stopped"));
        assert_eq!(failures.code(), 130);
        assert_eq!(Failures::default().code(), 0);
    }

    #[test]
    fn a_few_jobs_are_named_and_many_counted() {
        assert_eq!(named(&["a", "b"], 5), "a, b");
        assert_eq!(named(&["a", "b", "c", "d"], 5), "a, b, c and 1 more");
        assert_eq!(named(&["a", "b", "c", "d", "e"], 5), "all 5");
    }
}
