//! Looking after a lake: what verify tells apart, what repair mends and leaves, and tables made again from raw answers.

mod damage;
mod displaced;
mod format_1;
mod mending;
mod places;
mod program;
mod raw;
mod world;
