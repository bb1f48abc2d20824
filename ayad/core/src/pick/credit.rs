//! Smooth weighted rotation, the bookkeeping under two algorithms.
//!
//! Every candidate earns its weight, the richest one is chosen and pays what all of them earned. Credits sum
//! to zero for ever, so nobody is owed without bound, and weights 5, 1, 1 give `a a b a c a a` instead of
//! five in a row (Igor Sysoev, nginx 1.3.1). Backends that are no candidates keep their credit untouched.

#[derive(Debug, Default)]
pub(super) struct Credits {
    credits: Vec<i64>,
    weights: u64,
}

impl Credits {
    pub(super) fn prepare(&mut self, len: usize) {
        self.credits.reserve(len.saturating_sub(self.credits.len()));
    }

    /// Adjusts to a set of this size and sum of weights, of all its backends. When either has changed, debts
    /// from before mean nothing any more (a backend lowered from 100 to 1 would pay them off for a hundred
    /// rounds): all start at zero.
    pub(super) fn fit(&mut self, len: usize, weights: u64) {
        if self.credits.len() != len || self.weights != weights {
            self.credits.clear();
            self.credits.resize(len, 0);
            self.weights = weights;
        }
    }

    /// What a backend is owed.
    pub(super) fn of(&self, index: usize) -> i64 {
        self.credits.get(index).copied().unwrap_or(0)
    }

    /// Chooses among candidates, given as index and weight; the first one wins a tie, weight 0 never does.
    pub(super) fn choose(&mut self, candidates: impl Iterator<Item = (usize, u32)>) -> Option<usize> {
        let mut earned = 0;
        let mut richest: Option<(usize, i64)> = None;
        for (index, weight) in candidates {
            let weight = i64::from(weight);
            if weight == 0 {
                continue;
            }
            let credit = &mut self.credits[index];
            *credit += weight;
            earned += weight;
            if richest.is_none_or(|(_, most)| *credit > most) {
                richest = Some((index, *credit));
            }
        }
        let (index, _) = richest?;
        self.credits[index] -= earned;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_instead_of_bunched() {
        let mut credits = Credits { credits: vec![0; 3], weights: 7 };
        let turns: Vec<usize> =
            (0..7).map(|_| credits.choose([(0, 5), (1, 1), (2, 1)].into_iter()).unwrap()).collect();

        assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(credits.credits, [0, 0, 0]);
    }
}
