//! What the APIs answer, good and bad, and what becomes of it.

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
mod lags;
mod nights;
mod odd;
mod outages;
mod quarantine;
mod redirects;
mod refusals;
mod restated;
mod secrets;
mod totals;
mod wrong_clocks;
