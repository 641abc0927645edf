//! Behaviour of the whole, without HTTP.
