//! costlake
