//! costlake

/// The built-in imitation of both APIs, for `demo`, tests and docker-compose.
pub mod sandbox;
