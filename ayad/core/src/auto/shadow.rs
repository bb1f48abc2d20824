//! What arms that do not steer would have got.
//!
//! The estimator is a direct one. A [`Cell`] is a backend at a level of requests in flight, and for each cell the
//! latencies of the requests that really came to it are known. An arm's pickers are asked for sampled requests whom they
//! would have picked, which names a cell; the estimate of the arm is the mixture of what the named cells gave. The arm
//! that steers is estimated in the very same way, from the cells that it picked, so that errors of the cells fall on both.
//!
//! *Bias*: an arm that steered would change how busy backends are, and that is not foreseen; the level is part of the
//! cell, so what an arm gains by avoiding the busy is seen, what it would gain by nobody being busy is not. Requests of
//! one cell count as alike, whatever they ask for. Cells that the steering arm hardly visits are not known; a block in
//! which an arm names many of them says nothing about it (see `LEAST_KNOWN`). Hence the trial after every switch.
//! *Variance*: that of the mean of the named cells; weighting by inverse propensity, which would take the bias away,
//! was left out because most algorithms pick without chance: their propensities are 0 and 1, and the weights unbounded.

use std::collections::BTreeMap;
use std::time::Duration;

use super::MAX_ARMS;
use super::objective::{Objective, Spread};

/// Results of a cell from which on it is believed; below, its backend answers for it.
const LEAST_RESULTS: f64 = 8.0;
/// Share of the named cells that must be known.
const LEAST_KNOWN: f64 = 0.8;
/// Most cells that are kept; further ones are not known.
const MAX_CELLS: usize = 2048;
/// The level of a backend as a whole.
const ANY_LEVEL: u8 = u8::MAX;

/// A backend, and how busy it was when a request came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    backend: u32,
    level: u8,
}

impl Cell {
    /// The backend at `index` with `among` requests in flight, the one that comes included. Levels are half doublings.
    pub fn new(index: usize, among: f32) -> Self {
        let level = (2.0 * among.max(1.0).log2()).round().min(64.0) as u8;
        Self { backend: u32::try_from(index).unwrap_or(u32::MAX), level }
    }

    fn any_level(self) -> Self {
        Self { level: ANY_LEVEL, ..self }
    }
}

/// Whom each arm would pick for one request, by position of the arm; `None` of an arm that would pick nobody.
pub type Ballot = [Option<Cell>; MAX_ARMS];

/// What cells gave.
#[derive(Debug, Default)]
pub(super) struct Cells {
    known: BTreeMap<Cell, Spread>,
}

impl Cells {
    pub(super) fn served(&mut self, cell: Cell, took: Duration, ok: bool) {
        for cell in [cell, cell.any_level()] {
            if self.known.len() < MAX_CELLS || self.known.contains_key(&cell) {
                self.known.entry(cell).or_default().add(took, ok);
            }
        }
    }

    /// An epoch is over: what is old counts less.
    pub(super) fn fade(&mut self) {
        self.known.values_mut().for_each(Spread::fade);
        self.known.retain(|_, spread| spread.count() >= 0.5);
    }

    fn of(&self, cell: Cell) -> Option<&Spread> {
        let enough = |spread: &&Spread| spread.count() >= LEAST_RESULTS;
        let own = self.known.get(&cell).filter(enough);
        own.or_else(|| self.known.get(&cell.any_level()).filter(enough))
    }

    /// What an arm that named these would have got; `None` when too few of them are known.
    pub(super) fn value(&self, named: &Named, objective: Objective) -> Option<f64> {
        let (mut mixture, mut all) = (Spread::default(), 0.0);
        for (cell, count) in &named.0 {
            let count = f64::from(*count);
            all += count;
            if let Some(spread) = self.of(*cell) {
                mixture.add_all(spread, count);
            }
        }
        let is_known = all > 0.0 && mixture.count() >= LEAST_KNOWN * all;
        is_known.then(|| mixture.value(objective)).flatten()
    }
}

/// How often an arm named which cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Named(BTreeMap<Cell, u32>);

impl Named {
    pub(super) fn add(&mut self, cell: Cell) {
        if self.0.len() < MAX_CELLS || self.0.contains_key(&cell) {
            *self.0.entry(cell).or_default() += 1;
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (cell, count) in &other.0 {
            *self.0.entry(*cell).or_default() += count;
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_is_worth_what_the_cells_it_names_gave() {
        let (fast, slow, unseen) = (Cell::new(0, 1.0), Cell::new(1, 1.0), Cell::new(2, 1.0));
        let mut cells = Cells::default();
        for _ in 0..20 {
            cells.served(fast, Duration::from_millis(10), true);
            cells.served(slow, Duration::from_millis(30), true);
        }
        let value = |all: &[Cell]| {
            let mut named = Named::default();
            for cell in all {
                named.add(*cell);
            }
            cells.value(&named, Objective::Mean)
        };
        let near = |value: Option<f64>, wanted: f64| assert!((value.unwrap() - wanted).abs() < 1e-6);

        near(value(&[fast]), 0.010);
        near(value(&[fast, slow]), 0.020);
        near(value(&[fast, fast, fast, slow]), 0.015);
        // Another level of a known backend is answered for by the backend.
        near(value(&[Cell::new(1, 9.0)]), 0.030);
        assert_eq!(value(&[fast, unseen]), None);
        assert_eq!(value(&[]), None);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut cells = Cells::default();
        (0..20).for_each(|_| cells.served(Cell::new(0, 1.0), Duration::from_millis(1), true));
        (0..8).for_each(|_| cells.fade());
        assert!(cells.known.is_empty());
    }
}
