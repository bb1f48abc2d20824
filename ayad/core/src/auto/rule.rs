//! Rules that need no learning: an arm for a time of day, for a level of traffic, or for some requests.

use std::fmt;

use super::Class;

/// A rate has fallen again when it is this share of what it had to rise over, and the other way round.
const HYSTERESIS: f64 = 0.8;
/// Minutes of a day.
pub const DAY: u16 = 24 * 60;

/// When a rule holds: when all of its conditions do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct When {
    /// From this minute of the day to before that one; over midnight when the second is the earlier one.
    pub time: Option<(u16, u16)>,
    /// Over this many requests per second; until there are less than 80 % of that.
    pub rate_over: Option<f64>,
    /// Under this many requests per second; until there are over 125 % of that.
    pub rate_under: Option<f64>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// When it holds.
    pub when: When,
    /// The requests that it is for; `None` for all.
    pub class: Option<Class>,
    /// The arm that steers then, or picks for those requests; by position.
    pub arm: usize,
}

impl When {
    /// Whether it holds at this minute of the day and rate, having held before or not.
    pub fn holds(&self, minute: u16, rate: f64, held: bool) -> bool {
        let Self { time, rate_over, rate_under } = *self;
        let in_time = time.is_none_or(|(from, to)| {
            if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
        });
        let over = rate_over.is_none_or(|limit| rate >= if held { limit * HYSTERESIS } else { limit });
        let under = rate_under.is_none_or(|limit| rate <= if held { limit / HYSTERESIS } else { limit });
        in_time && over && under
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let When { time, rate_over, rate_under } = self.when;
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let words = [
            time.map(|(from, to)| format!("{}-{}", clock(from), clock(to))),
            rate_over.map(|limit| format!("over {limit} requests/s")),
            rate_under.map(|limit| format!("under {limit} requests/s")),
            self.class.as_ref().map(Class::to_string),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_may_reach_over_midnight() {
        let night = When { time: Some((22 * 60, 6 * 60)), ..When::default() };
        let holds = |hour: u16| night.holds(hour * 60, 0.0, false);
        assert!(holds(22) && holds(23) && holds(0) && holds(5));
        assert!(!holds(6) && !holds(12) && !holds(21));

        let noon = When { time: Some((720, 780)), ..When::default() };
        assert!(noon.holds(720, 0.0, false) && noon.holds(779, 0.0, false) && !noon.holds(780, 0.0, false));
    }

    #[test]
    fn rates_have_hysteresis_on_both_sides() {
        let busy = When { rate_over: Some(1000.0), ..When::default() };
        assert!(!busy.holds(0, 999.0, false) && busy.holds(0, 1000.0, false));
        assert!(busy.holds(0, 801.0, true) && !busy.holds(0, 799.0, true));

        let quiet = When { rate_under: Some(100.0), ..When::default() };
        assert!(!quiet.holds(0, 101.0, false) && quiet.holds(0, 100.0, false));
        assert!(quiet.holds(0, 124.0, true) && !quiet.holds(0, 126.0, true));
    }
}
