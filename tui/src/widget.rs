//! Pieces to draw with. They know columns, bars and lines, and nothing of AYA.

pub(crate) mod bars;
pub(crate) mod frame;
pub(crate) mod page;
pub(crate) mod sparkline;
pub(crate) mod strip;
pub(crate) mod table;
