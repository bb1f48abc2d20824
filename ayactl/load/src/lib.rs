//! Load tests that tell the truth.
//!
//! Reading order: [`plan`] (what is to be done), `profile` (when requests are sent), [`record`] (what was seen), `input`
//! (which requests), `report` (what came of it, as one shape, and its renderings),
//! [`compare`] (two reports, with statistics), [`html`] (pages with plots that need nothing else to be read).

pub mod arrivals;
pub mod clock;
pub mod compare;
pub mod engine;
pub mod gate;
pub mod hist;
pub mod html;
pub mod input;
pub mod plan;
pub mod profile;
pub mod record;
pub mod report;
pub mod verdict;
