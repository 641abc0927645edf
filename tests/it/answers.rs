//! What the APIs answer, good and bad, and what becomes of it.

mod bad;
mod budget;
mod datadog;
mod odd;
mod refusals;
