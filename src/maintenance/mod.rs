//! Maintenance of a lake: checks of what is there, repairs, and tables made again from stored responses. No part of a run.

pub mod rebuild;
pub mod repair;
pub mod verify;
