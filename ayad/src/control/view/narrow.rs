//! Traffic over fewer seconds than usual, for those who want to know what is so now.

use aya_api::view::{PoolView, Traffic};

use super::super::sampler::Window;
use super::{Control, traffic};

impl Control {
    /// Replaces what is counted over a window in these pools by the last `seconds`.
    pub fn narrow(&self, pools: &mut [PoolView], seconds: usize) {
        let snapshot = self.state.snapshot.load();
        for view in pools {
            let Some(pool) = snapshot.pools.iter().find(|pool| pool.name == view.name) else { continue };
            let mut sum = Window::default();
            for backend in &mut view.backends {
                let Some(cell) = pool.backends.iter().find(|cell| cell.id == backend.id) else { continue };
                let window = self.sampler.last(cell, seconds);
                replace(&mut backend.traffic, &window);
                sum.merge(&window);
            }
            let all = sum.requests;
            for backend in &mut view.backends {
                backend.share_actual =
                    (all > 0).then(|| backend.traffic.rate * sum.seconds.max(1) as f64 / all as f64);
            }
            replace(&mut view.traffic, &sum.into_pool());
        }
    }
}

fn replace(shown: &mut Traffic, window: &Window) {
    let Traffic { in_flight, requests, failures, .. } = *shown;
    *shown = Traffic { in_flight, requests, failures, ..traffic(window) };
}
