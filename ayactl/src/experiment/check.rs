//! From a file to an [`Experiment`], or to all that is wrong with it.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use aya_api::axis::Admin;
use aya_api::command::notes::LONGEST_NOTE;
use aya_api::condition::{Condition, Metric, Unit};
use aya_api::fault::ChaosLimits;

use super::formats::{self, duration};
use super::model::{Action, Anchor, Expect, Experiment, Order, Step, TIMEOUT, WITHIN};
use super::raw;
use super::reading::{self, Document, Places, Vars};
use super::source::{Problem, Source};
use super::steps;
use crate::failure::closest;

/// What stands before the colon of a condition about what clients of the load see.
pub const LOAD: &str = "load";

/// Reads an experiment. `path` gives it its name.
pub fn read(path: &Path, text: &str, given: &Vars) -> Result<Experiment, Vec<Problem>> {
    let source = Source::new(path.display().to_string(), text);
    let Document { file, places } = reading::read::<raw::File>(&source, given)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut check = Check::new(&source, &places);
    let experiment = check.experiment(name, file, given);
    if check.problems.is_empty() { Ok(experiment) } else { Err(check.problems) }
}

/// A check in progress.
pub struct Check<'a> {
    source: &'a Source,
    /// What stands before every path: where in the file the experiment is.
    prefix: String,
    places: &'a Places,
    problems: Vec<Problem>,
    names: Vec<(String, Range<usize>)>,
}

impl<'a> Check<'a> {
    /// Has looked at nothing yet.
    pub fn new(source: &'a Source, places: &'a Places) -> Self {
        Self { source, prefix: String::new(), places, problems: Vec::new(), names: Vec::new() }
    }

    /// What is looked at from now on stands behind `prefix`.
    pub fn inside(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// Where the file is.
    pub fn folder(&self) -> &'a Path {
        Path::new(&self.source.name).parent().unwrap_or(Path::new("."))
    }

    /// Everything that is wrong.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes what is wrong at a path.
    pub fn say(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.places.of(&format!("{}{path}", self.prefix));
        self.problems.push(self.source.problem(&span, message, help));
    }

    /// Remembers that a pool or backend is named at a path.
    pub(super) fn name(&mut self, path: &str, name: &str) {
        let span = self.places.of(&format!("{}{path}", self.prefix));
        self.names.push((name.to_owned(), span));
    }

    /// Words that are shown and told to the daemon: some, of [`LONGEST_NOTE`] bytes at most, and nothing that a terminal would
    /// obey.
    pub fn words(&mut self, text: &str, path: &str) {
        let text = text.trim();
        if text.contains(|c: char| c.is_control() && c != '\n') {
            self.say(
                path,
                "there are control characters in it",
                "leave out what is written like \\u001b or \\t",
            );
        } else if text.is_empty() || text.len() > LONGEST_NOTE {
            let help = format!("say it in 1 to {LONGEST_NOTE} bytes");
            self.say(path, format!("it has {} bytes", text.len()), help);
        }
    }

    /// From what is written to an experiment; what is wrong is noted, and what is left of it is then of no use.
    pub fn experiment(&mut self, name: String, file: raw::File, given: &Vars) -> Experiment {
        if file.aya != 1 {
            self.say(
                "aya",
                format!("aya = {} is a format of another version", file.aya),
                "this ayactl reads aya = 1",
            );
        }
        self.words(&file.title, "title");
        if let Some(promise) = &file.promise {
            self.words(promise, "promise");
        }
        let steps = self.steps(&file.step);
        let has_load = steps.iter().any(|step| matches!(step.action, Action::Load(_)));
        let mut conditions = |list: &[raw::ConditionText], at: &str| -> Vec<Condition> {
            let each = list.iter().enumerate();
            each.filter_map(|(index, text)| self.condition(&text.0, &format!("{at}[{index}]"), has_load))
                .collect()
        };
        let probes = conditions(&file.hypothesis.probe, "hypothesis.probe");
        let during = conditions(&file.hypothesis.during, "hypothesis.during");
        let stop = conditions(&file.stop.conditions, "stop.if");
        if file.hypothesis.probe.is_empty() {
            let help = "say what must hold before and after, e.g. probe = [\"shop: err < 1%\"]";
            self.say("hypothesis", "a hypothesis without a probe holds whatever happens", help);
        }
        let expects = file.expect.iter().enumerate();
        let expects =
            expects.filter_map(|(index, expect)| self.expect(expect, index, &steps, has_load)).collect();
        let limits = ChaosLimits {
            max_backends: file.limits.max_backends,
            max_traffic: file.limits.max_traffic.and_then(|text| formats::share(&text.0).ok()),
            min_ready: file.limits.min_ready,
            max_held: file.limits.max_held,
        };
        let mut vars = file.vars;
        vars.extend(given.clone());
        Experiment {
            name,
            source: self.source.clone(),
            title: file.title,
            promise: file.promise,
            vars,
            probes,
            during,
            within: file.hypothesis.within.map_or(WITHIN, |text| duration(&text.0)),
            steps,
            stop,
            limits,
            expects,
            names: std::mem::take(&mut self.names),
        }
    }

    /// A condition with a scope that its metric can have.
    pub fn condition(&mut self, text: &str, path: &str, has_load: bool) -> Option<Condition> {
        let condition: Condition = text.parse().ok()?;
        let Some(scope) = condition.scope.clone() else {
            self.say(
                path,
                format!("\"{text}\" does not say of what"),
                "write the pool or backend before it, e.g. shop: p99 < 300ms",
            );
            return None;
        };
        let metric = condition.metric;
        if scope == LOAD {
            let known =
                metric.unit() != Unit::Word && !matches!(metric, Metric::Eligible | Metric::EligibleShare);
            if !known {
                let help = "of a load there are percentiles (p99, service-p99, lag-p99), mean, max, err, rate, in-flight";
                self.say(path, format!("nobody measures {metric} of a load"), help);
            } else if !has_load {
                self.say(path, "there is no load in this file", "add a step, e.g. load = \"-r 200 -d 20s\"");
            }
            return known.then_some(condition);
        }
        let is_backend = scope.contains('/');
        let known = match metric {
            Metric::Percentile(p) => [50.0, 90.0, 99.0].contains(&p),
            Metric::Max | Metric::Errors | Metric::Rate | Metric::InFlight => true,
            Metric::Eligible | Metric::EligibleShare => !is_backend,
            Metric::Breaker | Metric::Health | Metric::Admin => is_backend,
            Metric::Service(_) | Metric::Lag(_) | Metric::Mean => false,
        };
        if !known {
            let help = match metric.unit() {
                Unit::Word => format!("name a backend, e.g. {scope}/NAME: {metric} = …"),
                _ if is_backend => {
                    "of a backend there are p50, p90, p99, max, err, rate, in-flight, breaker, health, admin"
                        .into()
                }
                _ => "of a pool there are p50, p90, p99, max, err, rate, in-flight, eligible, eligible-share"
                    .into(),
            };
            self.say(path, format!("nobody measures {metric} of {scope}"), help);
            return None;
        }
        self.name(path, &scope);
        Some(condition)
    }

    fn steps(&mut self, written: &[raw::Step]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        if written.is_empty() {
            self.say("step", "an experiment without a step shows nothing", "add a [[step]]");
        }
        for (index, step) in written.iter().enumerate() {
            let path = format!("step[{index}]");
            let Some((what, action)) = self.action(step, &path) else { continue };
            let number = steps.iter().filter(|known| known.action.kind() == action.kind()).count() + 1;
            let name = step.name.clone().unwrap_or_else(|| format!("{} {number}", action.kind()));
            if steps.iter().any(|known| known.name == name) {
                self.say(
                    &format!("{path}.name"),
                    format!("there are two steps called \"{name}\""),
                    "give one another name",
                );
            }
            steps.push(Step { name, what, background: step.background, action });
        }
        steps
    }

    fn action(&mut self, step: &raw::Step, path: &str) -> Option<(String, Action)> {
        let found = steps::written(step);
        let [(key, _)] = found.as_slice() else {
            let message = match found.as_slice() {
                [] => "this step does nothing".to_owned(),
                [(one, _), (other, _), ..] => format!("this step does two things: {one} and {other}"),
                [_] => String::new(),
            };
            self.say(path, message, format!("a step has one of {}", steps::KEYS.join(", ")));
            return None;
        };
        if step.within.is_some() && step.wait.is_none() {
            self.say(
                &format!("{path}.within"),
                "\"within\" belongs to a step that waits for a condition",
                "remove it",
            );
        }
        if step.timeout.is_some() && step.run.is_none() {
            self.say(
                &format!("{path}.timeout"),
                "\"timeout\" belongs to a step that runs a program",
                "remove it",
            );
        }
        let at = format!("{path}.{key}");
        let action = match *key {
            "fault" => steps::fault(self, &step.fault.as_ref()?.0, &at)?,
            "load" => steps::load(self, &step.load.as_ref()?.0, &at)?,
            "drain" => self.order(&step.drain.as_ref()?.0, Order::Admin(Admin::Draining), &at)?,
            "maint" => self.order(&step.maint.as_ref()?.0, Order::Admin(Admin::Maint), &at)?,
            "ready" => self.order(&step.ready.as_ref()?.0, Order::Admin(Admin::Ready), &at)?,
            "weight" => {
                let (backend, weight) = formats::weight(&step.weight.as_ref()?.0).ok()?;
                self.order(&backend, Order::Weight(weight), &at)?
            }
            "wait" => self.wait(step, &at)?,
            _ => {
                let argv = step.run.clone()?;
                if argv.first().is_none_or(String::is_empty) {
                    self.say(&at, "there is no program to run", "write run = [\"program\", \"argument\"]");
                    return None;
                }
                Action::Run(argv, step.timeout.as_ref().map_or(TIMEOUT, |text| duration(&text.0)))
            }
        };
        Some((found.into_iter().next()?.1, action))
    }

    fn order(&mut self, id: &str, order: Order, path: &str) -> Option<Action> {
        let (pool, backend) = id.split_once('/')?;
        self.name(path, id);
        Some(Action::Order { pool: pool.to_owned(), backend: backend.to_owned(), order })
    }

    fn wait(&mut self, step: &raw::Step, path: &str) -> Option<Action> {
        let text = step.wait.as_deref()?;
        let within = step.within.as_ref().map(|text| duration(&text.0));
        if !text.contains(['<', '>', '=']) {
            return match formats::check("duration", text) {
                Ok(()) if within.is_none() => Some(Action::Wait(duration(text))),
                Ok(()) => {
                    self.say(
                        path,
                        "a wait for some time has no \"within\"",
                        "remove it, or wait for a condition",
                    );
                    None
                }
                Err((message, help)) => {
                    self.say(
                        path,
                        message,
                        format!("{help}; or wait for a condition such as shop/web-1: breaker = open"),
                    );
                    None
                }
            };
        }
        if let Err((message, help)) = formats::check("condition", text) {
            self.say(path, message, help);
            return None;
        }
        let condition = self.condition(text, path, true)?;
        let Some(within) = within else {
            self.say(path, "a wait for a condition may never end", "say how long at most: within = \"10s\"");
            return None;
        };
        Some(Action::WaitFor(condition, within))
    }

    fn expect(
        &mut self,
        expect: &raw::Expect,
        index: usize,
        steps: &[Step],
        has_load: bool,
    ) -> Option<Expect> {
        let path = format!("expect[{index}]");
        let what = self.condition(&expect.what.0, &format!("{path}.what"), has_load)?;
        let within: Duration = duration(&expect.within.0);
        let after = match &expect.after {
            None => steps.iter().position(|step| step.action.is_fault()).map(Anchor::Begin),
            Some(text) => {
                let (end, name) =
                    text.strip_prefix("end of ").map_or((false, text.as_str()), |name| (true, name));
                let found = steps.iter().position(|step| step.name == name);
                found.map(|step| if end { Anchor::End(step) } else { Anchor::Begin(step) })
            }
        };
        if after.is_none() {
            let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
            let typed = expect.after.as_deref().unwrap_or_default();
            let near = closest(typed.trim_start_matches("end of "), names.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there are {}; or \"end of …\"", names.join(", ")),
            };
            let message = match &expect.after {
                Some(name) => format!("no step is called \"{name}\""),
                None => "there is no fault that this could come after".to_owned(),
            };
            self.say(&format!("{path}.after"), message, help);
        }
        Some(Expect { what, within, after: after? })
    }
}
