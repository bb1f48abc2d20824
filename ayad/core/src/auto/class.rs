//! Rules for some requests: an arm for those of a route, or for those that match as a route would.
//!
//! Other requests go on under the arm that steers, and only of those anything is learned: what a class of requests costs
//! says nothing about an arm that did not pick for it. Rules are numbered together with those for all requests, and of
//! those that hold the first one wins, so that a rule for all requests ends what stands after it.

use std::fmt;
use std::sync::Arc;

use super::{Auto, AutoRules, Rule, When};
use crate::route::{Facts, Found, HostMatch, RouteError, RouteSpec, Router};

/// Which requests a rule is for: those of one of some routes that also match.
#[derive(Clone, Debug)]
pub struct Class {
    routes: Vec<String>,
    matches: Option<RouteSpec>,
    /// Of the match alone.
    router: Arc<Router>,
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        self.routes == other.routes && self.matches == other.matches
    }
}

impl Class {
    /// For requests of these routes, of all when there are none, that match. Conditions on bodies never hold: nobody
    /// reads one for a rule. Fails when the path of the match cannot be one.
    pub fn new(routes: Vec<String>, matches: Option<RouteSpec>) -> Result<Self, Vec<RouteError>> {
        let router = Arc::new(Router::build(&matches)?);
        Ok(Self { routes, matches, router })
    }

    fn may_be_of(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|name| name == route)
    }

    /// Whether a request matches that is of one of the routes. Neither locks nor allocates; without a match it costs a
    /// comparison.
    fn holds(&self, request: &mut Request<'_>) -> bool {
        let Request { host, path, method, facts } = request;
        self.matches.is_none() || self.router.find_by(0, host, path, method, &mut **facts) == Found::Route(0)
    }
}

/// What rules ask of a request.
pub struct Request<'r> {
    /// Its host, without port.
    pub host: &'r str,
    /// Its path in its normal form, without query.
    pub path: &'r str,
    /// Its method.
    pub method: &'r str,
    /// Everything else.
    pub facts: &'r mut dyn Facts,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let [first, others @ ..] = &self.routes[..] {
            words
                .push(others.iter().fold(format!("route {first}"), |text, name| format!("{text} or {name}")));
        }
        if let Some(RouteSpec { host, path, methods, headers, context, listeners: _ }) = &self.matches {
            if !methods.is_empty() {
                words.push(format!("method {}", methods.join(" or ")));
            }
            if *host != HostMatch::Any {
                words.push(format!("host {host}"));
            }
            if path != "/*" {
                words.push(format!("path {path}"));
            }
            words.extend(headers.iter().map(|(name, value)| format!("header {name}: {value}")));
            if !context.is_empty() {
                words.push("its context".to_owned());
            }
        }
        f.write_str(&words.join(", "))
    }
}

/// A rule for some requests holds from now on, or does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The rule, by position.
    pub rule: usize,
    /// It holds.
    pub holds: bool,
    /// It is only said: these requests go on as before.
    pub is_advice: bool,
}

impl AutoRules {
    /// The rules for some requests that may be for those of this route: bits by position.
    pub fn of_route(&self, route: &str) -> u32 {
        let may_be = |rule: &Rule| rule.class.as_ref().is_some_and(|class| class.may_be_of(route));
        bits(self.rules.iter().map(may_be))
    }

    /// The rules for some requests that hold whatever the time and the traffic: bits by position. They are in force from
    /// the beginning, unless this only advises.
    pub fn at_once(&self) -> u32 {
        let is_free = |rule: &Rule| rule.class.is_some() && rule.when == When::default();
        if self.advises { 0 } else { bits(self.rules.iter().map(is_free)) }
    }

    /// The first of the rules in `open`, which are bits by position and may be for the request's route, that is for a
    /// request. Neither locks nor allocates.
    pub fn first(&self, open: u32, request: &mut Request<'_>) -> Option<usize> {
        let mut left = open;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            let class = self.rules.get(at)?.class.as_ref();
            if class.is_some_and(|class| class.holds(request)) {
                return Some(at);
            }
            left &= left - 1;
        }
        None
    }
}

impl Auto {
    /// The rules for some requests that are in force, as bits by position: those that hold and stand before the rule for
    /// all requests that does.
    pub fn open(&self) -> u32 {
        let before = self.rule.map_or(u32::MAX, |rule| (1 << rule) - 1);
        if self.is_held || self.rules.advises { 0 } else { self.holding & before }
    }

    /// The rules that are in force, those for all requests included: bits by position.
    pub fn in_force(&self) -> u32 {
        let steers = self.rule.filter(|_| !self.is_held && !self.rules.advises);
        self.open() | steers.map_or(0, |rule| 1 << rule)
    }

    /// By what rules it chooses.
    pub fn rules(&self) -> &Arc<AutoRules> {
        &self.rules
    }

    /// Whether somebody has ordered an algorithm.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Looks which rules for some requests hold, at this minute of the day and rate. To be asked before [`Auto::tick`];
    /// nothing changes while somebody has ordered an algorithm.
    pub fn shift(&mut self, minute: u16, rate: f64) -> impl Iterator<Item = Shift> + use<> {
        let before = self.holding;
        if !self.is_held {
            let holds = |(at, rule): (usize, &Rule)| {
                rule.class.is_some() && rule.when.holds(minute, rate, before & (1 << at) != 0)
            };
            self.holding = bits(self.rules.rules.iter().enumerate().map(holds));
        }
        let (now, is_advice) = (self.holding, self.rules.advises);
        let changed = (0..self.rules.rules.len()).filter(move |at| (before ^ now) & (1 << at) != 0);
        changed.map(move |rule| Shift { rule, holds: now & (1 << rule) != 0, is_advice })
    }
}

fn bits(all: impl Iterator<Item = bool>) -> u32 {
    all.enumerate().fold(0, |bits, (at, is_set)| bits | u32::from(is_set) << at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auto::Objective;
    use crate::route::Context;
    use crate::time::Tick;
    use std::time::Duration;

    /// Headers that a request has.
    struct Known(&'static [(&'static str, &'static str)]);

    impl Facts for Known {
        fn header(&mut self, name: &str) -> Option<&[u8]> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        }
    }

    fn of_routes(names: &[&str]) -> Class {
        Class::new(names.iter().map(|name| (*name).to_owned()).collect(), None).unwrap()
    }

    fn matching(path: &str, methods: &[&str], headers: &[(&str, &str)]) -> Class {
        let owned = |text: &str| text.to_owned();
        let spec = RouteSpec {
            host: HostMatch::Any,
            path: path.into(),
            methods: methods.iter().map(|method| owned(method)).collect(),
            headers: headers.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            context: Context::default(),
            listeners: None,
        };
        Class::new(Vec::new(), Some(spec)).unwrap()
    }

    fn auto(rules: Vec<Rule>, advises: bool) -> Auto {
        let arms = ["round-robin", "p2c", "random"].map(|arm| arm.parse().unwrap()).to_vec();
        let rules = AutoRules {
            learned: 2,
            arms,
            start: 0,
            epoch: Duration::from_secs(30),
            objective: Objective::Mean,
            margin: 0.05,
            advises,
            rules,
            offset: 0,
        };
        Auto::new(Arc::new(rules), 0, Tick::ZERO)
    }

    fn busy() -> When {
        When { rate_over: Some(100.0), ..When::default() }
    }

    fn rule(when: When, class: impl Into<Option<Class>>) -> Rule {
        Rule { when, class: class.into(), arm: 1 }
    }

    fn shifts(auto: &mut Auto, rate: f64) -> Vec<(usize, bool)> {
        let shifts: Vec<_> = auto.shift(0, rate).map(|shift| (shift.rule, shift.holds)).collect();
        auto.tick(Tick::ZERO, 0, rate);
        shifts
    }

    #[test]
    fn the_first_rule_in_force_that_is_for_a_request_wins() {
        let rules = vec![
            rule(When::default(), of_routes(&["reports", "exports"])),
            rule(When::default(), matching("/big/*", &["POST"], &[("x-plan", "batch*")])),
            rule(When::default(), matching("/*", &["POST"], &[])),
        ];
        let rules = auto(rules, false).rules;
        assert_eq!(
            (rules.of_route("reports"), rules.of_route("shop"), rules.at_once()),
            (0b111, 0b110, 0b111)
        );

        let first = |open: u32, method, path, headers| {
            rules.first(open, &mut Request { host: "", path, method, facts: &mut Known(headers) })
        };
        let batch = &[("x-plan", "batch-7")];
        assert_eq!(first(0b111, "GET", "/", &[]), Some(0));
        assert_eq!(first(0b110, "POST", "/big/one", batch), Some(1));
        assert_eq!(first(0b110, "POST", "/bigger", batch), Some(2));
        assert_eq!(first(0b110, "POST", "/big", &[]), Some(2));
        assert_eq!(first(0b110, "GET", "/big", batch), None);
        assert_eq!(first(0b010, "POST", "/", &[]), None);
        assert_eq!(first(0, "POST", "/", &[]), None);
    }

    #[test]
    fn a_rule_for_all_requests_ends_what_stands_after_it() {
        let free = When::default();
        let rules = vec![rule(free, of_routes(&["a"])), rule(busy(), None), rule(free, of_routes(&["b"]))];
        let mut auto = auto(rules, false);
        assert_eq!(shifts(&mut auto, 1.0), [(0, true), (2, true)]);
        assert_eq!((auto.open(), auto.in_force()), (0b101, 0b101));

        assert_eq!(shifts(&mut auto, 200.0), []);
        assert_eq!((auto.rule(), auto.open(), auto.in_force()), (Some(1), 0b001, 0b011));
        assert_eq!(shifts(&mut auto, 1.0), []);
        assert_eq!(auto.open(), 0b101);
    }

    #[test]
    fn a_class_may_depend_on_traffic_with_hysteresis() {
        let mut auto = auto(vec![rule(busy(), of_routes(&["a"]))], false);
        assert_eq!(auto.rules.at_once(), 0);
        assert_eq!((shifts(&mut auto, 99.0), auto.open()), (vec![], 0));
        assert_eq!((shifts(&mut auto, 100.0), auto.open()), (vec![(0, true)], 1));
        assert_eq!((shifts(&mut auto, 81.0), auto.open()), (vec![], 1));
        assert_eq!((shifts(&mut auto, 79.0), auto.open()), (vec![(0, false)], 0));
        assert_eq!(auto.current(), 0);
    }

    #[test]
    fn orders_stand_above_and_who_advises_only_says() {
        let rules = || vec![rule(When::default(), of_routes(&["a"]))];
        let mut held = auto(rules(), false);
        held.hold(true, Tick::ZERO);
        assert_eq!((shifts(&mut held, 1.0), held.open()), (vec![], 0));
        held.hold(false, Tick::ZERO);
        assert_eq!((shifts(&mut held, 1.0), held.open()), (vec![(0, true)], 1));

        let mut advises = auto(rules(), true);
        assert!(advises.shift(0, 1.0).all(|shift| shift.is_advice && shift.holds));
        assert_eq!((advises.open(), advises.in_force(), advises.rules.at_once()), (0, 0, 0));
    }

    #[test]
    fn rules_read_as_they_are_written() {
        let night = When { time: Some((1320, 360)), rate_over: Some(2000.0), rate_under: None };
        assert_eq!(rule(night, None).to_string(), "22:00-06:00, over 2000 requests/s");
        let class = matching("/big/*", &["POST", "PUT"], &[("x-plan", "batch")]);
        let words = "method POST or PUT, path /big/*, header x-plan: batch";
        assert_eq!(rule(When::default(), class).to_string(), words);
        assert_eq!(rule(When::default(), of_routes(&["a", "b"])).to_string(), "route a or b");
    }
}
