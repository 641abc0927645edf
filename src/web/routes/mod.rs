//! The routes: pages for people, documents for machines, and what the page may start.

pub(super) mod accept;
pub(super) mod actions;
pub(super) mod api;
pub(super) mod html;
