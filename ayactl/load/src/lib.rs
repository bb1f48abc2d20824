//! Load tests that tell the truth.
//!
//! Reading order: [`input`] (what is asked for), [`report`] (what came of it, as one shape, and its renderings),
//! [`compare`] (two reports, with statistics), [`html`] (pages with plots that need nothing else to be read).

pub mod html;
pub mod input;
