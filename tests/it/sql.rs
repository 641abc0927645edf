//! What is printed for query engines.

mod definitions;

mod views;
