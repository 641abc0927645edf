//! What the APIs answer, good and bad, and what becomes of it.

mod accounts;
mod bad;
mod budget;
mod canaries;
mod commands;
mod credentials;
mod datadog;
mod deadlines;
mod floods;
mod grains;
mod happy;
mod identity;
mod job_files;
mod keeping;
mod keys;
mod nights;
mod nothing;
mod odd;
mod output;
mod quarantine;
mod redirects;
mod refusals;
mod restated;
mod secrets;
mod totals;
