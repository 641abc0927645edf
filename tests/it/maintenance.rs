//! Lake maintenance: what verify distinguishes, what repair fixes and leaves, and rebuilds from stored raw responses.

mod damage;
mod displaced;
mod format_1;
mod mending;
mod places;
mod program;
mod raw;
mod world;
