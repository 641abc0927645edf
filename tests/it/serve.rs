//! `serve`: slots, scheduler, page, security, metrics, webhook.
//!
//! | room | tries |
//! |---|---|
//! | [`slots`] | every change of every clock |
//! | [`runs`] | the scheduler beat by beat: catching up, no overlap, panics, job files that change |
//! | [`news`] | what a chat is told, and how often |

mod news;
mod runs;
mod slots;
mod world;
