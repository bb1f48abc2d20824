//! Orders about a breaker, and how a backend stands among the others: only where there is something to say.

use std::fmt::Write as _;

use aya_api::view::BackendView;

use super::field;
use crate::time;

/// One row each.
pub(super) fn rows(text: &mut String, backend: &BackendView, now_ms: u64) {
    let since = |at| format!("for {} (since {})", time::age(now_ms, at), time::stamp(at));
    if let Some(order) = &backend.breaker.order {
        let mut line = format!("{} {}, by {}", order.order, since(order.since_ms), order.by);
        if let Some(reason) = &order.reason {
            let _ = write!(line, ", reason: {reason}");
        }
        if let Some(at) = order.until_ms {
            let _ = write!(line, ", reverts {}", time::until(now_ms, at));
        }
        if order.restored {
            line.push_str(", restored from the journal");
        }
        field(text, "Forced", &line);
    }
    if let Some(standing) = &backend.standing {
        let odd = since(standing.odd_since());
        let mut line = format!("{}, not like the others {odd}, {}", standing.state, standing.cause);
        if let Some(at) = standing.until_ms {
            let _ = write!(line, ", tried again {}", time::until(now_ms, at));
        }
        if let (Some(good), Some(needed)) = (standing.trials, standing.trials_needed) {
            let _ = write!(line, ", {good} of {needed} trials succeeded");
        }
        if standing.shadow {
            line.push_str(", in shadow: nothing is done");
        }
        field(text, "Standing", &line);
    }
    if let Some(ease) = backend.ease {
        field(text, "Ease", &format!("{:.0} % of its weight", ease * 100.0));
    }
}
