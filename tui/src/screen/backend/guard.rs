//! The lines about the breaker and about how a backend stands among the others.

use aya_api::view::{BackendView, BreakerView};

use crate::figure;
use crate::theme::Tone;
use crate::why;

/// Label, tone, value and facts of one line.
type Line = (&'static str, Tone, String, Vec<String>);

/// How many lines there are besides those of every backend.
pub(super) fn lines(b: &BackendView) -> u16 {
    u16::from(b.standing.is_some())
}

/// The facts of a breaker. An order holds instead of the state, so it comes first.
pub(super) fn breaker(
    breaker: &BreakerView,
    now_ms: u64,
    since: String,
    retry: Option<String>,
) -> Vec<String> {
    let mut facts = breaker.order.as_ref().map(|order| why::ordered(order, now_ms)).unwrap_or_default();
    facts.extend([since, breaker.cause.clone().unwrap_or_default(), retry.unwrap_or_default()]);
    facts.extend(
        breaker.window.map(|w| format!("window {} calls, {} failed, {} slow", w.calls, w.failures, w.slow)),
    );
    facts
}

/// How it stands, where it is not like the others.
pub(super) fn standing(b: &BackendView, now_ms: u64) -> Option<Line> {
    let standing = b.standing.as_ref()?;
    // The figures come last: in a narrow window the reason and the next step are worth more.
    let mut facts = vec![
        format!("odd for {}", figure::span(now_ms.saturating_sub(standing.odd_since()))),
        standing.reason.clone(),
    ];
    if standing.shadow {
        facts.push("shadow: nothing is done".to_owned());
    }
    facts.extend(why::stands_until(standing, now_ms));
    facts.extend(
        b.ease.filter(|_| b.eligible).map(|ease| format!("gets {} of its weight", figure::share(ease))),
    );
    facts.push(standing.cause.clone());
    Some(("standing", why::standing_tone(standing.state), standing.state.to_string(), facts))
}
