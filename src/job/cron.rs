//! Five-field cron expressions, and in plain words what is wrong with one.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};

use crate::text::plural;

/// What each field is, and what it may be.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("weekday", "0-7 or SUN-SAT, where 0 and 7 are Sunday"),
];

/// The form of every expression, with an example.
const FORM: &str = "write minute, hour, day, month and weekday, such as \"30 6 * * *\"";

/// Reads an expression.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    read(text).map_err(|error| fault(text, &error))
}

fn read(text: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text)
}

fn fault(text: &str, error: &CronError) -> String {
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields[..] {
        [name] if name.starts_with('@') => format!("{name} is not known; {FORM}"),
        ["0", ref rest @ ..] if rest.len() == 5 && read(&rest.join(" ")).is_ok() => {
            format!("it has six fields, and costlake takes five, without seconds: write \"{}\"", rest.join(" "))
        }
        [_, _, _, _, _, _] => format!("it has six fields, and costlake takes five, without seconds; {FORM}"),
        [_, _, _, _, _] => match FIELDS.iter().enumerate().find(|(place, _)| is_wrong(*place, fields[*place])) {
            Some((place, (name, range))) => format!(
                "the {name} is \"{}\"; it may be *, or {range}, as a number, a list (1,5), a range upwards (1-5) or \
                 steps (*/5, 1-5/2)",
                fields[place]
            ),
            None => error.to_string(),
        },
        [] => format!("it is empty; {FORM}"),
        _ => format!("it has {} instead of five; {FORM}", plural(fields.len() as u64, "field")),
    }
}

/// Whether a field is wrong by itself.
fn is_wrong(place: usize, field: &str) -> bool {
    let mut alone = ["*"; FIELDS.len()];
    alone[place] = field;
    read(&alone.join(" ")).is_err()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_wrong_field_is_named_with_what_it_may_be() {
        for (text, wanted) in [
            ("60 6 * * *", "the minute is \"60\"; it may be *, or 0-59,"),
            ("*/0 6 * * *", "the minute is \"*/0\""),
            ("30 24 * * *", "the hour is \"24\"; it may be *, or 0-23,"),
            ("30 6 0 * *", "the day is \"0\"; it may be *, or 1-31,"),
            ("30 6 * 13 *", "the month is \"13\"; it may be *, or 1-12 or JAN-DEC,"),
            ("30 6 * * 8", "the weekday is \"8\"; it may be *, or 0-7 or SUN-SAT,"),
            ("30 6 * * fri-mon", "the weekday is \"fri-mon\""),
            ("0 30 6 * * *", "it has six fields, and costlake takes five, without seconds: write \"30 6 * * *\""),
            ("30 6 * * ? 2026", "it has six fields, and costlake takes five, without seconds; write minute,"),
            ("@midnight", "@midnight is not known; write minute, hour, day, month and weekday, such as \"30 6 * * *\""),
            ("every day", "it has 2 fields instead of five; write minute,"),
            ("", "it is empty; write minute,"),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.starts_with(wanted), "{text}: {fault}");
        }
        for text in ["30 6 * * *", "@daily", "*/15 * * * mon-fri", "0 6 L * *", "0 6 * * 5#1"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
