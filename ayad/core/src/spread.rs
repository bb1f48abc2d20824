//! Which worker serves a connection that was just accepted.
//!
//! The kernel spreads new connections over the sockets of one address by a hash of their addresses. That is
//! even for many short connections and a lottery for a few long ones: of eight, all may land on one of two
//! workers. So the worker that accepted keeps a connection only while it is not clearly busier than the
//! idlest one; else it hands it over, which costs one message between threads.
//!
//! How much busier it may be grows with the load: nothing up to eight connections a worker, then an eighth.
//! Chance alone makes counts differ by about their square root, and sending connections around for that would
//! cost every one of them a message and gain nothing.
//!
//! What it deliberately does not do: look at how busy a connection is, or move one that is already served.

/// A worker may have more connections than the idlest one by this part of what that one has.
const TOLERATED_PART: u64 = 8;

/// The worker for a new connection that worker `own` accepted: `own`, or the idlest one when `own` has clearly
/// more. `open` says how many connections each worker has now, without the new one, in order of the workers.
/// Equal workers take turns: the next one after `own` comes first.
///
/// Costs one pass over the workers. Counts may be a moment old; every later connection corrects what two
/// workers decided at the same instant.
pub fn worker_for(own: usize, open: impl Iterator<Item = u64> + Clone) -> usize {
    let Some(mine) = open.clone().nth(own) else { return own };
    let workers = open.clone().count();
    let distance = |worker: usize| (worker + workers - own) % workers;
    let idlest = open.enumerate().min_by_key(|(worker, open)| (*open, distance(*worker)));
    match idlest {
        Some((worker, least)) if mine > least + least / TOLERATED_PART => worker,
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(own: usize, open: &[u64]) -> usize {
        worker_for(own, open.iter().copied())
    }

    #[test]
    fn a_few_connections_are_spread_evenly_whoever_accepts_them() {
        for accepting in [[0; 8], [1; 8], [0, 1, 0, 1, 1, 1, 0, 0]] {
            let mut open = [0; 2];
            for own in accepting {
                open[place(own, &open)] += 1;
            }
            assert_eq!(open, [4, 4], "{accepting:?}");
        }
    }

    #[test]
    fn one_that_accepts_everything_deals_it_out_in_turn() {
        let mut open = [0; 3];
        let dealt: Vec<usize> = (0..6)
            .map(|_| {
                let to = place(1, &open);
                open[to] += 1;
                to
            })
            .collect();

        assert_eq!(dealt, [1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn what_chance_does_to_many_connections_is_left_alone() {
        assert_eq!(place(0, &[90, 80]), 0);
        assert_eq!(place(0, &[91, 80]), 1);
    }

    #[test]
    fn a_worker_alone_keeps_everything() {
        assert_eq!(place(0, &[1_000_000]), 0);
        assert_eq!(place(0, &[]), 0);
    }
}
