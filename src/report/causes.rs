//! Failures by their cause: what stops many jobs in the same way is one text with their names.

/// What a text was said of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The job, or empty for the command as a whole.
    pub job: String,
    /// The partitions of the job, if it was said of some alone.
    pub partitions: Vec<String>,
    /// The text: lines, of which each may end with its context, `(key value, key value)`.
    pub text: String,
}

/// A cause with everything that it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The text, with the context that all of them share.
    pub text: String,
    /// Jobs and their partitions, in the order in which they were said.
    pub of: Vec<(String, Vec<String>)>,
}

/// Context in which the same failure differs from job to job.
const OWN: [&str; 8] = ["job ", "table ", "partition ", "window ", "request ", "request id ", "key ", "attempts "];

/// The causes, in the order in which each was said first.
#[must_use]
pub fn causes(said: &[Said]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for Said { job, partitions, text } in said {
        let same = causes.iter_mut().find_map(|cause| Some((common(&cause.text, text)?, cause)));
        let Some((text, cause)) = same else {
            causes.push(Cause { text: text.clone(), of: vec![(job.clone(), partitions.clone())] });
            continue;
        };
        cause.text = text;
        match cause.of.iter_mut().find(|(known, _)| known == job) {
            Some((_, known)) => {
                known.extend(partitions.iter().filter(|new| !known.contains(new)).cloned().collect::<Vec<_>>())
            }
            None => cause.of.push((job.clone(), partitions.clone())),
        }
    }
    causes
}

impl Cause {
    /// The text, and below it what it is said of, where the text does not say so itself.
    #[must_use]
    pub fn report(&self) -> String {
        let mut lines = vec![self.text.clone()];
        let jobs: Vec<&str> = self.of.iter().map(|(job, _)| job.as_str()).filter(|job| !job.is_empty()).collect();
        match (jobs.as_slice(), self.of.first()) {
            ([job], Some((_, partitions))) => {
                if partitions.len() > 1 {
                    lines.push(format!("  {job}: {}", partitions.join(", ")));
                } else if !self.text.contains(job) {
                    lines.push(format!("  job: {job}"));
                }
            }
            ([], _) => {}
            (jobs, _) => lines.push(format!("  {} jobs: {}", jobs.len(), jobs.join(", "))),
        }
        lines.join("\n")
    }
}

/// The text of two that differ in nothing but the context of a job: what both say.
fn common(one: &str, other: &str) -> Option<String> {
    if one == other {
        return Some(one.to_owned());
    }
    if one.lines().count() != other.lines().count() {
        return None;
    }
    let lines: Option<Vec<String>> =
        one.lines().zip(other.lines()).map(|(one, other)| common_line(one, other)).collect();
    Some(lines?.join("\n"))
}

fn common_line(one: &str, other: &str) -> Option<String> {
    if one == other {
        return Some(one.to_owned());
    }
    let ((head, ours), (same, theirs)) = (parts(one), parts(other));
    let is_own = |piece: &&str| OWN.iter().any(|own| piece.starts_with(own));
    let differing =
        ours.iter().filter(|piece| !theirs.contains(piece)).chain(theirs.iter().filter(|piece| !ours.contains(piece)));
    if head != same || !differing.copied().all(|piece| is_own(&piece)) {
        return None;
    }
    let shared: Vec<&str> = ours.iter().copied().filter(|piece| theirs.contains(piece)).collect();
    Some(if shared.is_empty() { head.to_owned() } else { format!("{head} ({})", shared.join(", ")) })
}

/// A line and the pieces of the context at its end.
fn parts(line: &str) -> (&str, Vec<&str>) {
    match line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")) {
        Some((head, context)) => (head, context.split(", ").collect()),
        None => (line, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, causes};

    fn said(job: &str, partition: &str, text: &str) -> Said {
        let partitions = if partition.is_empty() { Vec::new() } else { vec![partition.to_owned()] };
        Said { job: job.to_owned(), partitions, text: text.to_owned() }
    }

    #[test]
    fn what_stops_many_jobs_is_one_text_with_their_names() {
        let text = |job: &str| format!("no credentials (profile x, job {job})\n  because: none\n  what to do: log in");
        let told = causes(&[said("a", "", &text("a")), said("b", "", &text("b")), said("c", "", "the disk is full")]);
        let told: Vec<String> = told.iter().map(super::Cause::report).collect();
        assert_eq!(
            told,
            [
                "no credentials (profile x)\n  because: none\n  what to do: log in\n  2 jobs: a, b",
                "the disk is full\n  job: c"
            ]
        );
    }

    #[test]
    fn what_differs_in_more_than_the_job_stays_apart() {
        let texts = ["10 is not 11 (day 1, job a)", "10 is not 11 (day 2, job b)"];
        assert_eq!(causes(&texts.map(|text| said("a", "", text))).len(), 2);
        assert_eq!(causes(&[said("a", "", "x (job a)"), said("b", "", "x (job b)\n  because: y")]).len(), 2);
    }

    #[test]
    fn the_months_of_one_job_are_named_once() {
        let told = causes(&["2026-01", "2026-02"].map(|month| said("a", month, "held (partition x)")));
        assert_eq!(told[0].report(), "held (partition x)\n  a: 2026-01, 2026-02");
        let alone = causes(&[said("a", "2026-01", "held (job a)")]);
        assert_eq!(alone[0].report(), "held (job a)");
    }
}
