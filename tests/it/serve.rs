//! `serve`: slots, scheduler, page, security, metrics, webhook.
//!
//! | room | tries |
//! |---|---|
//! | [`slots`] | every change of every clock |
//! | [`runs`] | the scheduler beat by beat: catching up, no overlap, panics, job files that change |
//! | [`page`] | the routes without a socket: what they show, to whom, and what they start |
//! | [`news`] | what a chat is told, and how often |
//! | [`program`] | the real binary: where it listens, how it ends, what it keeps to itself |
//! | [`connections`] | clients that are too many or too slow |

mod connections;
mod news;
mod page;
mod program;
mod runs;
mod slots;
mod world;
