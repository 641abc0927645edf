//! The SQL printed for query engines.

mod commitments;
mod definitions;
mod hand_made;
mod views;
